"""Rolling back: the bad versions are vetoed, the last known-good ones come back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.delivery.changes.rollback import rollback
from sluicegate.delivery.changes.swap import swap
from sluicegate.errors import Conflict, GateRefused, NotFound, UsageError
from sluicegate.model.evidence import Pruned
from tests.worlds import Shop

HOUR = timedelta(hours=1)


def test_production_rolls_back_by_a_swap_while_the_other_group_is_warm(again: Shop) -> None:
    hosts = {name: dict(host.files) for name, host in again.drivers.hosts.items()}
    rollback = again.rollback()
    assert (rollback.bad, rollback.how) == ({"auth": "2.0.0"}, "swap")
    assert again.users_reach() == {"auth": "1.0.0", "portal": "1.0.0"} == again.pins("production")
    assert hosts == {name: dict(host.files) for name, host in again.drivers.hosts.items()}, "nothing is deployed"


def test_the_bad_version_is_vetoed_for_production_and_does_not_come_back(again: Shop) -> None:
    again.rollback(why="OPS-12")
    veto = again.story("auth", "2.0.0", "veto")[-1]
    assert (veto.env, veto.why) == ("production", "OPS-12")
    with pytest.raises(GateRefused, match="vetoed from production on by rita: OPS-12"):
        again.promote(auth="2.0.0")


def test_a_rollback_of_production_holds_no_pin(again: Shop) -> None:
    again.rollback()
    assert [p.hold for name in ("staging", "production") for p in again.state.pins(name).values()] == [None] * 4


def test_the_next_version_goes_out_after_a_rollback(again: Shop) -> None:
    again.rollback()
    again.pass_time(HOUR)
    again.to_production(auth="2.0.1")
    assert again.users_reach()["auth"] == "2.0.1"


def test_a_group_that_is_not_warm_any_more_is_made_so_first(again: Shop) -> None:
    again.to_staging(portal="2.0.0")
    assert again.running("green1") == {"auth": "2.0.0", "portal": "2.0.0"}
    again.rollback(component="auth")
    assert again.users_reach() == {"auth": "1.0.0", "portal": "1.0.0"} == again.pins("production")


def test_one_component_rolls_back_alone(live: Shop) -> None:
    live.to_production(auth="2.0.0", portal="2.0.0")
    live.pass_time(HOUR)
    live.rollback(component="auth")
    assert live.users_reach() == {"auth": "1.0.0", "portal": "2.0.0"} == live.pins("production")
    assert not live.story("portal", "2.0.0", "veto")


def test_users_on_the_idle_group_are_not_cut_off_by_a_cold_rollback_unless_asked(live: Shop) -> None:
    live.to_production(auth="2.0.0", portal="2.0.0")
    with pytest.raises(GateRefused, match="logged-in users may stay"):
        live.rollback(component="auth")
    live.rollback(component="auth", end_sessions=True)
    assert live.users_reach()["auth"] == "1.0.0"


def test_integration_rolls_back_in_place_and_holds_the_pin(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    rollback = live.rollback("integration", why="it burns")
    assert (rollback.how, rollback.target) == ("deploy", {"auth": "1.0.0", "portal": "1.0.0"})
    pin = live.state.pins("integration")["auth"]
    assert pin.version == "1.0.0" and pin.hold is not None and "2.0.0 rolled back: it burns" in pin.hold.why
    assert live.running("int1")["auth"] == "1.0.0"


def test_an_environment_in_place_rolls_back_without_a_hold(live: Shop) -> None:
    live.promote("training", auth="1.0.0", portal="1.0.0")
    live.sync("training")
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0")
    live.sync("training")
    live.rollback("training")
    assert live.running("room1") == live.running("room2") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert live.state.pins("training")["auth"].hold is None


def test_a_set_whose_tests_failed_is_passed_over(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.tested("auth", "2.0.0", failed=1)
    live.to_integration(auth="3.0.0")
    assert live.rollback("integration", "auth").target["auth"] == "1.0.0"


def test_a_vetoed_version_is_not_gone_back_to(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.to_integration(auth="3.0.0")
    live.veto("auth", "2.0.0")
    assert live.rollback("integration", "auth").target["auth"] == "1.0.0"


def test_a_rollback_that_runs_again_in_its_build_goes_back_no_further(live: Shop) -> None:
    for version in ("2.0.0", "3.0.0"):
        live.to_production(auth=version)
        live.pass_time(HOUR)
    for _ in range(2):
        rollback(live.by("rita", build=7), "production", "auth")
        live.pass_time(HOUR)
    assert live.users_reach()["auth"] == "2.0.0"
    assert not live.story("auth", "2.0.0", "veto")


def test_a_rollback_in_place_that_runs_again_in_its_build_goes_back_no_further(live: Shop) -> None:
    for version in ("2.0.0", "3.0.0"):
        live.to_integration(auth=version)
    rollback(live.by("rita", build=7), "integration", "auth")
    with live.unchanged():
        rollback(live.by("rita", build=7), "integration", "auth")
    assert live.running("int1")["auth"] == "2.0.0"


def test_a_rollback_takes_the_way_of_nobody_at_work(again: Shop) -> None:
    again.begin("staging", "deploy", group="green", target={})
    with again.unchanged(), pytest.raises(Conflict, match="'deploy' by berta"):
        again.rollback()


def test_staging_is_rolled_back_without_touching_production(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    live.to_staging(auth="3.0.0")
    live.rollback("staging", "auth")
    assert (live.running("blue1")["auth"], live.users_reach()["auth"]) == ("2.0.0", "1.0.0")
    assert live.deploy("staging").steps == ()


def test_a_second_rollback_goes_back_further_only_when_told_so(live: Shop) -> None:
    for version in ("2.0.0", "3.0.0"):
        live.to_production(auth=version)
        live.pass_time(HOUR)
    rollback(live.by("rita", build=1), "production")
    assert live.users_reach()["auth"] == "2.0.0"
    live.pass_time(HOUR)
    for component in ("", "auth"):
        with live.unchanged(), pytest.raises(GateRefused, match="gone back already: swap back by rita"):
            rollback(live.by("olle", build=2), "production", component)
    rollback(live.by("rita", build=3), "production", further=True)
    assert live.users_reach()["auth"] == "1.0.0"


def test_after_a_way_back_other_components_are_not_taken_back(live: Shop) -> None:
    live.to_integration(portal="2.0.0")
    live.to_integration(auth="2.0.0")
    live.rollback("integration")
    with live.unchanged(), pytest.raises(GateRefused, match="rollback by rita"):
        rollback(live.by("olle"), "integration")
    assert live.rollback("integration", "portal").bad == {"portal": "2.0.0"}


def test_a_component_that_had_no_version_before_is_not_taken_away(again: Shop) -> None:
    again.swap(back=True)
    for component in ("", "auth"):
        with again.unchanged(), pytest.raises(NotFound, match="nothing to roll"):
            again.rollback(component=component, further=True)


@pytest.mark.parametrize("environment", ["integration", "staging", "training"])
def test_where_there_is_nothing_to_go_back_to_it_says_so(live: Shop, environment: str) -> None:
    with live.unchanged(), pytest.raises(NotFound, match="nothing to roll"):
        live.rollback(environment)


def test_a_dry_run_changes_nothing(again: Shop) -> None:
    with again.unchanged():
        assert again.rollback(dry_run=True).bad == {"auth": "2.0.0"}


def test_unknown_names_are_told(live: Shop) -> None:
    with pytest.raises(UsageError, match="no component"):
        live.rollback(component="aut")
    with pytest.raises(UsageError, match="no environment"):
        live.rollback("prod")


def late(shop: Shop, user: str, act) -> None:  # type: ignore[no-untyped-def]
    """Let something happen after this user's command has looked and before it writes."""
    repo = shop.by(user)
    change = repo.change

    def first(*words, **options):  # type: ignore[no-untyped-def]
        repo.change = change  # type: ignore[method-assign]
        act()
        return change(*words, **options)

    repo.change = first  # type: ignore[method-assign, assignment]


