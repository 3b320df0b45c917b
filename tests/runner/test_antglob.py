"""Ant's patterns: what they mean, and that none takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.runner.antglob import _Pattern


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.log", "a.log", True),
        ("*.log", "d/a.log", False),
        ("**/*.log", "a.log", True),
        ("**/*.log", "d/e/a.log", True),
        ("out/", "out/x/y", True),
        ("out/**", "out", True),
        ("out/**", "output", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("**/CVS/**", "x/CVS/y", True),
        ("**/CVS/**", "CVS", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("**", "any/thing", True),
        ("./a", "a", True),
        ("A*", "abc", False),
    ],
)
def test_what_a_pattern_means(pattern: str, path: str, fits: bool) -> None:
    assert _Pattern(pattern, True).matches(path) is fits


def test_case_counts_only_where_it_is_asked_for() -> None:
    assert _Pattern("A*", False).matches("abc")


NAMES = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4)
PARTS = st.lists(st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=4)), min_size=1, max_size=4)


def expression(parts: list[str]) -> str:
    """The same pattern as a regular expression, which goes back as far as it takes."""
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
            continue
        text += "".join({"*": "[^/]*", "?": "[^/]"}.get(character, character) for character in part)
        if parts[index + 1 :] == ["**"]:
            return text + "(?:/.*)?"
        text += "" if last else "/"
    return text


@given(NAMES, PARTS)
def test_it_answers_as_a_regular_expression_does(names: list[str], parts: list[str]) -> None:
    while parts[-2:] == ["**", "**"]:
        parts = parts[:-1]  # `.*` behind a slash would want a name there
    path = "/".join(names)
    assert _Pattern("/".join(parts), True).matches(path) is (re.fullmatch(expression(parts), path) is not None)


def test_no_pattern_takes_long() -> None:
    """Each of these keeps a regular expression busy for ever; a test that hangs is ended by pytest-timeout."""
    assert not _Pattern("*a" * 60 + "b", True).matches("a" * 5000)
    assert not _Pattern("**/a/" * 60 + "b", True).matches("a/" * 2000 + "c")
