"""Text that people read: that of others made fit for a terminal, and numbers of things."""

from __future__ import annotations

import re

# Control characters but line feed and tab, and those that turn the direction of the text behind them.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text with such characters as `\\x1b` or `\\u202e`."""
    return HIDDEN.sub(lambda hidden: hidden[0].encode("unicode_escape").decode(), text)


def counted(number: int, singular: str, many: str) -> str:
    """`1 host`, `2 hosts`, `0 hosts`: the number with the word for one or the word for many."""
    return f"{number} {singular if number == 1 else many}"
