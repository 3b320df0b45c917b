"""Regular expressions that users write in jobs: as Java reads them, near enough, and with an end to their patience."""

from __future__ import annotations

from collections.abc import Callable

import regex

from sluicegate.errors import UsageError

PATIENCE = 10.0
"""Seconds that one search may take: `(a+)+b` would hold a build for ever."""
Match = regex.Match[str]


def fullmatch(pattern: str, text: str) -> Match | None:
    """The match when the whole text is one. Raises UsageError for what is no pattern, or takes too long."""
    return _within(pattern, lambda compiled: compiled.fullmatch(text, timeout=PATIENCE))


def search(pattern: str, text: str) -> Match | None:
    """The first match in a text. Raises UsageError for what is no pattern, or takes too long."""
    return _within(pattern, lambda compiled: compiled.search(text, timeout=PATIENCE))


def check(pattern: str) -> None:
    """Raise UsageError for what is no pattern."""
    _within(pattern, lambda compiled: None)


def _within(pattern: str, look: Callable[[regex.Pattern[str]], Match | None]) -> Match | None:
    try:
        return look(regex.compile(pattern))
    except regex.error as problem:
        raise UsageError(f"'{pattern}' is not a regular expression: {problem}") from problem
    except TimeoutError as problem:
        raise UsageError(f"the regular expression '{pattern}' took longer than {PATIENCE:g} seconds") from problem
