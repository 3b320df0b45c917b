"""The order of versions is a total one in every scheme, and ranges agree with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.versions import lower, matching, prerelease, sort

SCHEMES = ("semver", "maven", "deb", "rpm")
numbers = st.integers(0, 12)
releases = st.builds("{}.{}.{}".format, numbers, numbers, numbers)
suffixes = st.sampled_from(("", "", "", "-rc1", "-alpha.1", "-beta2"))
versions = st.builds(str.__add__, releases, suffixes)
schemes = st.sampled_from(SCHEMES)


@given(schemes, st.lists(versions, max_size=8))
def test_sorting_loses_nothing_and_does_not_depend_on_the_order_before(scheme: str, some: list[str]) -> None:
    found = sort(scheme, some)
    assert sorted(found) == sorted(some)
    assert [v for v in sort(scheme, reversed(some)) if some.count(v) == 1 and not _twins(scheme, v, some)] == [
        v for v in found if some.count(v) == 1 and not _twins(scheme, v, some)
    ]


def _twins(scheme: str, one: str, some: list[str]) -> bool:
    """Whether another spelling of the same version is among them."""
    return any(v != one and not lower(scheme, one, v) and not lower(scheme, v, one) for v in some)


@given(schemes, versions, versions, versions)
def test_lower_is_transitive_and_never_both_ways(scheme: str, a: str, b: str, c: str) -> None:
    assert not lower(scheme, a, a)
    assert not (lower(scheme, a, b) and lower(scheme, b, a))
    if lower(scheme, a, b) and lower(scheme, b, c):
        assert lower(scheme, a, c)


@given(schemes, st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers))
def test_releases_are_ordered_by_number_not_by_text(
    scheme: str, a: tuple[int, int, int], b: tuple[int, int, int]
) -> None:
    one, other = (".".join(map(str, parts)) for parts in (a, b))
    assert lower(scheme, one, other) == (a < b)


@given(schemes, st.lists(releases, min_size=1, max_size=8), releases)
def test_a_range_holds_what_the_order_says(scheme: str, some: list[str], bound: str) -> None:
    below, rest = matching(scheme, some, f"<{bound}"), matching(scheme, some, f">={bound}")
    assert sorted(below + rest) == sorted(some)
    assert all(lower(scheme, version, bound) for version in below)
    assert matching(scheme, some, "latest")[-1] == sort(scheme, some)[-1]


@given(st.lists(versions, min_size=1, max_size=8))
def test_latest_is_never_a_pre_release(some: list[str]) -> None:
    assert not any(prerelease(version) for version in matching("semver", some, "latest"))


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        ("semver", "1.9.0", "1.10.0"),
        ("semver", "1.0.0-rc1", "1.0.0"),
        ("maven", "1.0-SNAPSHOT", "1.0"),
        ("maven", "1.0-alpha-1", "1.0-beta-1"),
        ("maven", "1.0", "1.0.1"),
        ("deb", "1.0~rc1-1", "1.0-1"),
        ("deb", "2.0", "1:1.0"),
        ("rpm", "1.0~rc1", "1.0"),
        ("rpm", "1.0-1", "1.0-10"),
    ],
)
def test_each_scheme_has_its_own_order(scheme: str, one: str, other: str) -> None:
    assert lower(scheme, one, other) and not lower(scheme, other, one)
    assert sort(scheme, [other, one]) == [one, other]


@pytest.mark.parametrize("version", ["1.0.0-rc1", "1.0~beta2", "1.0-SNAPSHOT", "1.0.0-alpha.1", "2.0m1", "1.0.dev3"])
def test_pre_releases_are_known_in_every_spelling(version: str) -> None:
    assert prerelease(version)


@pytest.mark.parametrize("version", ["1.0.0", "1.0-1", "1.0.0+build7", "1:2.3-4", "2026.11.23", "1.0-1ubuntu2"])
def test_releases_are_no_pre_releases(version: str) -> None:
    assert not prerelease(version)


def test_what_a_scheme_cannot_order_comes_first_and_is_not_lost() -> None:
    assert sort("semver", ["1.0.0", "not a version"])[0] == "not a version"
