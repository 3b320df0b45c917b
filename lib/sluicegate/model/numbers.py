"""Numbers of outside data: ASCII digits within bounds, or none at all. Nobody else turns foreign text into a number."""

from __future__ import annotations

import re

INT = 2**31 - 1
DIGITS = re.compile(r"[+-]?[0-9]{1,19}")
LONG = 2**63 - 1
LAST_MOMENT = 253_402_300_799_999
"""The end of the year 9999 in milliseconds: no later time can be shown."""


def whole(value: object, *, least: int = 0, most: int = LONG) -> int | None:
    """The whole number that a text of at most 19 ASCII digits says, or a number of JSON; None outside the bounds."""
    if isinstance(value, str) and DIGITS.fullmatch(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return None
    return number if least <= number <= most else None


def required(value: object, *, least: int = 0, most: int = LONG) -> int:
    """The same for what must be there. Raises ValueError."""
    number = whole(value, least=least, most=most)
    if number is None:
        raise ValueError(f"{str(value)[:40]!r} is no whole number from {least} to {most}")
    return number


def decimal(text: str, *, least: float = 0.0, most: float) -> float | None:
    """The number that a text such as `2` or `0.25` says; None for any other text and outside the bounds."""
    if not re.fullmatch(r"[+-]?(?:[0-9]{1,19}(?:\.[0-9]{0,19})?|\.[0-9]{1,19})", text):
        return None
    number = float(text)
    return number if least <= number <= most else None
