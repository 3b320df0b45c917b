"""A pattern that a user wrote costs a bounded time and memory, whatever it is."""

from __future__ import annotations

import time

import pytest

from sluicegate.errors import Malformed, SluicegateError
from sluicegate.tools import patterns


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("(" * 500 + "a" + ")" * 500, "deep"),
        ("(?=" * 500 + "a" + ")" * 500, "deep"),
        ("|".join(f"a{number}" for number in range(100_000)), "characters"),
        ("(?R)?a(?R)?", "calls itself"),
        ("(a|(?1))*b", "calls itself"),
        ("(?<x>a(?&x)?)", "calls itself"),
        ("[", "not a regular expression"),
    ],
    ids=lambda value: value[:12],
)
def test_a_pattern_that_would_be_read_too_long_is_refused_soon(pattern: str, word: str) -> None:
    began = time.process_time()
    with pytest.raises(Malformed, match=word):
        patterns.matches(pattern, "a" * 3000)
    assert time.process_time() - began < 1


def test_what_takes_too_long_ends() -> None:
    with pytest.raises(SluicegateError, match="took more than"):
        patterns.matches("((a{1,99}){1,99}){1,99}b?c", "a" * 400, seconds=0.2)


def test_groups_without_calls_are_read() -> None:
    assert patterns.matches(r"(?<name>a+)(?:b|(?i:C))(?=d)d\1?", "aabd")
