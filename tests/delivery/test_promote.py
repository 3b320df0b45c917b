"""Promote: versions move into the next environment's pins once its gates pass, and every reason is told."""

from __future__ import annotations

import pytest

from sluicegate.delivery import pinning
from sluicegate.delivery.evidence import veto
from sluicegate.delivery.promote import Move, promote
from sluicegate.errors import GateRefused, UsageError
from sluicegate.model.values import Actor
from tests.delivery.world import World, raising

TWO_QA = "- approval: {role: qa}"


def test_what_passed_its_gates_is_pinned_and_the_ledger_says_why(world: World) -> None:
    world.to_integration("auth=1.0.0")
    moves = promote(world.as_("rita"), {"auth": "1.0.0"}, "staging", why="the sprint is over")
    assert moves == (Move(component="auth", before="", after="1.0.0"),)
    assert world.pins("staging") == {"auth": "1.0.0"}
    (record,) = [r for r in world.story("auth=1.0.0", "pinned") if r.get("env") == "staging"]
    assert (record.by.user, record.get("how"), record.get("why")) == ("rita", "promote", "the sprint is over")
    assert [(v["gate"], v["state"]) for v in record.get("verdicts")] == [
        ("deployed in integration", "passed"), ("tests regression", "passed"), ("approval qa", "passed"),
        ("veto", "passed"),
    ]  # fmt: skip


def test_promoting_commits_and_deploys_nothing(world: World) -> None:
    world.to_integration("auth=1.0.0")
    promote(world.as_(), {"auth": ""}, "staging")
    assert world.on("app3") == {}


def test_without_a_version_the_one_that_the_environment_before_runs_is_promoted(world: World) -> None:
    world.to_integration("auth=1.0.0")
    world.publish("auth=1.1.0")
    assert promote(world.as_(), {"auth": ""}, "staging")[0].after == "1.0.0"
    with raising(UsageError, "portal is not deployed in integration") as wrong:
        promote(world.as_(), {"portal": ""}, "staging")
    assert wrong.value.hint == "sluicegate sync integration"


def test_every_unmet_gate_is_told_at_once(world: World) -> None:
    world.publish("auth=1.0.0")
    veto(world.as_("anna"), "auth", "1.0.0", "", lift=False, why="a hole")
    before = world.tips()
    with raising(GateRefused, "promoting auth=1.0.0 to staging is refused") as refused:
        promote(world.as_(), {"auth": "1.0.0"}, "staging")
    assert [reason.split(": ")[1] for reason in refused.value.reasons] == [
        "deployed in integration", "tests regression", "approval qa", "veto",
    ]  # fmt: skip
    assert "who can help: anna, adam" in refused.value.reasons[2]
    assert "vetoed by anna: a hole" in refused.value.reasons[3]
    assert world.tips() == before


def test_no_environment_is_skipped(world: World) -> None:
    world.publish("auth=1.0.0")
    world.approve("auth=1.0.0", "staging", "qa")
    with raising(GateRefused, "deployed in integration: waiting: it has not run in integration"):
        promote(world.as_(), {"auth": "1.0.0"}, "staging")


