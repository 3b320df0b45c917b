"""A netrc as curl reads it, and so Git; Python's own module loses backslashes, and takes the last entry of a host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sluicegate.tools.process import lines_of

# A word in quotes may hold blanks, and only there a backslash is an escape.
WORD = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<open>")|(?P<plain>\S+))', re.ASCII)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
KEYS = {"login", "password"}


class Mistake(Exception):
    """The file is not in the form of a netrc; the text quotes nothing of it."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Entry:
    """What stands for a server; '' for what is not given."""

    login: str = ""
    password: str = ""


def entry(text: str, host: str) -> Entry | None:
    """The first entry for the host, or `default`, that has both a login and a password; else the last of them.

    Words that say nothing here (`account`, `port`, a slip of the pen) are passed over. Raises Mistake.
    """
    values = None
    for values in _entries(text, host):
        if values.keys() == KEYS:
            break
    return None if values is None else Entry(login=values.get("login", ""), password=values.get("password", ""))


def _entries(text: str, host: str) -> Iterator[dict[str, str]]:
    """What each entry for the host, or `default`, gives; once it has both, more words change nothing."""
    values: dict[str, str] = {}
    is_ours = False
    words = _words(text)
    for line, word in words:
        key = word.lower()
        if key in ("machine", "default"):
            if is_ours:
                yield values
            is_ours, values = key == "default" or _value(words, key, line).lower() == host.lower(), {}
        elif key in KEYS:
            value = _value(words, key, line)
            if values.keys() != KEYS:
                values[key] = value
    if is_ours:
        yield values


def _value(words: Iterator[tuple[int, str]], key: str, line: int) -> str:
    following = next(words, None)
    if following is None:
        raise Mistake(f"nothing stands behind '{key}'", line)
    return following[1]


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Each word with its line, without comments and macros.

    A macro ends with an empty line, and a word that begins with `#` is a comment to the end of its line, as for curl.
    """
    in_macro = False
    for number, line in enumerate(lines_of(text), start=1):
        if in_macro:
            in_macro = bool(line)
            continue
        place = 0
        while word := WORD.match(line, place):
            place = word.end()
            if word["open"]:
                raise Mistake("a quotation mark has no partner", number)
            if word["plain"] and word["plain"].startswith("#"):
                break
            if word["plain"] and word["plain"].lower() == "macdef":
                in_macro = True
                break
            if word["plain"]:
                yield number, word["plain"]
            else:
                yield number, re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), word["quoted"])
