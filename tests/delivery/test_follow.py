"""Resolve, and follow latest: the newest version by its scheme's order; never a held, vetoed or pre-release one."""

from __future__ import annotations

import pytest

from sluicegate.delivery import pinning
from sluicegate.delivery.evidence import veto
from sluicegate.delivery.promote import Move
from sluicegate.delivery.sync import follow
from sluicegate.errors import GateRefused, UsageError
from tests.delivery.world import World, raising


@pytest.mark.parametrize(
    ("spec", "found"),
    [("latest", "2.1.0"), ("1.x", "1.10.0"), ("1.9.*", "1.9.1"), (">=1.2,<1.10", "1.9.1"), ("1.2.0", "1.2.0"),
     ("2.2.0-rc1", "2.2.0-rc1"), ("!=2.1.0", "1.10.0"), ("<=1.9.0", "1.9.0")],
)  # fmt: skip
def test_a_range_is_resolved_to_the_newest_release_within(world: World, spec: str, found: str) -> None:
    versions = ("1.2.0", "1.10.0", "1.9.0", "1.9.1", "2.1.0", "2.2.0-rc1")
    world.publish(*(f"auth={version}" for version in versions))
    assert world.state.resolve("auth", spec) == found


def test_what_is_not_there_is_told_with_what_is(world: World) -> None:
    with raising(UsageError, "auth has no version 'latest' (newest: none is published yet)"):
        world.state.resolve("auth")
    world.publish("auth=1.0.0")
    with raising(UsageError, "auth has no version '3.x' (newest: 1.0.0)"):
        world.state.resolve("auth", "3.x")
    with raising(UsageError, "is not a range"):
        world.state.resolve("auth", ">")


def test_integration_follows_the_newest_version_and_says_so_in_the_ledger(world: World) -> None:
    world.publish("auth=1.9.0", "auth=1.10.0", "portal=1.0.0")
    synced = world.sync()
    assert synced.moves == (
        Move(component="auth", before="", after="1.10.0"),
        Move(component="portal", before="", after="1.0.0"),
    )
    assert world.on("int1") == world.pins("integration") == {"auth": "1.10.0", "portal": "1.0.0"}
    assert world.story("auth=1.10.0", "pinned")[0].get("how") == "follow"


def test_where_there_is_nothing_new_a_sync_commits_nothing(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    before = world.tips()
    synced = world.sync()
    assert (synced.moves, synced.plan.steps, world.tips()) == ((), (), before)


def test_a_version_published_late_but_lower_is_not_followed(world: World) -> None:
    world.publish("auth=1.1.0")
    world.sync()
    world.publish("auth=1.0.5")
    assert world.sync().moves == ()


def test_pre_releases_are_not_followed(world: World) -> None:
    world.publish("auth=1.0.0", "auth=1.1.0-rc1", "auth=1.1.0-beta.2", "auth=1.1.0-SNAPSHOT")
    world.sync()
    assert world.on("int1") == {"auth": "1.0.0"}


def test_a_held_pin_does_not_follow_until_its_last_day_is_over(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    pinning.hold(world.as_(), "auth", "integration", until=world.now.date(), why="")
    world.publish("auth=1.1.0")
    assert world.sync().moves == ()
    world.later(days=1)
    assert world.sync().moves == (Move(component="auth", before="1.0.0", after="1.1.0"),)


def test_a_vetoed_version_is_not_followed_and_left_for_the_one_before(world: World) -> None:
    world.publish("auth=1.0.0", "auth=1.1.0")
    world.sync()
    veto(world.as_(), "auth", "1.1.0", "", lift=False, why="a hole")
    assert world.sync().moves == (Move(component="auth", before="1.1.0", after="1.0.0"),)
    assert world.on("int1") == {"auth": "1.0.0"}
    veto(world.as_(), "auth", "1.1.0", "", lift=True, why="")
    world.sync()
    assert world.on("int1") == {"auth": "1.1.0"}


def test_a_veto_further_down_the_way_does_not_keep_a_version_from_integration(world: World) -> None:
    world.publish("auth=1.0.0")
    veto(world.as_(), "auth", "1.0.0", "production", lift=False, why="")
    world.sync()
    assert world.on("int1") == {"auth": "1.0.0"}


def test_within_a_range_only_its_versions_are_followed(world: World) -> None:
    config = (world.state.file("sluicegate.yaml") or b"").decode()
    world.edit("sluicegate.yaml", config.replace("follow: latest", 'follow: {range: "1.x"}'))
    world.publish("auth=1.2.0", "auth=2.0.0", "auth=10.0.0")
    world.sync()
    assert world.on("int1") == {"auth": "1.2.0"}


def test_going_back_by_hand_holds_the_pin_so_that_following_does_not_undo_it(world: World) -> None:
    world.publish("auth=1.0.0", "auth=1.1.0")
    world.sync()
    pinning.pin(world.as_(), "auth", "1.0.0", "integration", why="the log is full")
    world.sync()
    assert world.on("int1") == {"auth": "1.0.0"}
    with raising(GateRefused, "auth is held at 1.0.0 in integration by olle: the log is full"):
        pinning.pin(world.as_(), "auth", "1.1.0", "integration", why="")


def test_staging_does_not_follow(world: World) -> None:
    world.publish("auth=1.0.0")
    assert follow(world.as_(), "staging") == ()
    assert world.pins("staging") == {}


def test_an_unpinned_component_comes_back_where_latest_is_followed_and_goes_away_elsewhere(world: World) -> None:
    world.to_staging("auth=1.0.0", "portal=1.0.0")
    pinning.unpin(world.as_(), "portal", "staging", why="")
    world.sync("staging")
    assert world.on("app3") == world.on("app4") == {"auth": "1.0.0"}
    pinning.unpin(world.as_(), "portal", "integration", why="")
    world.sync("integration")
    assert world.on("int1") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_a_hold_has_a_pin_and_a_day_that_is_not_over(world: World) -> None:
    with raising(UsageError, "auth has no pin in integration"):
        pinning.hold(world.as_(), "auth", "integration", until=None, why="")
    world.publish("auth=1.0.0")
    world.sync()
    with raising(UsageError, "--until 2026-11-01 is in the past"):
        pinning.hold(world.as_(), "auth", "integration", until=world.now.date().replace(day=1), why="")
    with raising(UsageError, "auth is not held in integration"):
        pinning.unhold(world.as_(), "auth", "integration", why="")
