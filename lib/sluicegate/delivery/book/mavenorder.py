"""The order of Maven 3.9 (org.apache.maven.artifact.versioning.ComparableVersion), on values of our own.

A version is a list of numbers, words and lists in it: a hyphen, and each border between digits and letters, opens a
list in the list.
"""

from __future__ import annotations

import re
from functools import total_ordering
from itertools import pairwise, zip_longest

DIGITS = frozenset("0123456789")
TOKEN = re.compile(r"[.-]|[0-9]+|[^0-9.-]+")
# Words below a release, the release itself, one above it; any other word is above them all, by the alphabet.
RELEASE = "5"
RANKS = {"alpha": "0", "beta": "1", "milestone": "2", "rc": "3", "cr": "3", "snapshot": "4", "sp": "6"}
RANKS |= dict.fromkeys(("ga", "final", "release"), RELEASE)
SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}  # right before a number

_Item = int | str | list["_Item"]  # a str is the rank of a word


@total_ordering
class MavenOrder:
    """A version that compares as Maven says; spellings of one version are equal."""

    __slots__ = ("_items",)

    def __init__(self, version: str) -> None:
        self._items = _parsed(version.lower())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MavenOrder) and _compared(self._items, other._items) == 0

    def __lt__(self, other: MavenOrder) -> bool:
        return _compared(self._items, other._items) < 0

    __hash__ = None  # type: ignore[assignment]  # spellings of one version have no common form to hash


def _parsed(version: str) -> list[_Item]:
    lists: list[list[_Item]] = [[]]

    def open_list() -> None:
        below: list[_Item] = []
        lists[-1].append(below)
        lists.append(below)

    before = "."
    for token, following in pairwise([*TOKEN.findall(version), ""]):
        if token in ".-":
            if before in ".-":
                lists[-1].append(0)
            if token == "-":
                open_list()
        elif token[0] in DIGITS:
            if before not in ".-":
                open_list()
            lists[-1].append(int(token))
        else:
            counted = following[:1] in DIGITS
            # A word that ends the version or has a number stands in a list of its own: 1.0.rc is 1.0-rc.
            if before not in ".-" or ((counted or not following) and lists[-1]):
                open_list()
            word = SHORT.get(token, token) if counted else token
            lists[-1].append(RANKS.get(word, f"7-{word}"))
        before = token
    for items in reversed(lists):
        _drop_what_says_nothing(items)
    return lists[0]


def _drop_what_says_nothing(items: list[_Item]) -> None:
    """Drop zeros, words for a release and empty lists from the end, also before lists: 1.0.0-rc is 1-rc."""
    for place in range(len(items) - 1, -1, -1):
        if items[place] in (0, RELEASE, []):
            del items[place]
        elif not isinstance(items[place], list):
            return


def _compared(left: _Item | None, right: _Item | None) -> int:
    """-1, 0 or 1. None is what a shorter version has in this place."""
    if left is None:
        return 0 if right is None else -_compared(right, None)
    if right is None:
        return _against_nothing(left)
    if isinstance(left, list) and isinstance(right, list):
        return next((result for pair in zip_longest(left, right) if (result := _compared(*pair))), 0)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, int) and isinstance(right, int):
        return (left > right) - (left < right)
    return 1 if _kind(left) > _kind(right) else -1


def _against_nothing(item: _Item) -> int:
    if isinstance(item, list):
        return next((result for part in item if (result := _against_nothing(part))), 0)
    if isinstance(item, str):
        return (item > RELEASE) - (item < RELEASE)
    return 1 if item else 0


def _kind(item: _Item) -> int:
    """A word is below a list, and a list below a number: 1-sp < 1-1 < 1.1."""
    return 0 if isinstance(item, str) else 1 if isinstance(item, list) else 2
