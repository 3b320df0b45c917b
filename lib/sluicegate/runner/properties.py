"""Texts of NAME=VALUE lines as Java reads them (java.util.Properties), and as EnvInject does, whose rule is its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
PAIR = re.compile(r"((?:\\.|[^\\=:\s])*)[ \t\f]*(?:[=:][ \t\f]*)?(.*)", re.DOTALL)
REFERENCE = re.compile(r"\$(?:\{([A-Za-z0-9_.]+)\}|([A-Za-z0-9_]+)|(\$))")
LONE_BACKSLASH = re.compile(r'(?<!\\)\\(?![n:*?"<>\\/\n])')
HOST_PATH = re.compile(r"(?m)^([^=\n]+=)\\\\(?!\\)")


def load(text: str) -> dict[str, str]:
    """Name -> value. Comments begin with # or !, `=`, `:` or a space ends a name, a backslash joins lines."""
    pairs: dict[str, str] = {}
    for line in _logical_lines(text):
        matched = PAIR.fullmatch(line)
        if matched is not None:
            pairs[_unescaped(matched[1])] = _unescaped(matched[2])
    return pairs


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    joined = ""
    for raw in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = raw.lstrip(" \t\f")
        if not joined and (not line or line[0] in "#!"):
            continue
        joined += line
        if (len(joined) - len(joined.rstrip("\\"))) % 2:
            joined = joined[:-1]
            continue
        lines.append(joined)
        joined = ""
    return [*lines, joined] if joined else lines


def _unescaped(text: str) -> str:
    return ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else ESCAPES.get(match[2], match[2]), text)


def injected(text: str, env: Mapping[str, str]) -> dict[str, str]:
    """What EnvInject makes of a text: a lone backslash stays, references reach the environment and the text itself.

    As a real Jenkins was seen to do: `C:\\dir` and a leading `\\\\host` are kept, `\\:` is `:`, `\\=` and `\\uXXXX`
    stay as they are, `$$` is `$`, and a name that nobody set stays as it was written.
    """
    pairs = load(LONE_BACKSLASH.sub(r"\\\\", HOST_PATH.sub(r"\1" + r"\\" * 4, text)))
    known = {expand(name, env).strip(): value.strip() for name, value in pairs.items()}
    return {name: _resolved(name, known, env, ()) for name in known if name}


def _resolved(name: str, known: Mapping[str, str], env: Mapping[str, str], above: tuple[str, ...]) -> str:
    def replace(match: re.Match[str]) -> str:
        wanted = match[1] or match[2]
        if match[3]:
            return "$"
        if wanted in env:
            return env[wanted]
        if wanted in known and wanted not in (name, *above):
            return _resolved(wanted, known, env, (name, *above))
        return match[0]

    return REFERENCE.sub(replace, known[name])


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $NAME and ${NAME}, and `$$` by `$` (hudson.Util.replaceMacro); unknown names stay as they are."""
    return REFERENCE.sub(lambda match: match[3] or variables.get(match[1] or match[2], match[0]), text)


def resolved(variables: Mapping[str, str], names: Iterable[str]) -> Mapping[str, str]:
    """The variables, of which those of these names have the values that they name; one that leads to itself stays."""
    chosen = {name: variables[name] for name in names if "$" in variables.get(name, "")}
    if not chosen:
        return variables
    fixed = {name: value for name, value in variables.items() if name not in chosen}
    return {**variables, **{name: _resolved(name, chosen, fixed, ()) for name in chosen}}
