"""What a version looks like in each scheme, and a key by which versions of a scheme compare; spellings are equal.

`deb` is ordered as dpkg does it, `rpm` as rpm does it, `maven` as Maven 3.9 does it. `semver` is Semantic Versioning
2.0.0 with any count of numbers, and with an order for what stands behind a `+`, which the standard leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import total_ordering
from typing import Any

from sluicegate.delivery.book.mavenorder import MavenOrder
from sluicegate.model.frozen import frozen


@total_ordering
class Order:
    """A version as its scheme compares it; compare it with versions of the same scheme only."""

    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and bool(self._key == other._key)

    def __lt__(self, other: Order) -> bool:
        return bool(self._key < other._key)

    __hash__ = None  # type: ignore[assignment]  # spellings of one version of Maven have no common form to hash


@frozen
class Scheme:
    """`form` is what may be published, in words in `expected`; what `key` refuses with ValueError has no order."""

    form: re.Pattern[str]
    expected: str
    key: Callable[[str], object]


SEMVER = re.compile(
    r"v?([0-9]+(?:\.[0-9]+)*)(?:[-._]?([A-Za-z][0-9A-Za-z._-]*)|-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)
EPOCH = re.compile(r"(?:([0-9]{1,9}):)?(.+)")
RPM_PART = re.compile(r"[~^]|[0-9]+|[A-Za-z]+")


def semver_key(version: str) -> tuple[object, ...]:
    """`1.1` and `v1.1.0` are `1.1.0`; a word without its hyphen, as in `2.0.0.Beta1`, is a prerelease."""
    parts = SEMVER.fullmatch(version)
    if parts is None:
        raise ValueError(version)
    numbers = [int(number) for number in parts[1].split(".")]
    while numbers and not numbers[-1]:
        del numbers[-1]
    early = parts[2] or parts[3]
    return tuple(numbers), (0, *_identifiers(early)) if early else (1,), _identifiers(parts[4] or "")


def _identifiers(text: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers are below words, and compare as numbers."""
    identifiers = text.split(".") if text else []
    return tuple(
        (0, int(identifier), "") if re.fullmatch("[0-9]+", identifier) else (1, 0, identifier)
        for identifier in identifiers
    )


def deb_key(version: str) -> tuple[object, ...]:
    """deb-version(7): epoch, upstream version, revision; `~` is before the end, letters before other characters."""
    epoch, rest = _epoch(version)
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch, _deb_part(upstream), _deb_part(revision)


def _deb_part(text: str) -> tuple[tuple[int, ...] | int, ...]:
    """Weights of characters and numbers in turn; the end is as good as no character and a zero."""
    key: list[tuple[int, ...] | int] = []
    for characters, digits in re.findall(r"([^0-9]*)([0-9]*)", text):
        key += [(*(_deb_weight(character) for character in characters), 0), int(digits or 0)]
    while key[2:][-2:] == [(0,), 0]:
        del key[-2:]
    return (*key, (0,), 0)


def _deb_weight(character: str) -> int:
    return -1 if character == "~" else ord(character) if character.isalpha() else ord(character) + 256


def rpm_key(version: str) -> tuple[object, ...]:
    """rpmvercmp: runs of digits are above runs of letters, `~` is before the end and `^` right behind it."""
    epoch, rest = _epoch(version)
    upstream, hyphen, release = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch, _rpm_part(upstream), _rpm_part(release) if hyphen else ()


def _rpm_part(text: str) -> tuple[tuple[int, int, str], ...]:
    key = []
    for part in RPM_PART.findall(text):
        if part in "~^":
            key.append(({"~": 0, "^": 2}[part], 0, ""))
        else:
            key.append((3, 0, part) if part.isalpha() else (4, int(part), ""))
    return (*key, (1, 0, ""))


def _epoch(version: str) -> tuple[int, str]:
    parts = EPOCH.fullmatch(version)
    if parts is None:
        raise ValueError(version)
    return int(parts[1] or 0), parts[2]


SCHEMES: Mapping[str, Scheme] = {
    "semver": Scheme(
        # One number alone is a date, a build's, or begins a name: it would be above every version to come.
        form=re.compile(r"[0-9]+(?:\.[0-9]+)+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"),
        expected="a form such as 1.4.2, 1.4.2-rc.1 or 1.4.2+build.7; for other forms set `versions: maven`, deb or rpm",
        key=semver_key,
    ),
    "maven": Scheme(
        form=re.compile(r"(?!v[0-9])[0-9A-Za-z][0-9A-Za-z.+_~-]*"),
        expected="a form such as 1.4.2 or 1.4.2-rc-1",
        key=MavenOrder,
    ),
    "deb": Scheme(
        form=re.compile(r"(?:[0-9]{1,9}:)?[0-9][0-9A-Za-z.+~]*(?:-[0-9A-Za-z.+~-]*[0-9A-Za-z.+~])?"),
        expected="a form such as 1.4.2-1 or 1:1.4~rc1-1",
        key=deb_key,
    ),
    "rpm": Scheme(
        form=re.compile(r"(?:[0-9]{1,9}:)?(?!v[0-9])[0-9A-Za-z][0-9A-Za-z._+~^]*(?:-[0-9A-Za-z._+~^]+)?"),
        expected="a form such as 1.4.2-1 or 1:1.4~rc1-1",
        key=rpm_key,
    ),
}