def test_too_few_tests_are_refused(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.approve("auth=1.0.0", "staging", "qa")
    world.tests("auth=1.0.0", "integration", "regression", passed=9)
    with raising(GateRefused, "tests regression: refused: 9 tests passed, at least 10 are wanted"):
        promote(world.as_(), {"auth": ""}, "staging")


def test_another_suites_run_does_not_count(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.approve("auth=1.0.0", "staging", "qa")
    world.tests("auth=1.0.0", "integration", "smoke")
    with raising(GateRefused, "no run of the suite in integration is recorded"):
        promote(world.as_(), {"auth": ""}, "staging")


def test_a_verification_that_fails_when_repeated_revokes_the_first(world: World) -> None:
    world.to_integration("auth=1.0.0")
    world.tests("auth=1.0.0", "integration", "regression", passed=40, failed=1)
    with raising(GateRefused, "tests regression: refused: 1 of 41 tests failed"):
        promote(world.as_(), {"auth": ""}, "staging")
    world.tests("auth=1.0.0", "integration", "regression", passed=41)
    promote(world.as_(), {"auth": ""}, "staging")


def test_a_rejection_after_the_approval_counts_until_the_same_person_approves_again(world: World) -> None:
    world.to_integration("auth=1.0.0")
    world.reject("auth=1.0.0", "staging", "qa", why="the login page")
    with raising(GateRefused, "approval qa: refused: anna rejected it: the login page"):
        promote(world.as_(), {"auth": ""}, "staging")
    world.approve("auth=1.0.0", "staging", "qa", "adam")
    with raising(GateRefused, "anna rejected it"):
        promote(world.as_(), {"auth": ""}, "staging")
    world.approve("auth=1.0.0", "staging", "qa")
    promote(world.as_(), {"auth": ""}, "staging")


def test_who_is_not_in_the_role_cannot_approve(world: World) -> None:
    world.publish("auth=1.0.0")
    before = world.tips()
    with raising(GateRefused, "olle is not in the role 'qa'"):
        world.approve("auth=1.0.0", "staging", "qa", "olle")
    with raising(UsageError, "no role is called 'qs'. Known: qa, release-manager."):
        world.approve("auth=1.0.0", "staging", "qs", "anna")
    assert world.tips() == before


def test_an_approval_in_another_role_or_for_another_environment_does_not_count(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.tests("auth=1.0.0", "integration", "regression")
    world.approve("auth=1.0.0", "staging", "release-manager")
    world.approve("auth=1.0.0", "production", "qa")
    with raising(GateRefused, "approval qa: waiting: no approval in the role 'qa'"):
        promote(world.as_(), {"auth": ""}, "staging")


def test_an_approval_by_somebody_who_left_the_role_does_not_count_any_more(world: World) -> None:
    world.to_integration("auth=1.0.0")
    config = (world.state.file("sluicegate.yaml") or b"").decode()
    world.edit("sluicegate.yaml", config.replace("[anna, adam]", "[adam]"))
    with raising(GateRefused, "anna's does not count: not a member of the role"):
        promote(world.as_(), {"auth": ""}, "staging")


def test_an_unverified_actors_approval_does_not_count(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.tests("auth=1.0.0", "integration", "regression")
    world.approve("auth=1.0.0", "staging", "qa", verified=False)
    with raising(GateRefused, "anna's does not count: the actor is not verified"):
        promote(world.as_(), {"auth": ""}, "staging")
    config = (world.state.file("sluicegate.yaml") or b"").decode()
    world.edit("sluicegate.yaml", config.replace("{role: qa}", "{role: qa, accept: unverified}"))
    promote(world.as_(), {"auth": ""}, "staging")


def test_an_approval_for_another_manifest_does_not_count(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.tests("auth=1.0.0", "integration", "regression")
    by = Actor(user="anna", source="http://ci.invalid/job/approve/1/", verified=True)

    def forge(state: object, draft: object) -> None:
        draft.by = by  # type: ignore[attr-defined]
        draft.note("auth", "1.0.0", "approval", env="staging", role="qa", manifest="0" * 64)  # type: ignore[attr-defined]

    world.as_("anna").change(forge, "an approval of other files")
    with raising(GateRefused, "anna's does not count: it was for other files (manifest differs)"):
        promote(world.as_(), {"auth": ""}, "staging")


def test_two_approvals_are_two_people(world: World) -> None:
    config = (world.state.file("sluicegate.yaml") or b"").decode()
    world.edit("sluicegate.yaml", config.replace("{role: qa}", "{role: qa, minimum: 2}"))
    world.to_integration("auth=1.0.0")
    world.approve("auth=1.0.0", "staging", "qa")
    with raising(GateRefused, "1 of 2 approvals in the role 'qa'"):
        promote(world.as_(), {"auth": ""}, "staging")
    world.approve("auth=1.0.0", "staging", "qa", "adam")
    promote(world.as_(), {"auth": ""}, "staging")


def test_the_author_may_not_approve_the_own_change(in_place: World) -> None:
    world = in_place
    world.to_integration("auth=1.0.0", author="rita")
    promote(world.as_(), {"auth": ""}, "staging")
    world.sync("staging")
    world.ready("auth=1.0.0")
    with raising(GateRefused, "rita's does not count: the author may not approve the own change"):
        promote(world.as_("rita"), {"auth": ""}, "production")
    world.approve("auth=1.0.0", "production", "release-manager", "olle")
    promote(world.as_("rita"), {"auth": ""}, "production")


def test_several_components_move_together_or_not_at_all(world: World) -> None:
    world.to_integration("auth=1.0.0", "portal=1.0.0")
    world.reject("portal=1.0.0", "staging", "qa")
    before = world.tips()
    with raising(GateRefused, "promoting auth=1.0.0, portal=1.0.0 to staging is refused") as refused:
        promote(world.as_(), {"auth": "", "portal": ""}, "staging")
    assert [reason.split(":")[0] for reason in refused.value.reasons] == ["portal=1.0.0"]
    assert world.tips() == before
    world.approve("portal=1.0.0", "staging", "qa")
    promote(world.as_(), {"auth": "", "portal": ""}, "staging")
    assert world.pins("staging") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_a_lower_version_is_promoted_only_when_it_is_said_openly(world: World) -> None:
    world.to_integration("auth=1.9.0")
    world.to_integration("auth=1.10.0")
    promote(world.as_(), {"auth": "1.10.0"}, "staging")
    with raising(GateRefused, "auth=1.9.0 is lower than 1.10.0, which staging has") as refused:
        promote(world.as_(), {"auth": "1.9.0"}, "staging")
    assert "--downgrade auth" in refused.value.hint
    with raising(GateRefused, "lower"):
        promote(world.as_(), {"auth": "1.9.0"}, "staging", downgrade=["portal"])
    promote(world.as_(), {"auth": "1.9.0"}, "staging", downgrade=["auth"])
    assert world.story("auth=1.9.0", "pinned")[-1].get("downgrade") is True


def test_a_version_below_productions_is_lowering_even_when_staging_has_no_pin(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_production("auth=1.1.0")
    world.edit("environments/staging.yaml", "# nothing\n")
    with raising(GateRefused, "auth=1.0.0 is lower than 1.1.0"):
        promote(world.as_(), {"auth": "1.0.0"}, "staging")


def test_a_held_pin_is_not_promoted_over_until_its_last_day_is_over(world: World) -> None:
    world.to_integration("auth=1.0.0")
    promote(world.as_(), {"auth": ""}, "staging")
    day = world.now.date()
    pinning.hold(world.as_("rita"), "auth", "staging", until=day, why="the fair")
    world.to_integration("auth=1.1.0")
    with raising(GateRefused, f"auth is held at 1.0.0 in staging until {day} by rita: the fair") as refused:
        promote(world.as_(), {"auth": ""}, "staging")
    assert refused.value.hint == "sluicegate unhold auth --in staging"
    world.later(days=1)
    promote(world.as_(), {"auth": ""}, "staging")
    assert world.state.pins("staging")["auth"].hold is None


def test_nothing_is_promoted_to_where_nothing_flows(world: World) -> None:
    world.publish("auth=1.0.0")
    with raising(UsageError, "nothing flows into integration"):
        promote(world.as_(), {"auth": "1.0.0"}, "integration")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [({"atuh": "1.0.0"}, "Did you mean 'auth'?"), ({"auth": "9.9.9"}, "auth has no version '9.9.9' (newest: 1.0.0)")],
)
def test_a_wrong_name_is_told_with_what_there_is(world: World, wanted: dict[str, str], words: str) -> None:
    world.publish("auth=1.0.0")
    with raising(UsageError, words):
        promote(world.as_(), wanted, "staging")


def test_a_dry_promotion_asks_the_gates_and_changes_nothing(world: World) -> None:
    world.to_integration("auth=1.0.0")
    before = world.tips()
    assert promote(world.as_(), {"auth": ""}, "staging", dry_run=True)[0].after == "1.0.0"
    assert world.tips() == before


def test_production_in_place_is_promoted_to_like_any_other(in_place: World) -> None:
    world = in_place
    world.to_staging("auth=1.0.0")
    promote(world.as_("rita"), {"auth": ""}, "production")
    world.sync("production")
    assert world.on("app3") == world.on("app4") == {"auth": "1.0.0"}


def test_comments_and_order_of_the_pins_survive_a_promotion(world: World) -> None:
    world.edit("environments/staging.yaml", "# ours\nportal: 0.9.0  # wait for OPS-3\n\n# the door\nauth: '0.9.0'\n")
    world.to_integration("auth=1.0.0")
    promote(world.as_(), {"auth": ""}, "staging")
    text = (world.state.file("environments/staging.yaml") or b"").decode()
    assert text == "# ours\nportal: 0.9.0  # wait for OPS-3\n\n# the door\nauth: 1.0.0\n"
