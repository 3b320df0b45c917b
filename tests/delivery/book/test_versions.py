"""The order of versions and the ranges over them."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.delivery.book import versions
from sluicegate.errors import Malformed

number = st.integers(0, 12)
semver = st.builds("{}.{}.{}".format, number, number, number)
plain = {
    "semver": semver,
    "maven": st.one_of(
        semver, st.builds("{}.{}-SNAPSHOT".format, number, number), st.builds("{}-rc-{}".format, number, number)
    ),
    "deb": st.one_of(
        st.builds("{}.{}-{}".format, number, number, number), st.builds("{}.{}~rc{}".format, number, number, number)
    ),
    "rpm": st.builds("{}.{}-{}".format, number, number, number),
}  # fmt: skip
schemes = st.sampled_from(sorted(plain))
triples = schemes.flatmap(lambda scheme: st.tuples(st.just(scheme), *[plain[scheme]] * 3))


@given(triples)
@settings(max_examples=300)
def test_the_order_is_total(case: tuple[str, str, str, str]) -> None:
    scheme, a, b, c = case
    lower = versions.lower
    assert not lower(scheme, a, a)
    assert not (lower(scheme, a, b) and lower(scheme, b, a))
    if lower(scheme, a, b) and lower(scheme, b, c):
        assert lower(scheme, a, c)
    if not (lower(scheme, a, b) or lower(scheme, b, a)):
        assert lower(scheme, a, c) == lower(scheme, b, c)


@given(schemes.flatmap(lambda s: st.tuples(st.just(s), st.lists(plain[s], max_size=8))))
def test_sorting_keeps_every_version_and_puts_none_before_a_lower_one(case: tuple[str, list[str]]) -> None:
    scheme, known = case
    ordered = versions.sort(scheme, known)
    assert sorted(ordered) == sorted(known)
    assert not any(versions.lower(scheme, b, a) for a, b in itertools.pairwise(ordered))


@given(st.sampled_from(sorted(plain)).flatmap(lambda s: st.tuples(st.just(s), st.lists(plain[s], max_size=8), semver)))
def test_a_range_and_its_opposite_hold_every_release_once(case: tuple[str, list[str], str]) -> None:
    scheme, known, bound = case
    below, rest = (versions.matching(scheme, known, f"{sign}{bound}") for sign in ("<", ">="))
    assert sorted(below + rest) == sorted(version for version in known if not versions.prerelease(scheme, version))
    assert all(versions.lower(scheme, version, bound) for version in below)


@given(st.lists(semver, max_size=8), semver, semver)
def test_a_range_holds_what_lies_in_it(known: list[str], low: str, high: str) -> None:
    found = versions.matching("semver", known, f">={low},<{high}")
    for version in known:
        inside = not versions.lower("semver", version, low) and versions.lower("semver", version, high)
        assert (version in found) == inside


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        ("semver", "1.9.0", "1.10.0"),
        ("semver", "1.0.0-rc1", "1.0.0"),
        ("semver", "1.0.0-rc.2", "1.0.0-rc.10"),
        ("maven", "1.9", "1.10"),
        ("maven", "1.0-SNAPSHOT", "1.0"),
        ("maven", "1.0", "1.0.1"),
        ("maven", "1.0-alpha-1", "1.0-beta-1"),
        ("deb", "1.0~rc1", "1.0"),
        ("deb", "9.0-1", "1:0.1-1"),
        ("deb", "1.0-9", "1.0-10"),
        ("rpm", "1.0~rc1-1", "1.0-1"),
        ("rpm", "9.0-1", "1:0.1-1"),
        ("rpm", "1.0-1", "1.0-10"),
    ],
)
def test_38_each_ecosystem_has_its_own_order(scheme: str, one: str, other: str) -> None:
    assert versions.lower(scheme, one, other) and not versions.lower(scheme, other, one)


@pytest.mark.parametrize(
    "version", ["latest", "LATEST", "release", "", ".1", "1..2", "a b", "1/2", "1\n", "é", "1" * 201]
)
def test_38_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(Malformed):
        versions.check_version(version)


@pytest.mark.parametrize("scheme", sorted(plain))
def test_38_a_number_of_ten_thousand_digits_takes_no_time(scheme: str) -> None:
    started = time.monotonic()
    with pytest.raises(Malformed):
        versions.order(scheme, "9" * 10_000)
    versions.lower(scheme, "9" * 190 + ".1", "9" * 190 + ".2")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "version", ["1.0.0-rc1", "1.0.0-alpha", "1.0~beta2", "1.0-SNAPSHOT", "2.0.0.dev3", "1.0-m1", "1.0.0-rc.1"]
)
def test_a_prerelease_is_known_as_one(version: str) -> None:
    assert versions.prerelease("maven", version)


@pytest.mark.parametrize("version", ["3.0.0-b1", "3.0.0-next.1", "3.0.0-rc.1+build7", "3.0.0-1"])
def test_in_semver_whatever_follows_a_hyphen_is_a_prerelease(version: str) -> None:
    assert versions.prerelease("semver", version)
    assert not versions.prerelease("semver", "3.0.0+build-7")


@pytest.mark.parametrize(
    "version",
    ["1.0.0", "1.0-1", "1:2.3-4", "1.0.0+build5", "2026.11.23", "1.0-1ubuntu2", "1.0-arch2", "1.0-premium"],
)
def test_a_release_is_no_prerelease(version: str) -> None:
    assert not versions.prerelease("maven", version)


def test_a_version_that_cannot_be_ordered_does_not_spoil_a_range() -> None:
    """Such as one that was published while the component had another scheme."""
    known = ["1.0.0", "1.2.0", "x_y~z"]
    assert versions.matching("semver", known, ">=1.1") == ["1.2.0"]
    assert versions.matching("semver", known, "latest")[-1] == "1.2.0"
    assert versions.sort("semver", known)[0] == "x_y~z"


@pytest.mark.parametrize("known", [["1.0.0"], []])
@pytest.mark.parametrize("spec", [">", ">=", ">=1 <2", "=>1", "<<1", ">=1,,<2"])
def test_what_is_no_range_is_a_mistake_whatever_is_published(spec: str, known: list[str]) -> None:
    with pytest.raises(Malformed):
        versions.matching("semver", known, spec)
