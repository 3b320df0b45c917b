"""Builders for jenkins-job-builder: steps that call our command line, rendered as core Jenkins' shell step.

A function is found by the entry points `jenkins_jobs.builders`; its arguments are jenkins-job-builder's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from jenkins_jobs.errors import InvalidAttributeError, JenkinsJobsException, MissingAttributeError
from jenkins_jobs.modules.builders import shell

REFUSED = 3
PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,-]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Values = Mapping[str, Any]


def sluicegate_publish(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-publish

    Publish the files of a version. `component` and `files` (a list) are wanted; a `version` that is left out is made
    of the checkout. `figures` (a mapping of quality figures), `source` (the checkout), `version-file` (its file of
    MAJOR.MINOR), `sbom` (a CycloneDX file), `sign` (a key's id), `connections` and `delivery-repo` may be given.
    Values may hold $VARIABLES.
    """
    options = ("source", "version-file", "sbom", "sign", "connections")
    _only(data, "component", "version", "files", "figures", *options, "delivery-repo")
    words = ["publish", *_options(data, *options)]
    for name, value in sorted(_figures(data).items()):
        words.append(f"--figure={name}={value}")
    words += ["--", _versioned(data), *_texts(data, "files")]
    _step(registry, xml_parent, data, _command(*words))


def sluicegate_resolve(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-resolve

    Find the newest version for later steps: `component` and `file` are wanted. `version` is a range (1.x, '>=1.2,<2')
    or evidence (tested:integration, commit:$GIT_COMMIT). `file` gets the version; with a `variable` it gets the line
    VARIABLE=VERSION, as the shell's `.` and the plugin EnvInject read it. `delivery-repo` may be given.
    """
    _only(data, "component", "version", "file", "variable", "delivery-repo")
    variable = _text(data, "variable") if "variable" in data else ""
    if variable and not VARIABLE.fullmatch(variable):
        raise InvalidAttributeError("variable", variable, pos=_pos(data, "variable"))
    answer = f"{variable}=$found" if variable else "$found"
    assignment = f"found=$({_command('resolve', '--', _versioned(data))})"
    _step(registry, xml_parent, data, assignment, f'echo "{answer}" > {_quoted(_text(data, "file"))}')


def sluicegate_fetch(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-fetch

    Get a version's files, checked against manifest and provenance. `component` and `to` (a folder) are wanted;
    `version` is one, a range, or evidence; instead of it `version-from` names the file that sluicegate-resolve wrote.
    `verify` (true) refuses a version without a good signature, `signers` (a list of fingerprints) says whose;
    `connections` and `delivery-repo` may be given.
    """
    _only(data, "component", "version", "version-from", "to", "verify", "signers", "connections", "delivery-repo")
    words = ["fetch", f"--to={_text(data, 'to')}", *_options(data, "connections")]
    words += ["--verify"] if _flag(data, "verify", False) else []
    words += [f"--signer={signer}" for signer in (_texts(data, "signers") if "signers" in data else ())]
    if "version-from" not in data:
        _step(registry, xml_parent, data, _command(*words, "--", _versioned(data)))
        return
    if "version" in data:
        raise InvalidAttributeError("version-from", data["version-from"], pos=_pos(data, "version-from"))
    # A line of its own: the shell ends where the file is missing, which inside of an argument it would not.
    read = f"found=$(cat {_quoted(_text(data, 'version-from'))})"
    _step(registry, xml_parent, data, read, _command(*words, "--", f"{_text(data, 'component')}=${{found}}"))


def sluicegate_sync(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-sync

    Make environments what their pins say. `environments` (a list) is wanted; `wait` (true) waits for a lock, and
    `delivery-repo` may be given. A refusal turns the build yellow.
    """
    _only(data, "environments", "wait", "delivery-repo")
    wait = ["--wait"] if _flag(data, "wait", True) else []
    _step(registry, xml_parent, data, _command("sync", *wait, "--", *_texts(data, "environments")))


def sluicegate_promote(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-promote

    Move versions into the next environment's pins. `versions` (a list of COMPONENT or COMPONENT=VERSION) and `to` are
    wanted; `downgrade` (a list), `why` and `delivery-repo` may be given. A refusal turns the build yellow.
    """
    _only(data, "versions", "to", "downgrade", "why", "delivery-repo")
    words = ["promote", f"--to={_text(data, 'to')}"]
    words += [f"--downgrade={component}" for component in (_texts(data, "downgrade") if "downgrade" in data else ())]
    words += [*_options(data, "why"), "--", *_texts(data, "versions")]
    _step(registry, xml_parent, data, _command(*words))


def _step(registry: Any, xml_parent: Element, data: Values, *lines: str) -> None:
    """One shell step of these lines; Jenkins shows our refusals yellow."""
    repo = [f"export SLUICEGATE_REPO={_quoted(_text(data, 'delivery-repo'))}"] if "delivery-repo" in data else []
    shell(registry, xml_parent, {"command": "\n".join([*repo, *lines]), "unstable-return": REFUSED})


def _command(*words: str) -> str:
    """A call of sluicegate. What variables hold comes after `--` or `=`: no options."""
    return " ".join(["sluicegate", *map(_quoted, words)])


def _quoted(word: str) -> str:
    """A word of the shell in which $NAME and ${NAME} still count, and nothing else does."""
    if PLAIN.fullmatch(word):
        return word
    escaped = re.sub(r'([\\"`])', r"\\\1", word)
    return '"' + re.sub(r"\$(?!\{?[A-Za-z_])", r"\\$", escaped) + '"'


def _figures(data: Values) -> Mapping[str, object]:
    figures = data.get("figures") or {}
    if not isinstance(figures, Mapping):
        raise InvalidAttributeError("figures", figures, pos=_pos(data, "figures"))
    return figures


def _options(data: Values, *keys: str) -> list[str]:
    return [f"--{key}={_text(data, key)}" for key in keys if key in data]


def _versioned(data: Values) -> str:
    """COMPONENT or COMPONENT=VERSION."""
    component = _text(data, "component")
    return f"{component}={_text(data, 'version')}" if "version" in data else component


def _flag(data: Values, key: str, default: bool) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise InvalidAttributeError(key, value, (True, False), pos=_pos(data, key))
    return value


def _only(data: Values, *known: str) -> None:
    if not isinstance(data, Mapping):
        raise JenkinsJobsException(f"Expected a mapping with {', '.join(known)}, but found: {data!r}")
    for key in data:
        if key not in known:
            raise InvalidAttributeError(key, data[key], known, pos=_pos(data, key))


def _pos(data: Values, key: str) -> Any:
    """Where a value stands in the YAML; None where it comes from elsewhere."""
    return getattr(data, "value_pos", {}).get(key)


def _text(data: Values, key: str) -> str:
    if key not in data:
        raise MissingAttributeError(key)
    return _word(data, key, data[key])


def _texts(data: Values, key: str) -> list[str]:
    if key not in data:
        raise MissingAttributeError(key)
    value = data[key]
    items = value if isinstance(value, list) else [value]
    if not items:
        raise InvalidAttributeError(key, value, pos=_pos(data, key))
    return [_word(data, key, item) for item in items]


def _word(data: Values, key: str, value: object) -> str:
    """A value as one word of the command line, which may neither be empty nor look like an option."""
    if isinstance(value, (list, dict)) or value is None or str(value) == "" or str(value).startswith("-"):
        raise InvalidAttributeError(key, value, pos=_pos(data, key))
    return str(value)
