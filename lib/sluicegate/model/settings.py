"""One driver's part of the configuration: read by the driver, strictly, with the place for its mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import timedelta

from sluicegate.errors import ConfigError
from sluicegate.model.frozen import frozen
from sluicegate.model.numbers import decimal, whole

type_names = {str: "a text", tuple: "a list", dict: "a mapping"}

Plain = str | tuple["Plain", ...] | dict[str, "Plain"]
"""What YAML holds once every scalar is text: 1.10 stays `1.10`."""

LONGEST = 100 * 365 * 86400
"""Seconds: a hundred years are more than any pipeline waits."""
UNITS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400}


def suggestion(word: str, known: list[str]) -> str:
    """` Did you mean 'x'?`, or what is known, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(sorted(known))}." if known else ""


def duration(text: str) -> timedelta:
    """`90 s`, `15 min`, `2 h`, `1 d` as a span of time. Raises ValueError."""
    words = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]+)\s*", text)
    unit = UNITS.get(words[2]) if words else None
    number = decimal(words[1], most=LONGEST / unit) if words and unit else None
    if number is None or unit is None:
        raise ValueError(f"'{text}' is not a span of time; write for example '15 min' (units: {', '.join(UNITS)})")
    return timedelta(seconds=number * unit)


@frozen
class Settings:
    """Keys and values below one place of sluicegate.yaml. Every getter raises ConfigError.

    `where` is the place's file:line, `place` gives that of a key below it.
    """

    where: str
    values: Mapping[str, Plain] = field(default_factory=dict)
    place: Callable[[str], str] | None = field(default=None, compare=False)

    def fail(self, text: str, key: str = "") -> ConfigError:
        """The mistake with its place: the key's, where it is one key's."""
        return ConfigError([f"{self.place(key) if self.place and key else self.where}: {text}"])

    def only(self, *known: str) -> None:
        """Refuse any key that is not known."""
        for key in self.values:
            if key not in known:
                raise self.fail(f"unknown key '{key}'.{suggestion(key, list(known))}", key)

    def keys(self, *names: str) -> Settings:
        """These keys alone, those of them that are there."""
        return replace(self, values={key: value for key, value in self.values.items() if key in names})

    def without(self, *names: str) -> Settings:
        """What another reads: all but these keys."""
        return replace(self, values={key: value for key, value in self.values.items() if key not in names})

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if value is None:
            raise self.fail(f"the key '{key}' is missing")
        if not isinstance(value, str):
            raise self.fail(f"'{key}' must be a text, not {type_names[type(value)]}", key)
        return value

    def choice(self, key: str, options: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in options:
            raise self.fail(f"'{key}' is '{value}', expected one of: {', '.join(options)}", key)
        return value

    def address(self, key: str, default: str | None = None) -> str:
        """The URL of a server, without a user or `/` at its end. A wrong one is not shown: it may hold a password."""
        value = self.text(key, default).rstrip("/")
        if value != default and not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", value):
            raise self.fail(f"'{key}' is not of the form https://server.example.com/path, without a user", key)
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        return self.choice(key, ("true", "false"), "true" if default else "false") == "true"

    def number(self, key: str, default: int | None = None) -> int:
        value = self.text(key, None if default is None else str(default))
        number = whole(value, most=999_999_999)
        if number is None:
            raise self.fail(f"'{key}' must be a whole number up to 999999999, not '{value}'", key)
        return number

    def span(self, key: str, default: str | None = None) -> timedelta:
        try:
            return duration(self.text(key, default))
        except ValueError as problem:
            raise self.fail(f"'{key}': {problem}", key) from problem

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one; missing is empty."""
        value = self.values.get(key, ())
        items = (value,) if isinstance(value, str) else value
        if not isinstance(items, tuple) or not all(isinstance(item, str) for item in items):
            raise self.fail(f"'{key}' must be a list of texts", key)
        return tuple(str(item) for item in items)

    def below(self, key: str) -> Settings:
        """The mapping under `key`, empty when it is missing."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(f"'{key}' must be a mapping", key)
        place = self.place
        if place is None:
            return Settings(where=self.where, values=value)
        return Settings(where=place(key), values=value, place=lambda below: place(f"{key}/{below}"))

    def mapping(self, key: str) -> dict[str, str]:
        """A mapping of texts to texts, empty when it is missing."""
        below = self.below(key)
        return {name: below.text(name) for name in below.values}
