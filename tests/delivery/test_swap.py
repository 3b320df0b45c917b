"""Blue-green, exactly: each sentence of the design is a test."""

from __future__ import annotations

import pytest

from sluicegate.delivery import pinning, swap
from sluicegate.delivery.deploy import deploy
from sluicegate.delivery.intents import Locked
from sluicegate.delivery.promote import promote
from sluicegate.delivery.resume import resume
from sluicegate.delivery.rollback import rollback
from sluicegate.errors import GateRefused, RemoteUnavailable, SluicegateError, UsageError
from tests.delivery.world import World, raising


def test_a_version_goes_from_publish_to_production(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    assert world.live() == {"auth": "1.0.0", "portal": "1.0.0"}
    assert world.pins("production") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert world.state.servers == {"production": "green", "staging": "blue"}


def test_a_swap_is_one_commit_of_pins_and_roles_and_leaves_staging_equal_to_production(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_staging("auth=1.1.0")
    swap.swap(world.as_("rita"), "production")
    assert world.pins("staging") == world.pins("production") == {"auth": "1.1.0"}
    assert world.state.servers == {"production": "blue", "staging": "green"}
    (first, second) = world.chronicle("production", "swap")
    assert (second.get("idle"), second.get("live")) == ("green", "blue")
    assert second.get("before") == {"auth": "1.0.0"} == first.get("pins")
    assert second.by.user == "rita"


def test_promoting_one_component_never_brings_back_yesterdays_other(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    world.to_production("portal=2.0.0")
    world.to_integration("auth=2.0.0")
    promote(world.as_(), {"auth": "2.0.0"}, "staging")
    world.sync("staging", end_sessions=True)
    assert world.on("app3") == {"auth": "2.0.0", "portal": "2.0.0"}
    world.ready("auth=2.0.0")
    found = swap.swap(world.as_("rita"), "production")
    assert found.changes == {"auth": ("1.0.0", "2.0.0")}
    assert world.live() == {"auth": "2.0.0", "portal": "2.0.0"}


def test_a_swap_asks_productions_gates_for_every_component_that_differs(world: World) -> None:
    world.to_staging("auth=1.0.0", "portal=1.0.0")
    world.reject("portal=1.0.0", "production", "release-manager", why="the fair")
    with raising(GateRefused) as refused:
        swap.swap(world.as_("rita"), "production")
    (reason,) = refused.value.reasons
    assert "portal=1.0.0" in reason and "rita rejected it: the fair" in reason
    assert world.drivers.the_balancer.switches == []
    assert world.pins("production") == {}
    assert world.chronicle("production") == []


def test_acceptance_counts_only_on_the_very_set_that_goes_out(world: World) -> None:
    world.to_staging("auth=1.0.0")
    world.to_integration("portal=1.0.0")
    promote(world.as_(), {"portal": ""}, "staging")
    world.sync("staging")
    world.ready("portal=1.0.0")
    with raising(GateRefused, "auth=1.0.0: tests acceptance: waiting: the recorded run was on the set"):
        swap.swap(world.as_("rita"), "production")
    world.tests("auth=1.0.0", "staging", "acceptance")
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0", "portal": "1.0.0"}


def test_what_is_promoted_but_not_deployed_is_not_swapped(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    with raising(GateRefused, "staging does not have its candidate yet: auth=1.1.0"):
        swap.swap(world.as_("rita"), "production")


def test_after_a_deploy_that_failed_halfway_staging_does_not_pass_for_what_it_had_before(world: World) -> None:
    world.to_production("portal=1.0.0", "auth=1.0.0")
    world.to_staging("portal=1.1.0")
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    world.drivers.fake_host("app2").broken.add("auth")
    with raising(SluicegateError):
        world.sync("staging")
    assert world.on("app1")["auth"] == "1.1.0"
    pinning.pin(world.as_(), "auth", "1.0.0", "staging", why="")
    with raising(GateRefused, "staging does not have its candidate"):
        swap.swap(world.as_("rita"), "production")
    world.drivers.fake_host("app2").broken.clear()
    world.sync("staging")
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0", "portal": "1.1.0"}


def test_after_a_deploy_that_failed_at_its_first_step_a_sync_makes_staging_swappable_again(world: World) -> None:
    world.to_production("portal=1.0.0", "auth=1.0.0")
    world.to_staging("portal=1.1.0")
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    world.drivers.repositories["releases"].down = True
    with raising(RemoteUnavailable):
        world.sync("staging")
    world.drivers.repositories["releases"].down = False
    pinning.pin(world.as_(), "auth", "1.0.0", "staging", why="")
    world.sync("staging")
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0", "portal": "1.1.0"}


def test_a_swap_without_differences_does_nothing(world: World) -> None:
    world.to_production("auth=1.0.0")
    before = world.tips()
    assert not swap.swap(world.as_("rita"), "production").changes
    assert world.tips() == before


def test_a_swap_lowers_nothing_unless_the_promotion_said_so(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=2.0.0")
    world.edit("environments/staging.yaml", "auth: 1.0.0\n")
    world.sync("staging", end_sessions=True)
    world.ready("auth=1.0.0")
    with raising(GateRefused, "auth=1.0.0 is lower than 2.0.0 in production") as refused:
        swap.swap(world.as_("rita"), "production")
    assert refused.value.hint.endswith("promote auth=1.0.0 --to staging --downgrade auth")
    with raising(GateRefused, "lower than 2.0.0"):
        promote(world.as_(), {"auth": "1.0.0"}, "staging")
    promote(world.as_(), {"auth": "1.0.0"}, "staging", downgrade=["auth"])
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0"}


def test_production_does_not_lose_a_component_by_a_swap(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    world.edit("environments/staging.yaml", "auth: 1.0.0\n")
    deploy(world.as_(), "staging", end_sessions=True)
    assert world.on("app1") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_what_is_held_in_production_is_not_swapped_away(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_staging("auth=1.1.0")
    pinning.hold(world.as_("rita"), "auth", "production", until=None, why="the fair")
    with raising(GateRefused, "auth is held at 1.0.0 in production by rita: the fair"):
        swap.swap(world.as_("rita"), "production")


def test_a_hold_in_production_stays_when_something_else_is_swapped(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    pinning.hold(world.as_("rita"), "auth", "production", until=None, why="the fair")
    world.to_production("portal=1.1.0")
    hold = world.state.pins("production")["auth"].hold
    assert hold is not None and hold.why == "the fair"
    assert world.state.pins("staging")["auth"].hold is None


def test_promoting_to_a_production_that_swaps_is_a_usage_error_that_points_to_swap(world: World) -> None:
    world.to_staging("auth=1.0.0")
    with raising(UsageError) as wrong:
        promote(world.as_(), {"auth": ""}, "production")
    assert "sluicegate swap production" in wrong.value.hint
    with raising(UsageError, "its pins change by a swap only"):
        pinning.pin(world.as_(), "auth", "1.0.0", "production", why="")


def test_an_edited_pin_of_a_production_that_swaps_goes_nowhere(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    world.to_staging("portal=1.1.0")
    world.publish("auth=9.0.0")
    world.edit("environments/production.yaml", "auth: 9.0.0\nportal: 1.0.0\n")
    world.sync("staging")
    assert world.on("app1") == {"auth": "1.0.0", "portal": "1.1.0"}
    with raising(UsageError, "its pins were edited") as wrong:
        swap.swap(world.as_("rita"), "production")
    assert "environments/production.yaml" in wrong.value.hint
    with raising(UsageError, "its pins were edited"):
        deploy(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0", "portal": "1.0.0"}
    world.edit("environments/production.yaml", "auth: 1.0.0\nportal: 1.0.0\n")
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0", "portal": "1.1.0"}


def test_productions_pins_edited_to_what_staging_has_do_not_pass_by_its_gates(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    world.sync("staging")
    world.edit("environments/production.yaml", "auth: 1.1.0\n")
    with raising(UsageError, "its pins were edited to auth=1.1.0"):
        world.sync("production")
    world.edit("environments/production.yaml", "# nothing\n")
    with raising(UsageError, "its pins were edited to no auth"):
        world.sync("production")
    assert world.live() == {"auth": "1.0.0"}


def test_an_environment_that_swaps_with_nothing_is_not_swapped(world: World) -> None:
    with raising(UsageError, "integration does not swap with anything"):
        swap.swap(world.as_(), "integration")


def test_a_dry_swap_asks_the_gates_and_changes_nothing(world: World) -> None:
    world.to_staging("auth=1.0.0")
    before = world.tips()
    assert swap.swap(world.as_("rita"), "production", dry_run=True).changes == {"auth": ("", "1.0.0")}
    assert world.tips() == before
    assert world.drivers.the_balancer.switches == []


def test_when_the_balancer_is_down_the_swap_stays_open_and_resume_undoes_it(world: World) -> None:
    world.to_staging("auth=1.0.0")
    world.drivers.the_balancer.down = True
    with raising(RemoteUnavailable):
        swap.swap(world.as_("rita"), "production")
    world.drivers.the_balancer.down = False
    resume(world.as_("rita"))
    assert world.pins("production") == {}
    assert world.state.servers["production"] == world.drivers.the_balancer.group == "blue"
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.0.0"}


def test_what_does_not_answer_through_the_balancer_is_switched_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "PROBE_SECONDS", 0.0)
    world.to_staging("auth=1.0.0")
    world.drivers.the_balancer.probed = "http://127.0.0.1:9"
    with raising(SluicegateError, "did not answer"):
        swap.swap(world.as_("rita"), "production")
    assert [to for to, _ in world.drivers.the_balancer.switches] == ["green", "blue"]
    assert world.pins("production") == {}
    assert world.chronicle("production", "failed")[0].get("why")
    assert not world.state.open_intents(world.state.config.environment("production"))


def test_somebody_elses_open_swap_locks_both_sides(world: World) -> None:
    world.to_staging("auth=1.0.0")
    world.begin("production", "swap", "rita")
    for act in (
        lambda: swap.swap(world.as_(), "production"),
        lambda: deploy(world.as_(), "staging"),
        lambda: rollback(world.as_(), "production"),
    ):
        with raising(Locked, "production is locked: 'swap' by rita since 2026-11-23"):
            act()


def test_nothing_is_promoted_to_staging_while_a_swap_is_open(world: World) -> None:
    """The swap's last commit makes staging's pins equal to production's; the promotion would be lost."""
    world.to_staging("auth=1.0.0")
    world.to_integration("portal=1.0.0")
    intent = world.begin("production", "swap", "rita")
    with raising(Locked, "'swap' by rita"):
        promote(world.as_(), {"portal": ""}, "staging")
    with raising(Locked, "'swap' by rita"):
        pinning.pin(world.as_(), "portal", "1.0.0", "staging", why="")
    assert intent.id


# sessions


def test_users_stay_on_the_idle_group_until_the_deadline(world: World) -> None:
    world.to_staging("auth=1.0.0")
    swap.swap(world.as_("rita"), "production")
    assert world.drivers.the_balancer.switches[-1] == ("green", True)
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    with raising(GateRefused, "logged-in users may stay on blue until 2026-11-23T08:3"):
        world.sync("staging")
    assert world.drivers.the_balancer.keeps
    world.later(minutes=31)
    world.sync("staging")
    assert not world.drivers.the_balancer.keeps
    assert world.on("app1") == {"auth": "1.1.0"}


def test_sessions_are_ended_only_when_that_is_asked_for(world: World) -> None:
    world.to_staging("auth=1.0.0")
    swap.swap(world.as_("rita"), "production")
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    world.sync("staging", end_sessions=True)
    assert not world.drivers.the_balancer.keeps
    assert world.live() == {"auth": "1.0.0"}


# back


def test_a_swap_is_taken_back_to_what_ran_before(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    found = swap.swap(world.as_("rita"), "production", back=True)
    assert found.changes == {"auth": ("1.1.0", "1.0.0")}
    assert world.live() == world.pins("production") == world.pins("staging") == {"auth": "1.0.0"}
    assert world.chronicle("production", "swap")[-1].get("back") is True


def test_a_swap_is_not_taken_back_twice(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    swap.swap(world.as_("rita"), "production", back=True)
    with raising(UsageError, "no swap to take back"):
        swap.swap(world.as_("rita"), "production", back=True)
    assert world.live() == {"auth": "1.0.0"}


def test_there_is_no_way_back_once_something_is_deployed_to_the_idle_group(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    deploy(world.as_(), "staging")
    with raising(GateRefused, "green does not have its old versions any more") as refused:
        swap.swap(world.as_("rita"), "production", back=True)
    assert refused.value.hint == "sluicegate rollback production"


def test_a_clock_that_is_behind_does_not_make_a_deployed_group_look_warm(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    late = world.as_(clock=lambda: world.now.replace(hour=1))
    deploy(late, "staging", end_sessions=True)
    with raising(GateRefused, "does not have its old versions any more"):
        swap.swap(world.as_("rita"), "production", back=True)


def test_before_the_first_swap_there_is_nothing_to_go_back_to(world: World) -> None:
    world.to_staging("auth=1.0.0")
    with raising(UsageError, "production has no swap to take back"):
        swap.swap(world.as_("rita"), "production", back=True)
    swap.swap(world.as_("rita"), "production")
    with raising(UsageError, "had nothing to go back to"):
        swap.swap(world.as_("rita"), "production", back=True)


def test_a_way_back_leads_never_to_a_vetoed_version(world: World) -> None:
    from sluicegate.delivery.evidence import veto

    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    veto(world.as_("anna"), "auth", "1.0.0", "", lift=False, why="a hole")
    with raising(GateRefused, "auth=1.0.0 is vetoed by anna: a hole"):
        swap.swap(world.as_("rita"), "production", back=True)
    assert world.live() == {"auth": "1.1.0"}


def test_the_same_versions_can_go_out_again_after_a_swap_back(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    swap.swap(world.as_("rita"), "production", back=True)
    world.later(hours=1)
    promote(world.as_(), {"auth": "1.1.0"}, "staging")
    world.sync("staging")
    world.tests("auth=1.1.0", "staging", "acceptance")
    swap.swap(world.as_("rita"), "production")
    assert world.live() == {"auth": "1.1.0"}
