"""Regular expressions that users wrote: a text on which one takes too long ends the search, not the program.

`re` keeps the interpreter for as long as `(a+)+b` takes; the regex library reads the same language and can be stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from sluicegate.errors import Malformed, SluicegateError

if TYPE_CHECKING:
    import regex

SECONDS = 2.0
LONGEST = 10_000
"""Characters: a longer one takes seconds and much memory only to be read."""
CALLS = re.compile(r"\(\?(?:R\)|[+-]?[0-9]+\)|&|P>)")
"""A pattern that calls itself, which no Java has; the memory that it takes has no end."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> regex.Pattern[str]:
    """The pattern, ready to search with. Raises Malformed that says what is wrong with it."""
    import regex

    if len(pattern) > LONGEST:
        raise Malformed(f"a regular expression has {len(pattern)} characters; at most {LONGEST} are read")
    if CALLS.search(pattern):
        raise Malformed(f"'{pattern}' is not a regular expression: it calls itself")
    try:
        return regex.compile(pattern)
    except RecursionError:
        raise Malformed(f"'{pattern[:100]}' is not a regular expression: it is nested too deep") from None
    except regex.error as problem:
        raise Malformed(f"'{pattern}' is not a regular expression: {problem}") from problem


def matches(pattern: str, text: str, *, seconds: float | None = None) -> bool:
    """Whether the whole text matches, as Java's Matcher.matches. Raises SluicegateError when it takes too long."""
    return _within(pattern, lambda wanted, limit: wanted.fullmatch(text, timeout=limit), seconds) is not None


def search(pattern: str, text: str) -> regex.Match[str] | None:
    """The first match within a text. Raises SluicegateError when it takes too long."""
    return _within(pattern, lambda wanted, limit: wanted.search(text, timeout=limit), None)


def _within(
    pattern: str, look: Callable[[regex.Pattern[str], float], regex.Match[str] | None], seconds: float | None
) -> regex.Match[str] | None:
    limit = SECONDS if seconds is None else seconds
    try:
        return look(compiled(pattern), limit)
    except (TimeoutError, MemoryError) as problem:
        raise SluicegateError(
            f"the regular expression '{pattern}' took more than {limit:.2g} s on one text, or all memory"
        ) from problem
