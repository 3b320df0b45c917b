"""The order of versions and the ranges over them."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.delivery.book import versions
from sluicegate.errors import Malformed
from sluicegate.model.prereleases import prerelease

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
    assert sorted(below + rest) == sorted(version for version in known if not prerelease(scheme, version))
    assert all(versions.lower(scheme, version, bound) for version in below)


@given(st.lists(semver, max_size=8), semver, semver)
def test_a_range_holds_what_lies_in_it(known: list[str], low: str, high: str) -> None:
    within = versions.matching("semver", known, f">={low},<{high}")
    for version in known:
        inside = not versions.lower("semver", version, low) and versions.lower("semver", version, high)
        assert (version in within) == inside


@pytest.mark.parametrize(
    ("scheme", "low", "high"),
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
def test_38_each_ecosystem_has_its_own_order(scheme: str, low: str, high: str) -> None:
    assert versions.lower(scheme, low, high) and not versions.lower(scheme, high, low)


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


EARLY = {
    "semver": "3.0.0-b1 3.0.0-next.1 3.0.0-rc.1+build7 3.0.0-1 2.0.0.Beta1",
    "maven": "1.0-trunk 1.0-wip-3 Finchley.M9 Finchley.RC1 Hoxton.BUILD-SNAPSHOT Kay-M1 1.0-test 1.0-edge-2 "
    "1.0-insiders 1.0-poc "
    "1.0-draft 1.0-TECHPREVIEW 1.0-tech-preview-2 "
    "1.0-milestone-1 1.0-a1 1.0-b2 1.0-b-2 1.0-preview 11-ea 1.0.0.M1 1.0-rc1-jre 1.0-beta-2-jdk8 1.0.CR3 "
    "1.0-devel-3 1.0-develop 3.3.0-SNAP4 1.0-early-access-2 2.10.0.pr1 1.0-PR-2 1.0-candidate-1 6.0-unstable-3 "
    "1.0a1 2.0.0.dev3 1.0-SNAPSHOT 1.0-20240101.101010-1 1.0.0.BETA 1.0-pre2 2.0.0-b01 1.0.0-rc.1",
    "deb": "1.0~rc1-1 1.1~rc1-1ubuntu1 1.0~rc1-1~bpo12+1 1.0~rc1-1+deb12u1 1.0~beta2 1.0~git20240101-1 1.0~20240101-1 "
    "1:1.0~a1-1 1.0-0~rc1 1.0-1~b2 1.0rc1-1 1.0~dev 1.0~pre1+dfsg-1 1.0~m2-1 2.0~alpha.3-2~ubuntu22.04.1 1.0-1~exp1 "
    "1.0~rc1~dfsg-1 1.0~pre+ds1-2 1.0-1~git20240101 1.0-1~1.gbp123abc 1.0-1~svn5 1.0-1~test1",
    "rpm": "2.1-0.3.20240101git.fc39 1.0-0.20240101 1.0-0.git20240101.el9 1.0-0.5.b2.el9 1.0-0.7.a1 1.0-0.1.M2.el9 "
    "1.0-0.1.git5abc.el9 1.0-0.2.snap3 "
    "1.0~rc1-1.fc39 1.0-0.1.rc1.el9 1.0~beta-1 1:1.0~dev-1.el8 1.0-0.beta2.el7",
}
FINAL = {
    "semver": "1.0.0 1.0.0+build-7 1.0.0+rc1 1.4.2.10 2026.11.23",
    "maven": "1.0.0 1.0-jre 31.1-jre 1.0-android 1.0.Final 1.0-GA 1.0-RELEASE 1.0-sp1 1.0-premium 1.0-arch2 1.0-1 "
    "2.0-jdk8 1.0-incubating Finchley.SR2 Finchley Ingalls-SR1 r09 1.0-latency 1.0-testcontainers 1.0-alpine "
    "1.0-hadoop2.7 1.0-redhat-1 1.0-beach 1.0-pro "
    "1.0-pr",
    "deb": "1.0-1 1:2.3-4 1.0-1ubuntu2 1.0-1~bpo12+1 1.0-1+deb12u1 1.0-1~deb11u1 1.0~bpo12+1 1.0.2a-1 2024a-0+deb12u1 "
    "1.0+dfsg-1 1.0-1~ubuntu22.04.1 1.0~ubuntu22.04.1 1.0-1~22.04.1 2.0~deb12u1 "
    "10.0.0~dfsg-11+deb12u4 7.5.1+~cs14.2-1 2.1.0+~1.2.3-1 1.0~ds1-2 1.0~repack-1 1:11.4.2+maria~ubu2204 "
    "1:11.4.2+maria~deb12 1.0~resolute1 2.4~kali1 "
    "1.0~plucky1 1.0~sid 1.0~forky 1.0~oracular+1 1.0~+deb12u1 1.0+git20240101-1 1.0-2~pve1 1.0-1~mx23+1 "
    "1.0-1~mariadb 8.2-1~20.04.sav0",
    "rpm": "1.8.0.65-0.b17.el6_7 1.0-0.bs.1 1.0-150400.1.1 1.0-0.el9 1.0-0.3.el9 1.0-1.20240101git.fc39 1.0-1.el9 "
    "1.1^20160101-1 1.0-1.fc39 1:1.0-2.el8_9 1.0-1",
}


def by_scheme(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(scheme, version) for scheme, text in table.items() for version in text.split()]


@pytest.mark.parametrize(("scheme", "version"), by_scheme(EARLY))
def test_a_prerelease_is_known_as_one_whatever_stands_behind(scheme: str, version: str) -> None:
    assert prerelease(scheme, version)


@pytest.mark.parametrize(("scheme", "version"), by_scheme(FINAL))
def test_a_release_is_no_prerelease(scheme: str, version: str) -> None:
    assert not prerelease(scheme, version)


@pytest.mark.parametrize(
    "ordered",
    [
        "1.4.2.1 1.4.2.2 1.4.2.3 1.4.2.10 1.4.3",
        "1.0.0 1.0.0+build.1 1.0.0+build.2 1.0.0+build.10 1.0.0+sha.a1 1.0.1-rc.1",
        "2.0.0.Alpha1 2.0.0.Beta1 2.0.0.Beta2 2.0.0",
        "1.0.0-1 1.0.0-2 1.0.0-10 1.0.0-alpha 1.0.0-alpha.1 1.0.0-beta 1.0.0",
    ],
)
def test_semver_orders_what_its_standard_leaves_open(ordered: str) -> None:
    assert versions.sort("semver", reversed(ordered.split())) == ordered.split()
    for low, high in itertools.combinations(ordered.split(), 2):
        assert versions.lower("semver", low, high) and not versions.lower("semver", high, low)


SPELLINGS = {
    "semver": "1.1.0 1.1 v1.1.0 01.1.0", "maven": "1.1 1.1.0 1.1-ga 1.1.Final 1.1.0.RELEASE",
    "deb": "1.1 1.1-0 0:1.1 1.01", "rpm": "1.1-1 0:1.1-1 1.01-1 1_1-1",
}  # fmt: skip


@pytest.mark.parametrize("scheme", SPELLINGS)
def test_spellings_of_a_version_are_known_and_still_sort_alike_every_time(scheme: str) -> None:
    spellings = SPELLINGS[scheme].split()
    for first, second in itertools.permutations(spellings, 2):
        assert versions.respelled(scheme, [second], first) == second
        assert versions.lower(scheme, first, second) == (first < second)
    for order in itertools.permutations(spellings):
        assert versions.sort(scheme, order) == sorted(spellings)
    assert versions.respelled(scheme, ["1.2-1", "x_y~z"], "1.1-1") == ""


WRONG = {
    "semver": "v1.1.0 2.0.0.Beta1 1.0.0rc1 1.1^1 1.0:1",
    "maven": "v1.1.0 1.1^1 1:1.0",
    "deb": "one 1.0_1 v1.1-1 1.0^1",
    "rpm": "1.0-1-1 v1.1-1",
}


@pytest.mark.parametrize(("scheme", "wrong"), by_scheme(WRONG))
def test_a_form_that_the_scheme_does_not_have_is_not_published(scheme: str, wrong: str) -> None:
    with pytest.raises(Malformed, match=r"expected|can order"):
        versions.check_form(scheme, wrong)


def test_rpm_takes_its_caret() -> None:
    versions.check_form("rpm", "1.1^20160101-1")
    ordered = ["1.1-1", "1.1^20160101-1", "1.1.1-1"]
    assert versions.sort("rpm", reversed(ordered)) == ordered


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


@pytest.mark.parametrize(
    "wrong", ["20241125", "77", "0", "100-percent-coverage", "3rd-party", "2024-11-25", "7+build.1"]
)
def test_what_a_job_takes_for_a_version_and_is_none_is_refused_with_what_to_write(wrong: str) -> None:
    with pytest.raises(Malformed, match=r"expected a form such as 1\.4\.2.*set `versions: maven`"):
        versions.check_form("semver", wrong)
    versions.check_form("maven", wrong)


identifiers = st.sampled_from(["0", "1", "2", "9", "10", "01", "rc", "RC", "beta", "a-b", "-", "x"])
dotted = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
numbers = st.lists(st.sampled_from(["0", "1", "2", "10"]), min_size=2, max_size=4).map(".".join)
early, build = (dotted.map(f"{mark}{{}}".format) | st.just("") for mark in "-+")


@given(st.lists(st.tuples(numbers, early, build).map("".join), min_size=3, max_size=3))
def test_semver_is_one_total_order_in_which_only_spellings_are_equal(three: list[str]) -> None:
    for spelled in three:
        versions.check_form("semver", spelled)
    keys = [versions.order("semver", spelled) for spelled in three]
    for first, second in itertools.permutations(keys, 2):
        assert (first < second) + (second < first) + (first == second) == 1
    low, middle, high = sorted(keys)
    assert not high < low and not high < middle and not middle < low
    for left, right in itertools.combinations(three, 2):
        equal = versions.order("semver", left) == versions.order("semver", right)
        assert equal == (left == right or versions.respelled("semver", [left], right) == left)