def test_47_a_promotion_that_came_between_makes_the_rollback_a_conflict(live: Shop) -> None:
    live.promote("training", auth="1.0.0")
    live.sync("training")
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0")
    live.sync("training")
    live.to_integration(auth="3.0.0")
    late(live, "rita", lambda: live.promote("training", auth="3.0.0"))
    with pytest.raises(Conflict, match="changed meanwhile"):
        rollback(live.by("rita"), "training", "auth")
    assert live.pins("training")["auth"] == "3.0.0"
    assert not live.story("auth", "2.0.0", "veto")


def test_47_a_swap_that_came_between_makes_the_rollback_a_conflict(again: Shop) -> None:
    again.pass_time(HOUR)
    again.to_staging(auth="3.0.0")
    again.accepted(auth="3.0.0")
    second_repo = again.by("gustav")
    late(again, "rita", lambda: swap(second_repo, "production"))
    with pytest.raises(Conflict, match="changed meanwhile"):
        rollback(again.by("rita"), "production", "auth")
    assert again.users_reach()["auth"] == "3.0.0" == again.pins("production")["auth"]


def test_a_component_does_not_leave_from_under_those_that_need_it(live: Shop) -> None:
    live.promote("training", portal="1.0.0")
    live.sync("training")
    live.promote("training", auth="1.0.0")
    live.sync("training")
    with live.unchanged(), pytest.raises(NotFound, match="training has nothing to roll any component back to"):
        live.rollback("training")


def test_a_set_that_failed_one_of_its_suites_is_not_gone_back_to(live: Shop) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        if version != "1.0.0":
            live.to_integration(auth=version)
        live.promote("training", auth=version)
        live.sync("training")
        live.tested("auth", version, "training", suite="smoke")
        live.tested("auth", version, "training", suite="load", failed=int(version == "2.0.0"))
    live.rollback("training")
    assert live.pins("training") == live.running("room1") == {"auth": "1.0.0"}


def test_a_set_whose_files_are_pruned_is_not_gone_back_to(live: Shop) -> None:
    live.promote("training", auth="1.0.0")
    live.sync("training")
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0")
    live.sync("training")
    pruned = Pruned(version="1.0.0", keep=1)
    live.by("ci").change(lambda state, draft: draft.note_pruned("auth", pruned), "prune auth")
    with live.unchanged(), pytest.raises(NotFound, match="training has nothing to roll any component back to"):
        live.rollback("training")
