"""Versions of three plain numbers are ordered without univers, and just as univers orders them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.book import versions

NUMBER = st.integers(min_value=0, max_value=10**9 - 1) | st.integers(min_value=0, max_value=12)
VERSION = st.tuples(NUMBER, NUMBER, NUMBER).map(lambda numbers: ".".join(str(number) for number in numbers))
SCHEMES = st.sampled_from(["semver", "maven", "deb", "rpm"])


@given(scheme=SCHEMES, one=VERSION, other=VERSION)
def test_plain_versions_are_lower_where_univers_says_so(scheme: str, one: str, other: str) -> None:
    assert versions.lower(scheme, one, other) == (versions.order(scheme, one) < versions.order(scheme, other))


@given(scheme=SCHEMES, given=st.lists(VERSION, unique=True, max_size=6))
def test_plain_versions_are_sorted_as_univers_sorts_them(scheme: str, given: list[str]) -> None:
    assert versions.sort(scheme, given) == sorted(given, key=lambda version: versions.order(scheme, version))


@pytest.mark.parametrize("strange", ["1.0.0-rc1", "1.0", "01.2.3", "1.2.3.4", "latest"])
def test_one_other_version_leaves_the_order_to_univers(strange: str) -> None:
    ordered = versions.sort("semver", ["1.10.0", strange, "1.9.0"])
    assert ordered.index("1.9.0") < ordered.index("1.10.0")
    assert strange in ordered
