"""A SNAPSHOT goes as far as tests do, and never to where users are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.explain import explain
from sluicegate.delivery.publish import Origin, publish
from sluicegate.delivery.versions import lower, sort
from sluicegate.errors import GateRefused, UsageError
from sluicegate.model import snapshots
from tests.delivery.world import IN_PLACE, PAIR, START, World, promote


@pytest.fixture(params=[PAIR, IN_PLACE], ids=["pair", "in place"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    config = request.param.replace("follow: latest", "follow: {range: 2.0.0-SNAPSHOT}")
    made = World(tmp_path, config)
    yield made
    made.close()


def published(world: World, content: str = "", version: str = "2.0.0-SNAPSHOT", commit: str = "c" * 40) -> str:
    path = world.file("auth", version, content)
    return publish(world.as_(), "auth", version, [path], Origin(commit=commit)).manifest.version


def test_an_environment_may_follow_a_snapshot(world: World) -> None:
    first = published(world, "one")
    world.sync()
    assert world.pins("integration") == {"auth": first}
    second = published(world, "two")
    world.sync()
    assert world.on("int1") == {"auth": second}


def test_a_snapshot_does_not_reach_production(world: World) -> None:
    version = published(world, "one")
    world.sync()
    world.tests(f"auth={version}", "integration", "regression")
    world.approve(f"auth={version}", "staging", "qa")
    if world.state.config.environments["production"].swaps_with:
        with pytest.raises(GateRefused) as caught:  # what staging has is production's candidate
            promote(world.as_(), {"auth": "2.0.0-SNAPSHOT"}, "staging")
        assert "release: refused" in str(caught.value.reasons)
        assert caught.value.hint == "sluicegate publish auth=2.0.0 FILE..."
        return
    promote(world.as_(), {"auth": "2.0.0-SNAPSHOT"}, "staging")
    assert world.pins("staging") == {"auth": version}
    world.sync("staging")
    world.ready(f"auth={version}")
    with pytest.raises(GateRefused) as caught:
        promote(world.as_(), {"auth": version}, "production")
    assert "production takes releases only" in str(caught.value.reasons)
    assert "takes releases only" in str(explain(world.state, "auth", version, "production"))


def test_a_snapshot_cannot_be_approved_as_such(world: World) -> None:
    published(world)
    with pytest.raises(UsageError, match=r"no version '2\.0\.0-SNAPSHOT'"):
        world.approve("auth=2.0.0-SNAPSHOT", "staging", "qa")


def test_a_clock_that_goes_back_does_not_make_an_older_publication(world: World) -> None:
    first = published(world, "one")
    world.now = START.replace(year=2025)
    second = published(world, "two")
    assert world.state.resolve("auth", "2.0.0-SNAPSHOT") == second
    assert snapshots.parts(second)[1:] > snapshots.parts(first)[1:]


@pytest.mark.parametrize("scheme", ["semver", "maven", "deb", "rpm"])
def test_publications_come_after_the_release_before_and_before_their_own(scheme: str) -> None:
    ordered = ["1.4.1", "1.4.2-20261123.093012-1", "1.4.2-20261123.101500-2", "1.4.2-20261124.000000-10", "1.4.2"]
    assert sort(scheme, reversed(ordered)) == ordered
    assert all(lower(scheme, one, other) for one, other in pairwise(ordered))


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_each_publication_is_later_than_all_before(seconds: list[int]) -> None:
    known: list[str] = []
    for second in seconds:
        now = START.fromtimestamp(START.timestamp() + second, START.tzinfo)
        known.append(snapshots.following("1.0-SNAPSHOT", known, now))
    assert snapshots.publications(reversed(known), "1.0-SNAPSHOT") == known
    assert [snapshots.parts(one)[2] for one in known] == list(range(1, len(known) + 1))
