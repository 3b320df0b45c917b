"""Deploying what the pins say, and pins that came by a commit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.delivery.book import intents
from sluicegate.delivery.changes import applying
from sluicegate.delivery.moves import pinning
from sluicegate.errors import (
    Conflict,
    GateRefused,
    IntegrityError,
    PartlyDone,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from tests.worlds import CONFIG, Shop


@pytest.fixture
def pinned(live: Shop) -> Shop:
    """auth 2.0.0 is promoted to training (two hosts), which has nothing yet, and not deployed."""
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0", portal="1.0.0")
    return live


def test_the_plan_comes_first_and_changes_nothing(pinned: Shop) -> None:
    with pinned.unchanged():
        plan = pinned.deploy("training", dry_run=True)
    assert [str(step) for step in plan.steps] == [
        "room1: auth - -> 2.0.0",
        "room1: portal - -> 1.0.0",
        "room2: auth - -> 2.0.0",
        "room2: portal - -> 1.0.0",
    ]


def test_48_a_deploy_writes_its_intent_before_and_evidence_after(pinned: Shop) -> None:
    pinned.deploy("training")
    assert [r.what for r in pinned.chronicle("training")] == ["intent", "deployed", "done"]
    intent, deployed, done = pinned.chronicle("training")
    assert done.of == deployed.of == intent.id
    assert pinned.state.effective(pinned.state.config.environment("training")).set_name == deployed.set  # type: ignore[union-attr]
    assert pinned.story("auth", "2.0.0")[-1].env == "training"


def test_a_host_that_is_down_changes_nothing_at_all(pinned: Shop) -> None:
    pinned.drivers.hosts["room2"].down = True
    tips = pinned.tips
    with pytest.raises(RemoteUnavailable, match="'room2' is down"):
        pinned.deploy("training")
    assert (pinned.running("room1"), pinned.tips) == ({}, tips)


def test_a_deployer_that_is_down_changes_nothing_at_all(pinned: Shop) -> None:
    pinned.drivers.deployers.down = True
    with pinned.unchanged(), pytest.raises(RemoteUnavailable):
        pinned.deploy("training")


def test_what_breaks_in_the_middle_is_partly_done_and_listed(pinned: Shop) -> None:
    pinned.drivers.hosts["room2"].broken.add("auth")
    with pytest.raises(PartlyDone) as caught:
        pinned.deploy("training")
    assert "the service 'auth' ended at once" in caught.value.message
    assert "done: room1: auth - -> 2.0.0" in caught.value.message and "room2: auth" not in caught.value.message
    assert [r.what for r in pinned.chronicle("training")] == ["intent", "failed"]
    assert "deployed" not in [r.what for r in pinned.story("auth", "2.0.0") if getattr(r, "env", "") == "training"]


def test_what_breaks_at_once_is_failed_and_not_partly_done(pinned: Shop) -> None:
    pinned.drivers.hosts["room1"].broken.add("auth")
    with pytest.raises(SluicegateError) as caught:
        pinned.deploy("training")
    assert caught.value.exit_code == 1


def test_a_failed_deploy_does_not_block_the_next_which_does_the_rest(pinned: Shop) -> None:
    pinned.drivers.hosts["room2"].broken.add("auth")
    with pytest.raises(PartlyDone):
        pinned.deploy("training")
    pinned.drivers.hosts["room2"].broken.clear()
    plan = pinned.deploy("training")
    assert {step.host for step in plan.steps} == {"room2"}
    assert pinned.running("room2") == {"auth": "2.0.0", "portal": "1.0.0"}


def test_what_is_tested_after_a_deploy_that_failed_halfway_is_no_evidence(pinned: Shop) -> None:
    pinned.deploy("training")
    pinned.to_integration(auth="3.0.0")
    pinned.promote("training", auth="3.0.0")
    pinned.drivers.hosts["room2"].broken.add("auth")
    with pytest.raises(PartlyDone):
        pinned.deploy("training")
    with pinned.unchanged(), pytest.raises(UsageError, match="the last deploy to training failed"):
        pinned.tested("auth", "2.0.0", "training", suite="smoke")


def test_files_that_are_not_what_was_published_are_not_installed(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.drivers.releases.files["auth", "2.0.0", "auth-2.0.0.tar.gz"] = b"changed"
    with pytest.raises(IntegrityError, match="the SHA-256 is"):
        live.sync()
    assert live.running("int1")["auth"] == "1.0.0"


def test_what_is_on_a_host_and_not_pinned_goes_dependents_first(live: Shop) -> None:
    live.edited("environments/integration.yaml", "# nothing\n")
    with live.unchanged(), pytest.raises(GateRefused, match="would lose auth, portal on every host") as refused:
        live.deploy("integration")
    assert refused.value.reasons == ("int1: remove portal 1.0.0", "int1: remove auth 1.0.0")
    assert "sluicegate deploy integration --remove" in refused.value.hint
    with live.unchanged(), pytest.raises(GateRefused, match="nobody unpinned it"):
        live.deploy("integration", dry_run=True)
    plan = live.deploy("integration", remove=True)
    assert [str(step) for step in plan.steps] == ["int1: remove portal 1.0.0", "int1: remove auth 1.0.0"]
    assert live.running("int1") == {}


def test_what_left_every_host_is_on_record_and_leaves_again_without_a_word(live: Shop) -> None:
    live.edited("environments/integration.yaml", "auth: 1.0.0\n")
    live.deploy("integration", remove=True)
    assert live.story("portal", "1.0.0", "unpinned")[-1].how == "commit"
    live.drivers.hosts["int1"].files["apps/portal/current"] = b"1.0.0\nsomebody put it back"
    assert [str(step) for step in live.deploy("integration").steps] == ["int1: remove portal 1.0.0"]


def test_what_was_unpinned_leaves_every_host(live: Shop) -> None:
    pinning.unpin(live.by("olle"), "portal", "integration", why="")
    assert [str(step) for step in live.deploy("integration").steps] == ["int1: remove portal 1.0.0"]


def test_a_locked_environment_is_a_conflict_that_names_the_holder_and_since_when(pinned: Shop) -> None:
    since = f"{pinned.now:%Y-%m-%d %H:%M:%S} UTC"
    pinned.begin("training", "deploy")
    with pinned.unchanged(), pytest.raises(Conflict) as caught:
        pinned.deploy("training")
    assert f"'deploy' by berta since {since} (process" in caught.value.message
    assert "sluicegate resume" in caught.value.hint


def test_a_lock_of_staging_locks_production_and_the_other_way_round(live: Shop) -> None:
    live.begin("staging", "deploy")
    with live.unchanged(), pytest.raises(Conflict, match="staging is locked"):
        live.swap()
    live.to_integration(auth="2.0.0")


def test_a_swap_at_work_locks_deploys_pins_and_promotions_of_its_staging(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.approve("auth", "2.0.0")
    live.begin("production", "swap")
    for attempt in (
        lambda: live.deploy("staging"),
        lambda: live.promote(auth="2.0.0"),
        lambda: pinning.pin(live.by("anna"), "auth", "2.0.0", "staging", why=""),
        lambda: pinning.unpin(live.by("anna"), "auth", "staging", why=""),
        lambda: live.rollback(),
    ):
        with live.unchanged(), pytest.raises(Conflict, match="production is locked: 'swap' by berta"):
            attempt()


def test_sync_waits_for_a_locked_environment(pinned: Shop) -> None:
    pinned.begin("training", "deploy")
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        if len(attempts) == 2:
            (held,) = pinned.state.open_intents(pinned.state.config.environment("training"))
            pinned.by("berta").change(lambda state, draft: intents.end(draft, "training", held.record), "end")
        pinned.deploy("training")

    intents.until_free(attempt, 10)
    assert pinned.running("room1")["auth"] == "2.0.0"
    assert len(attempts) == 2


def test_a_sync_that_has_waited_long_enough_gives_up(pinned: Shop) -> None:
    pinned.begin("training", "swap")
    with pinned.unchanged(), pytest.raises(Conflict, match="training is locked"):
        pinned.sync("training", wait=0.1)


def test_pins_that_change_while_a_deploy_begins_are_a_conflict(pinned: Shop) -> None:
    repo = pinned.by("ci")
    change = repo.change

    def late(*words, **options):  # type: ignore[no-untyped-def]
        repo.change = change  # type: ignore[method-assign]
        pinned.pin_by_hand("training", auth="1.0.0")
        return change(*words, **options)

    repo.change = late  # type: ignore[method-assign, assignment]
    with pytest.raises(Conflict, match="the pins of training were changed meanwhile"):
        pinned.deploy("training")
    assert pinned.running("room1") == {}


def test_a_pin_commit_by_hand_passes_the_gates_or_is_not_deployed(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.pin_by_hand("staging", auth="2.0.0")
    live.pass_time(timedelta(hours=1))
    with live.unchanged(), pytest.raises(GateRefused, match=r"deploying auth=2\.0\.0 to staging is refused"):
        live.sync("staging")
    live.sync()
    live.tested("auth", "2.0.0")
    live.approve("auth", "2.0.0")
    live.sync("staging")
    assert live.running("blue1")["auth"] == "2.0.0"
    assert [r.how for r in live.story("auth", "2.0.0", "pinned")] == ["follow", "commit"]


def test_a_pin_commit_of_a_vetoed_version_is_not_deployed_to_integration(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.veto("auth", "2.0.0")
    live.pin_by_hand("integration", auth="2.0.0")
    with pytest.raises(GateRefused, match="vetoed by rita"):
        live.deploy("integration")


def test_a_veto_between_promotion_and_deploy_is_heard(pinned: Shop) -> None:
    pinned.veto("auth", "2.0.0", "training")
    with pinned.unchanged(), pytest.raises(GateRefused, match="vetoed from training on by rita: bad"):
        pinned.deploy("training")


def test_a_pin_commit_of_an_unknown_version_is_a_mistake(live: Shop) -> None:
    live.pin_by_hand("training", auth="9.9.9")
    with live.unchanged(), pytest.raises(UsageError, match=r"no version '9\.9\.9'"):
        live.sync("training")


def test_pins_of_a_swapping_production_are_not_moved_by_a_commit(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    live.accepted(auth="2.0.0")
    live.pin_by_hand("production", auth="2.0.0")
    with live.unchanged(), pytest.raises(UsageError, match="production swaps with staging"):
        live.deploy("production")
    assert live.users_reach()["auth"] == "1.0.0"


def test_a_pin_set_back_by_a_commit_and_never_deployed_is_on_record_too(again: Shop) -> None:
    """The idle group still runs auth 1.0.0: there is nothing to deploy, but something to write down."""
    again.pass_time(timedelta(hours=1))
    again.pin_by_hand("staging", auth="1.0.0")
    again.sync("staging")
    assert again.story("auth", "1.0.0", "pinned")[-1].how == "commit"


def test_a_version_edited_back_by_hand_is_not_swapped_in_unasked(again: Shop) -> None:
    """It had been lowered openly once, and has all its evidence; that was another time."""
    again.pass_time(timedelta(hours=1))
    again.promote(auth="1.0.0", downgrade=("auth",))
    again.sync("staging")
    again.accepted(auth="1.0.0")
    again.swap()
    assert again.users_reach()["auth"] == "1.0.0"
    again.pass_time(timedelta(hours=1))
    again.promote(auth="2.0.0")
    again.sync("staging")
    again.accepted(auth="2.0.0")
    again.swap()
    again.pass_time(timedelta(hours=1))
    again.pin_by_hand("staging", auth="1.0.0")
    again.sync("staging")
    with again.unchanged(), pytest.raises(GateRefused, match=r"auth=1\.0\.0 is lower than 2\.0\.0") as caught:
        again.swap()
    assert "--downgrade auth" in caught.value.hint
    again.promote(auth="1.0.0", downgrade=("auth",))
    again.swap()
    assert again.users_reach()["auth"] == "1.0.0"


def test_a_service_lost_on_a_host_comes_back_with_the_next_deploy(live: Shop) -> None:
    live.drivers.hosts["green2"].files.clear()
    live.deploy("production")
    assert live.running("green2") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_an_environment_without_hosts_cannot_be_deployed_to(shop: Shop) -> None:
    shop.edited("sluicegate.yaml", CONFIG.replace(b"    hosts: rooms\n", b""))
    with pytest.raises(UsageError, match="no 'hosts'"):
        shop.deploy("training")


def test_a_damaged_file_among_several_is_found_before_the_first_host_is_touched(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.publish("portal", "2.0.0")
    live.drivers.releases.files["portal", "2.0.0", "portal-2.0.0.tar.gz"] = b"changed"
    before = live.running("int1")
    with pytest.raises(IntegrityError, match="the SHA-256 is"):
        live.sync()
    assert live.running("int1") == before


def test_hosts_that_were_changed_though_nothing_could_be_written_are_listed(
    pinned: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*words: object) -> None:
        raise RemoteUnavailable("the network is gone")

    with monkeypatch.context() as patch:
        patch.setattr(applying, "record_deployed", gone)
        with pytest.raises(
            PartlyDone, match=r"could not be written down: the network is gone\n  done: room1: "
        ) as caught:
            pinned.deploy("training")
    assert "sluicegate resume" in caught.value.hint
    assert [resumed.outcome for resumed in pinned.resume()] == ["finished"]
