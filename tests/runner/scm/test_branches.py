"""Branch specifiers, as a real Jenkins was seen to read them."""

from __future__ import annotations

import contextlib
import time

import pytest

from sluicegate.errors import Malformed, SluicegateError
from sluicegate.runner.scm import branches


@pytest.mark.parametrize(
    ("spec", "name", "meant"),
    [
        ("origin/release-*", "origin/release-1", True),
        ("origin/release-*", "origin/release-2/wip/anna", False),
        ("origin/release-**", "origin/release-2/wip/anna", True),
        ("*/main", "origin/main", True),
        ("*/main", "origin/team/main", False),
        ("**/main", "origin/team/main", True),
        ("**", "refs/tags/v1.0", True),
        ("release-*", "origin/release-1", True),
        ("release-*", "origin/a/release-1", False),
        ("release-2/**", "origin/release-2/wip/anna", False),
        ("refs/remotes/origin/r*", "refs/remotes/origin/r1", True),
        ("release.1", "origin/releaseX1", False),
        (r":^(?!origin/).*", "refs/tags/v1.0", True),
        (r":^(?!origin/).*", "origin/main", False),
        (r":origin/release-1$", "origin/release-1", True),
        (r":release-1", "origin/release-1", False),
    ],
)
def test_a_star_stays_within_a_slash_and_a_regular_expression_matches_the_whole(
    spec: str, name: str, meant: bool
) -> None:
    assert branches.matches(spec, name) is meant


def test_a_broken_regular_expression_is_named() -> None:
    with pytest.raises(Malformed, match=r"is not a regular expression"):
        branches.matches(":(", "origin/main")


def test_many_stars_do_not_hold_the_interpreter() -> None:
    began = time.process_time()
    with contextlib.suppress(SluicegateError):
        assert not branches.matches("*a" * 8 + "b", "a" * 200)
        branches.matches("**a/" * 12 + "b", "a/" * 100 + "c")
    assert time.process_time() - began < 6
