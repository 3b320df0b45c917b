"""Rollback: what ran before comes back, what was bad is vetoed, and following does not undo it."""

from __future__ import annotations

from sluicegate.delivery import pinning
from sluicegate.delivery.deploy import deploy
from sluicegate.delivery.promote import promote
from sluicegate.delivery.rollback import rollback
from sluicegate.delivery.swap import swap
from sluicegate.errors import GateRefused, UsageError
from tests.delivery.world import World, raising


def test_a_warm_rollback_only_switches_the_balancer(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    deploys = len(world.chronicle("staging", "intent"))
    found = rollback(world.as_("rita"), "production", why="OPS-12")
    assert (dict(found.bad), dict(found.target)) == ({"auth": "1.1.0"}, {"auth": "1.0.0"})
    assert world.live() == world.pins("production") == {"auth": "1.0.0"}
    assert len(world.chronicle("staging", "intent")) == deploys
    (veto,) = world.story("auth=1.1.0", "veto")
    assert (veto.get("env"), veto.get("why"), veto.by.user) == ("production", "OPS-12", "rita")


def test_a_rollback_that_is_not_warm_deploys_the_old_version_first(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    deploy(world.as_(), "staging")
    assert world.on("app3") == {"auth": "1.1.0"}
    rollback(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0"}
    assert world.state.servers["production"] == world.drivers.the_balancer.group


def test_one_component_is_rolled_back_and_the_other_stays(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    world.to_production("auth=1.1.0", "portal=1.1.0")
    rollback(world.as_("rita"), "production", "auth")
    assert world.live() == {"auth": "1.0.0", "portal": "1.1.0"}
    assert not world.story("portal=1.1.0", "veto")


def test_a_rolled_back_version_does_not_come_again(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    rollback(world.as_("rita"), "production", why="OPS-12")
    with raising(GateRefused, "vetoed from production on by rita: OPS-12"):
        promote(world.as_(), {"auth": "1.1.0"}, "staging")
    assert world.pins("staging") == {"auth": "1.0.0"}


def test_after_a_rollback_the_next_version_goes_out_as_usual(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    rollback(world.as_("rita"), "production")
    world.later(hours=1)
    world.to_production("auth=1.2.0")
    assert world.live() == {"auth": "1.2.0"}


def test_following_does_not_undo_a_rollback_in_integration(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.publish("auth=1.1.0")
    world.sync()
    rollback(world.as_("olle"), "integration", "auth", why="the log is full")
    assert world.on("int1") == {"auth": "1.0.0"}
    hold = world.state.pins("integration")["auth"].hold
    assert hold is not None and hold.why == "1.1.0 rolled back: the log is full"
    world.publish("auth=1.2.0")
    world.sync()
    assert world.on("int1") == {"auth": "1.0.0"}
    pinning.unhold(world.as_(), "auth", "integration", why="")
    world.sync()
    assert world.on("int1") == {"auth": "1.2.0"}


def test_a_rollback_in_place_deploys_and_holds_nothing(in_place: World) -> None:
    world = in_place
    for version in ("1.0.0", "1.1.0"):
        world.to_staging(f"auth={version}")
        promote(world.as_("rita"), {"auth": ""}, "production")
        world.sync("production")
    assert world.on("app3") == world.on("app4") == {"auth": "1.1.0"}
    rollback(world.as_("rita"), "production")
    assert world.on("app3") == world.on("app4") == world.pins("production") == {"auth": "1.0.0"}
    assert world.state.pins("production")["auth"].hold is None
    world.sync("production")
    assert world.on("app3") == {"auth": "1.0.0"}


def test_a_rollback_passes_over_versions_whose_tests_failed_there(world: World) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        world.publish(f"auth={version}")
        world.sync()
        world.tests(f"auth={version}", "integration", "regression", failed=1 if version == "1.1.0" else 0)
    rollback(world.as_(), "integration")
    assert world.on("int1") == {"auth": "1.0.0"}


def test_a_rollback_passes_over_vetoed_versions(world: World) -> None:
    from sluicegate.delivery.evidence import veto

    for version in ("1.0.0", "1.1.0", "1.2.0"):
        world.publish(f"auth={version}")
        world.sync()
    veto(world.as_(), "auth", "1.1.0", "", lift=False, why="")
    rollback(world.as_(), "integration")
    assert world.on("int1") == {"auth": "1.0.0"}


def test_without_a_before_there_is_nothing_to_roll_back_to(world: World) -> None:
    world.to_production("auth=1.0.0")
    before = world.tips()
    with raising(UsageError, "production has nothing to roll any component back to"):
        rollback(world.as_("rita"), "production")
    with raising(UsageError, "nothing to roll portal back to"):
        rollback(world.as_("rita"), "production", "portal")
    assert world.tips() == before


def test_a_dry_rollback_says_what_it_would_do(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    before = world.tips()
    found = rollback(world.as_("rita"), "production", dry_run=True)
    assert (found.how, dict(found.target)) == ("swap", {"auth": "1.0.0"})
    assert world.tips() == before
    assert world.live() == {"auth": "1.1.0"}


def test_a_retried_rollback_step_does_not_roll_back_further(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    world.to_production("auth=1.2.0")
    build = "http://ci.invalid/job/rollback-production/7/"
    rollback(world.as_("rita", build), "production", "auth")
    world.later(hours=1)
    rollback(world.as_("rita", build), "production", "auth")
    assert world.live() == {"auth": "1.1.0"}
    assert not world.story("auth=1.1.0", "veto")


def test_a_rollback_waits_for_nobody_elses_deploy(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    world.begin("staging", "deploy", "anna", group="green", target={"auth": "1.1.0"})
    from sluicegate.delivery.intents import Locked

    with raising(Locked, "'deploy' by anna"):
        rollback(world.as_("rita"), "production")
    assert not world.story("auth=1.1.0", "veto")


def test_users_on_the_idle_group_are_kept_from_a_rollback_that_must_deploy_there(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    world.to_staging("portal=1.0.0")
    swap(world.as_("rita"), "production")
    with raising(GateRefused, "logged-in users may stay"):
        rollback(world.as_("rita"), "production", "auth")
    rollback(world.as_("rita"), "production", "auth", end_sessions=True)
    assert world.live() == {"auth": "1.0.0", "portal": "1.0.0"}


def test_staging_is_rolled_back_without_touching_production(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_staging("auth=1.1.0")
    world.to_staging("auth=1.2.0")
    rollback(world.as_("anna"), "staging", "auth")
    assert world.on("app1") == {"auth": "1.1.0"}
    assert world.live() == {"auth": "1.0.0"}
    assert deploy(world.as_(), "staging").steps == ()
