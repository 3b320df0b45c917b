"""Promotion: the gates, and what promotion refuses besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.moves import evidence, pinning
from sluicegate.delivery.moves.promote import promote
from sluicegate.errors import GateRefused, Malformed, SluicegateError, UsageError
from sluicegate.model.evidence import Approval
from sluicegate.model.values import Actor
from sluicegate.tools import door
from tests.worlds import CONFIG, Shop


@pytest.fixture(scope="module")
def sealed(launched: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with launched.copied(tmp_path_factory.mktemp("sealed")) as shop:
        shop.to_integration(auth="2.0.0")
        shop.approve("auth", "2.0.0")
        yield shop


@pytest.fixture
def ready(sealed: Shop, tmp_path: Path) -> Iterator[Shop]:
    """auth 2.0.0 runs in integration, tested and sealed."""
    with sealed.copied(tmp_path) as copy:
        yield copy


def refused(shop: Shop, match: str, **options: object) -> GateRefused:
    with shop.unchanged(), pytest.raises(GateRefused, match=match) as caught:
        shop.promote(**{"auth": "2.0.0", **options})  # type: ignore[arg-type]
    return caught.value


def test_a_promotion_pins_records_its_verdicts_and_deploys_nothing(ready: Shop) -> None:
    before = ready.outside()
    assert [(m.before, m.after) for m in ready.promote(auth="2.0.0")] == [("1.0.0", "2.0.0")]
    assert ready.pins("staging") == {"auth": "2.0.0", "portal": "1.0.0"}
    record = ready.story("auth", "2.0.0", "pinned")[-1]
    assert (record.env, record.how, record.by.user) == ("staging", "promote", "anna")
    gates = {verdict.gate: verdict.state for verdict in record.verdicts}
    assert gates == dict.fromkeys(("deployed in integration", "tests regression", "approval qa", "veto"), "passed")
    assert ready.outside() == before


def test_without_a_version_what_the_environment_before_has_is_promoted(ready: Shop) -> None:
    ready.publish("auth", "3.0.0")
    assert ready.promote(auth="")[0].after == "2.0.0"


def test_what_the_environment_before_does_not_have_is_not_promoted_without_a_version(shop: Shop) -> None:
    with shop.unchanged(), pytest.raises(UsageError, match="portal is not deployed in integration") as caught:
        shop.promote(portal="")
    assert caught.value.hint == "sluicegate sync integration"


@pytest.mark.parametrize("who", ["anna", "rita"])
def test_a_promotion_that_runs_again_writes_nothing(ready: Shop, who: str) -> None:
    ready.promote(auth="2.0.0")
    with ready.unchanged():
        ready.promote(auth="2.0.0", user=who)


def test_a_promotion_to_a_lower_version_that_runs_again_writes_nothing(ready: Shop) -> None:
    ready.promote(auth="2.0.0")
    ready.promote(auth="1.0.0", downgrade=("auth",))
    with ready.unchanged():
        ready.promote(auth="1.0.0", downgrade=("auth",))


def test_46_a_version_that_was_never_in_the_environment_before_is_refused(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.approve("auth", "2.0.0")
    refused(live, "it has not run in integration")


def test_46_skipping_an_environment_is_refused(ready: Shop) -> None:
    with ready.unchanged(), pytest.raises(UsageError, match="swaps with staging") as caught:
        ready.promote("production", auth="2.0.0")
    assert "sluicegate swap production" in caught.value.hint


def test_nothing_is_promoted_to_where_nothing_flows(ready: Shop) -> None:
    with ready.unchanged(), pytest.raises(UsageError, match="nothing flows into integration"):
        ready.promote("integration", auth="2.0.0")


def test_every_reason_is_told_at_once(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.publish("portal", "2.0.0")
    live.veto("portal", "2.0.0")
    caught = refused(live, "is refused", portal="2.0.0")
    reasons = "\n".join(caught.reasons)
    for expected in (
        "auth=2.0.0: deployed in integration: waiting",
        "auth=2.0.0: tests regression: waiting",
        "auth=2.0.0: approval qa: waiting: no approval in the role 'qa' (who can help: anna, olle)",
        "portal=2.0.0: veto: refused: vetoed by rita: bad",
    ):
        assert expected in reasons


def test_of_several_components_all_are_promoted_or_none(ready: Shop) -> None:
    ready.publish("portal", "2.0.0")
    refused(ready, "portal=2.0.0", portal="2.0.0")
    assert ready.pins("staging") == {"auth": "1.0.0", "portal": "1.0.0"}
    ready.sync()
    ready.tested("portal", "2.0.0")
    ready.approve("portal", "2.0.0")
    ready.promote(auth="2.0.0", portal="2.0.0")
    assert ready.pins("staging") == {"auth": "2.0.0", "portal": "2.0.0"}


def test_failed_and_too_few_tests_are_refused(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.sync()
    live.approve("auth", "2.0.0")
    live.tested("auth", "2.0.0", failed=1)
    refused(live, "1 of 6 tests failed")
    live.tested("auth", "2.0.0", passed=1)
    refused(live, "1 test passed, at least 2 wanted")


def test_a_verification_that_fails_later_revokes_the_earlier_one(ready: Shop) -> None:
    ready.tested("auth", "2.0.0", failed=2)
    refused(ready, "2 of 7 tests failed")
    ready.tested("auth", "2.0.0")
    ready.promote(auth="2.0.0")


def test_another_suite_and_another_environment_do_not_count(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.sync()
    live.approve("auth", "2.0.0")
    live.tested("auth", "2.0.0", suite="smoke")
    refused(live, "no run of the suite in integration")


def test_tests_of_a_version_that_is_not_deployed_are_not_recorded(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    with live.unchanged(), pytest.raises(UsageError, match=r"not deployed in integration \(it has 1\.0\.0\)"):
        live.tested("auth", "2.0.0")


def test_46_who_is_not_in_the_role_cannot_approve(ready: Shop) -> None:
    with ready.unchanged(), pytest.raises(GateRefused, match="rita is not in the role 'qa'"):
        ready.approve("auth", "2.0.0", user="rita")
    with ready.unchanged(), pytest.raises(UsageError, match="no role is called"):
        ready.approve("auth", "2.0.0", role="qq")


def test_46_an_approval_in_another_role_or_for_another_environment_does_not_count(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.approve("auth", "2.0.0", user="olle", role="release-manager")
    live.approve("auth", "2.0.0", "training", user="anna", role="qa")
    refused(live, "no approval in the role 'qa'")


def test_46_an_approval_of_somebody_who_left_the_role_does_not_count(ready: Shop) -> None:
    ready.edited("sluicegate.yaml", CONFIG.replace(b"members: [anna, olle]", b"members: [olle]"))
    refused(ready, "anna's does not count: not a member of the role")


def test_46_a_rejection_after_the_approval_counts_until_it_is_taken_back(ready: Shop) -> None:
    ready.reject("auth", "2.0.0", why="the page is broken")
    refused(ready, "anna rejected it: the page is broken")
    ready.approve("auth", "2.0.0", user="olle")
    refused(ready, "anna rejected it")
    ready.approve("auth", "2.0.0", build=2)
    ready.promote(auth="2.0.0")


def test_approve_reject_approve_is_three_records_and_a_retry_none(ready: Shop) -> None:
    ready.reject("auth", "2.0.0")
    ready.approve("auth", "2.0.0")
    kinds = ["approval", "rejection", "approval"]
    assert [r.what for r in ready.story("auth", "2.0.0", "approval", "rejection")] == kinds
    with ready.unchanged():
        ready.approve("auth", "2.0.0")


def test_46_an_unverified_actor_does_not_count_where_verified_ones_are_wanted(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    with live.unchanged(), pytest.raises(GateRefused, match="by anna would not count"):
        live.approve("auth", "2.0.0", verified=False)
    live.edited("sluicegate.yaml", CONFIG.replace(b"{role: qa}", b"{role: qa, accept: unverified}"))
    live.approve("auth", "2.0.0", verified=False)
    live.edited("sluicegate.yaml", CONFIG)
    refused(live, "anna's does not count: the actor is not verified")


def test_two_approvals_are_two_people(ready: Shop) -> None:
    ready.edited("sluicegate.yaml", CONFIG.replace(b"{role: qa}", b"{role: qa, minimum: 2}"))
    ready.approve("auth", "2.0.0", build=2)
    refused(ready, "1 of 2 approvals in the role 'qa'")
    ready.approve("auth", "2.0.0", user="olle")
    ready.promote(auth="2.0.0")


def test_46_an_approval_for_another_manifest_does_not_count(ready: Shop) -> None:
    """The version's story is joined with one of other files, as by a merge of two ledgers."""
    record = ready.story("auth", "2.0.0", "approval")[-1]

    def decide(state, draft):  # type: ignore[no-untyped-def]
        draft.note("auth", "2.0.0", replace(record, manifest="0" * 64))

    ready.by("anna", build=7).change(decide, "forged")
    refused(ready, "it was for other files")


