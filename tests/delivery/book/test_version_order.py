"""Sorting many versions gives what comparing each pair gives."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.book.versions import order, sort

ENDINGS = {
    "semver": ("", "-rc1", "-rc.2", "-alpha", "+build.7", ".4", ".Beta1"),
    "maven": ("", "-rc1", "-SNAPSHOT", "-alpha-1", ".4", "-1"),
    "deb": ("", "~rc1", "-1", "-2~bpo1", ".4", "+dfsg"),
    "rpm": ("", "~rc1", "-1", "-2", ".4"),
}


@pytest.mark.parametrize("scheme", sorted(ENDINGS))
@given(data=st.data())
def test_the_short_way_orders_as_the_scheme_does(scheme: str, data: st.DataObject) -> None:
    numbers = st.integers(0, 12)
    spelled = st.builds("{}.{}.{}{}".format, numbers, numbers, numbers, st.sampled_from(ENDINGS[scheme]))
    versions = data.draw(st.lists(spelled, unique=True, max_size=12))
    in_order = sort(scheme, versions)
    assert sorted(in_order) == sorted(versions)
    for lower, higher in pairwise(in_order):
        assert not order(scheme, higher) < order(scheme, lower)
