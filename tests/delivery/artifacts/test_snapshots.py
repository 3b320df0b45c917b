"""A SNAPSHOT goes as far as tests do, and never to where users are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.book import resolving
from sluicegate.delivery.book.versions import lower, sort
from sluicegate.delivery.moves import pinning
from sluicegate.errors import GateRefused, UsageError
from sluicegate.model import snapshots
from tests.worlds import CONFIG, START, Shop

PAIR = CONFIG.replace(b"follow: latest", b"follow: {range: 2.0.0-SNAPSHOT}")
IN_PLACE = PAIR.replace(b"{one-of: [blue, green]}", b"blue", 1).replace(b"{one-of: [blue, green]}", b"green")
IN_PLACE = IN_PLACE[: IN_PLACE.index(b"    swaps-with: staging\n")]


@pytest.fixture(params=[PAIR, IN_PLACE], ids=["pair", "in place"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with Shop.opened(tmp_path / "shop", request.param) as opened:
        yield opened


def published(shop: Shop, content: str = "one") -> str:
    return shop.publish("auth", "2.0.0-SNAPSHOT", content).manifest.version


def test_an_environment_may_follow_a_snapshot(shop: Shop) -> None:
    first = published(shop)
    shop.sync()
    assert shop.pins("integration") == {"auth": first}
    second = published(shop, "two")
    shop.sync()
    assert shop.running("int1") == {"auth": second}


def test_a_snapshot_does_not_reach_production(shop: Shop) -> None:
    version = published(shop)
    shop.sync()
    shop.tested("auth", version)
    shop.approve("auth", version)
    if shop.state.config.environments["production"].swaps_with:
        with pytest.raises(GateRefused) as caught:  # what staging has is production's candidate
            shop.promote(auth="2.0.0-SNAPSHOT")
        assert "release: refused" in str(caught.value.reasons)
        assert caught.value.hint == "sluicegate publish auth=2.0.0 FILE..."
        return
    shop.promote(auth="2.0.0-SNAPSHOT")
    assert shop.pins("staging") == {"auth": version}
    shop.sync("staging")
    shop.accepted(auth=version)
    with pytest.raises(GateRefused) as caught:
        shop.promote("production", auth=version)
    assert "production takes releases only" in str(caught.value.reasons)
    assert "takes releases only" in str(explain(shop.state, "auth", version, "production"))


def test_a_snapshot_cannot_be_approved_as_such(shop: Shop) -> None:
    published(shop)
    with pytest.raises(UsageError, match=r"no version '2\.0\.0-SNAPSHOT'"):
        shop.approve("auth", "2.0.0-SNAPSHOT")


def test_a_pin_to_a_snapshot_that_stands_stays_as_it_is(shop: Shop) -> None:
    exact = published(shop)
    assert pinning.pin(shop.by("anna"), "auth", "2.0.0-SNAPSHOT", "integration", why="") == exact
    with shop.unchanged():
        assert pinning.pin(shop.by("anna"), "auth", "2.0.0-SNAPSHOT", "integration", why="") == exact


def test_a_clock_that_goes_back_does_not_make_an_older_publication(shop: Shop) -> None:
    first = published(shop)
    shop.now = START.replace(year=2025)
    second = published(shop, "two")
    assert resolving.resolve(shop.state, "auth", "2.0.0-SNAPSHOT") == second
    assert snapshots.parts(second)[1:] > snapshots.parts(first)[1:]


@pytest.mark.parametrize("scheme", ["semver", "maven", "deb", "rpm"])
def test_publications_come_after_the_release_before_and_before_their_own(scheme: str) -> None:
    ordered = ["1.4.1", "1.4.2-20261123.093012-1", "1.4.2-20261123.101500-2", "1.4.2-20261124.000000-10", "1.4.2"]
    assert sort(scheme, reversed(ordered)) == ordered
    assert all(lower(scheme, lower_one, higher_one) for lower_one, higher_one in pairwise(ordered))


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_each_publication_is_later_than_all_before(seconds: list[int]) -> None:
    known: list[str] = []
    for second in seconds:
        now = START.fromtimestamp(START.timestamp() + second, START.tzinfo)
        known.append(snapshots.following("1.0-SNAPSHOT", known, now))
    assert snapshots.publications(reversed(known), "1.0-SNAPSHOT") == known
    assert [snapshots.parts(version)[2] for version in known] == list(range(1, len(known) + 1))