def test_46_tests_of_another_manifest_do_not_count(ready: Shop) -> None:
    record = ready.story("auth", "2.0.0", "tests")[-1]

    def decide(state, draft):  # type: ignore[no-untyped-def]
        draft.note("auth", "2.0.0", replace(record, manifest="0" * 64))

    ready.by("tester", build=7).change(decide, "forged")
    refused(ready, "the recorded run was on other files")


def test_46_a_replayed_approval_of_another_version_does_not_count(ready: Shop) -> None:
    ready.publish("auth", "2.1.0")
    ready.sync()
    ready.tested("auth", "2.1.0")
    refused(ready, "no approval in the role 'qa'", auth="2.1.0")


def test_the_author_does_not_release_the_own_change(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    live.tested("auth", "2.0.0", "staging")
    own = "the author may not approve the own change"
    with live.unchanged(), pytest.raises(GateRefused, match=own):
        live.approve("auth", "2.0.0", "production", user="olle")
    manifest = live.state.manifest("auth", "2.0.0")
    approval = Approval(env="production", role="release-manager", manifest=manifest)
    live.by("olle").change(lambda state, draft: draft.note("auth", "2.0.0", approval), "written all the same")
    with live.unchanged(), pytest.raises(GateRefused, match=own):
        live.swap()
    live.approve("auth", "2.0.0", "production", user="rita")
    live.swap()


def test_lowering_is_refused_unless_it_is_said(ready: Shop) -> None:
    ready.promote(auth="2.0.0")
    caught = refused(ready, r"auth=1\.0\.0 is lower than 2\.0\.0", auth="1.0.0")
    assert "--downgrade auth" in caught.hint
    refused(ready, "is lower", auth="1.0.0", downgrade=("portal",))
    ready.promote(auth="1.0.0", downgrade=("auth",))
    assert ready.story("auth", "1.0.0", "pinned")[-1].downgrade is True


@pytest.mark.parametrize("by_hand", ["", "auth: 0.9.0"])
def test_a_version_below_productions_is_lowering_whatever_the_files_say(ready: Shop, by_hand: str) -> None:
    ready.to_staging(auth="3.0.0")
    ready.accepted(auth="3.0.0")
    ready.swap()
    ready.edited("environments/staging.yaml", by_hand)
    refused(ready, r"auth=2\.0\.0 is lower than 3\.0\.0, which (staging|production) has")
    ready.promote(auth="2.0.0", downgrade=("auth",))
    assert ready.story("auth", "2.0.0", "pinned")[-1].downgrade is True


def test_a_held_pin_is_not_promoted_over_until_its_last_day_is_over(ready: Shop) -> None:
    pinning.hold(ready.by("rita"), "auth", "staging", until=ready.now.date(), why="the fair")
    caught = refused(ready, r"auth is held at 1\.0\.0 in staging until 2026-11-23 by rita: the fair")
    assert caught.hint == "sluicegate unhold auth --in staging"
    ready.pass_time(timedelta(days=1))
    ready.promote(auth="2.0.0")
    assert ready.state.pins("staging")["auth"].hold is None


def test_comments_and_order_of_the_pins_survive_a_promotion(ready: Shop) -> None:
    text = "# ours\nportal: 1.0.0  # wait for OPS-3\n\n# the door\nauth: {}\n"
    ready.edited("environments/staging.yaml", text.format("'1.0.0'"))
    ready.promote(auth="2.0.0")
    assert ready.state.file("environments/staging.yaml") == text.format("2.0.0").encode()


def test_a_vetoed_version_is_not_promoted(ready: Shop) -> None:
    ready.veto("auth", "2.0.0", "staging")
    refused(ready, "vetoed from staging on by rita: bad")
    ready.veto("auth", "2.0.0", "staging", lift=True)
    ready.veto("auth", "2.0.0", "production")
    refused(ready, "vetoed from production on")


def test_a_dry_run_is_refused_alike_and_changes_nothing(ready: Shop) -> None:
    with ready.unchanged():
        (move,) = promote(ready.by("anna"), {"auth": "2.0.0"}, "staging", dry_run=True)
        assert move.after == "2.0.0"
    assert ready.pins("staging")["auth"] == "1.0.0"


def test_a_lowering_by_a_machine_whose_clock_is_late_is_the_last_word_too(ready: Shop) -> None:
    ready.promote(auth="2.0.0")
    now = ready.now
    ready.now -= timedelta(minutes=5)
    ready.promote(auth="1.0.0", downgrade=("auth",))
    ready.now = now
    ready.deploy("staging", end_sessions=True)
    last = ready.story("auth", "1.0.0", "pinned")[-1]
    assert (last.how, last.downgrade) == ("promote", True)


def test_who_is_not_first_decides_again_on_what_the_first_has_left(ready: Shop, tmp_path: Path) -> None:
    """A veto arrives from another clone between the decision and its push."""
    second_repo = ready.opened_by(Actor(user="rita", source="rita"), f"file://{ready.bare}", tmp_path / "cache")

    def meanwhile(name: str) -> None:
        if name == "git update-ref":
            door.watcher = None
            evidence.veto(second_repo, "auth", "2.0.0", "", lift=False, why="a hole")

    door.watcher = meanwhile
    with pytest.raises(GateRefused, match="vetoed by rita: a hole"):
        ready.promote(auth="2.0.0")
    second_repo.store.close()
    assert ready.pins("staging")["auth"] == "1.0.0"
    assert len(ready.story("auth", "2.0.0", "veto")) == 1


@pytest.mark.parametrize(("wanted", "message"), [({"aut": "1"}, "no component"), ({"auth": "9"}, "no version '9'")])
def test_unknown_names_are_told(live: Shop, wanted: dict[str, str], message: str) -> None:
    with live.unchanged(), pytest.raises(UsageError, match=message):
        live.promote(**wanted)


def test_in_place_where_there_is_no_parallel_side(live: Shop) -> None:
    live.promote("training", auth="1.0.0", portal="1.0.0")
    live.sync("training")
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0")
    live.sync("training")
    assert live.running("room1") == live.running("room2") == {"auth": "2.0.0", "portal": "1.0.0"}


def test_an_empty_run_is_no_evidence(live: Shop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "r.xml"
    path.write_text("<testsuites><testsuite name='a'/></testsuites>")
    with pytest.raises(Malformed, match="no evidence"):
        evidence.read_junit([path])


def test_junit_files_are_added_up_and_an_error_is_a_failure(tmp_path) -> None:  # type: ignore[no-untyped-def]
    body = "<testsuite timestamp='1'><testcase name='{0}'>{1}</testcase></testsuite>"
    contents = [
        body.format("a", ""),
        body.format("b", "<error/>"),
        body.format("c", "<skipped/>"),
        body.format("a", ""),
    ]
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"{number}.xml")
        paths[-1].write_text(content)
    run = evidence.read_junit(paths)
    assert (run.passed, run.failed, run.skipped) == (2, 1, 1)


def test_a_veto_is_lifted_only_where_one_stands(ready: Shop) -> None:
    with ready.unchanged(), pytest.raises(UsageError, match=r"auth=2\.0\.0 is not vetoed"):
        ready.veto("auth", "2.0.0", lift=True)
    ready.veto("auth", "2.0.0", "production")
    with ready.unchanged(), pytest.raises(UsageError, match="is vetoed from production on") as caught:
        ready.veto("auth", "2.0.0", lift=True)
    assert caught.value.hint == "sluicegate unveto auth=2.0.0 --in production"
    for _ in range(2):
        ready.veto("auth", "2.0.0", "production", lift=True)


def test_a_pin_that_was_set_back_by_hand_is_lowered_openly_all_the_same(again: Shop) -> None:
    """The file has the lower version already, and the ledger a promotion to it: neither says that it lowers."""
    again.pin_by_hand("staging", auth="1.0.0")
    again.promote("staging", downgrade=("auth",), auth="1.0.0")
    assert again.story("auth", "1.0.0", "pinned")[-1].downgrade is True


def test_the_author_may_reject_the_own_change(live: Shop) -> None:
    with live.unchanged(), pytest.raises(GateRefused, match="would not count"):
        live.approve("auth", "1.0.0", "production", "olle")
    live.reject("auth", "1.0.0", "production", "olle")
    assert live.kinds("auth", "1.0.0")[-1] == "rejection"


def test_an_approval_that_counts_for_one_of_two_gates_is_recorded(live: Shop) -> None:
    gate = b"{approval: {role: qa}}"
    assert CONFIG.count(gate) == 1
    live.edited("sluicegate.yaml", CONFIG.replace(gate, gate + b", {approval: {role: qa, not: author}}"))
    live.approve("auth", "1.0.0", "staging", "olle")  # the author
    assert live.kinds("auth", "1.0.0")[-1] == "approval"


def test_after_a_deploy_that_failed_no_tests_are_recorded(live: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host may be half-way: evidence still says 1.0.0, and nobody knows what a suite has seen."""

    def broken(*_: object) -> None:
        raise SluicegateError("the disk is full")

    live.publish("auth", "2.0.0")
    monkeypatch.setattr(live.drivers.deployers, "install", broken)
    with pytest.raises(SluicegateError, match="the disk is full"):
        live.sync()
    with live.unchanged(), pytest.raises(UsageError, match="nobody knows what was tested there"):
        live.tested("auth", "1.0.0")
