"""Deploy and sync: a plan first, then intent, hosts, evidence; pins are gated however they came to be."""

from __future__ import annotations

import os
import socket
import threading

from sluicegate.delivery import pinning
from sluicegate.delivery.deploy import Plan, Step, deploy
from sluicegate.delivery.evidence import TestRun, record_tests, veto
from sluicegate.delivery.intents import Locked
from sluicegate.delivery.promote import promote
from sluicegate.delivery.repo import DeliveryRepo, Draft
from sluicegate.delivery.resume import resume
from sluicegate.delivery.state import State
from sluicegate.delivery.swap import begin, plan_forward, swap
from sluicegate.delivery.sync import sync
from sluicegate.errors import (
    ConfigError,
    Conflict,
    GateRefused,
    IntegrityError,
    PartlyDone,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from tests.delivery.world import PAIR, World, raising


def promoted(world: World, *versions: str) -> None:
    world.to_integration(*versions)
    promote(world.as_(), dict(one.split("=") for one in versions), "staging")


# the plan


def test_the_plan_names_each_change_of_each_host_in_the_order_of_needs(world: World) -> None:
    promoted(world, "portal=1.0.0", "auth=1.0.0")
    plan = deploy(world.as_(), "staging", dry_run=True)
    assert [str(step) for step in plan.steps] == [
        "app3: auth - -> 1.0.0", "app3: portal - -> 1.0.0", "app4: auth - -> 1.0.0", "app4: portal - -> 1.0.0",
    ]  # fmt: skip
    assert (plan.environment, plan.group) == ("staging", "green")


def test_a_dry_deploy_changes_nothing(world: World) -> None:
    promoted(world, "auth=1.0.0")
    before = world.tips()
    deploy(world.as_(), "staging", dry_run=True)
    assert world.tips() == before
    assert world.on("app3") == {}


def test_what_is_on_a_host_and_not_pinned_is_removed_dependents_first(world: World) -> None:
    world.publish("auth=1.0.0", "portal=1.0.0")
    world.sync()
    world.edit("environments/integration.yaml", "# nothing\n")
    plan = deploy(world.as_(), "integration")
    assert plan.steps == (
        Step(host="int1", component="portal", before="1.0.0", after=""),
        Step(host="int1", component="auth", before="1.0.0", after=""),
    )
    assert world.on("int1") == {}


def test_a_host_that_lost_something_is_mended_though_the_ledger_says_it_has_it(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.drivers.fake_host("int1").files.clear()
    deploy(world.as_(), "integration")
    assert world.on("int1") == {"auth": "1.0.0"}


def test_a_deploy_records_what_was_done_before_and_after(world: World) -> None:
    promoted(world, "auth=1.0.0")
    deploy(world.as_("ci"), "staging", why="the button")
    intent, deployed, done = world.chronicle("staging")
    assert (intent.what, intent.get("verb"), intent.get("target"), intent.get("why")) == (
        "intent", "deploy", {"auth": "1.0.0"}, "the button",
    )  # fmt: skip
    assert (deployed.what, deployed.get("group"), deployed.get("of")) == ("deployed", "green", intent.id)
    assert (done.what, done.get("of")) == ("done", intent.id)
    (record,) = [r for r in world.story("auth=1.0.0", "deployed") if r.get("env") == "staging"]
    assert record.get("set") == deployed.get("set") and record.get("of") == intent.id


def test_a_deploy_without_changes_writes_nothing(world: World) -> None:
    promoted(world, "auth=1.0.0")
    deploy(world.as_(), "staging")
    before = world.tips()
    assert deploy(world.as_(), "staging").steps == ()
    assert world.tips() == before


def test_an_environment_without_hosts_cannot_be_deployed(world: World) -> None:
    text = PAIR.replace("    hosts: int\n    deploy: {driver: fake}\n", "")
    world.edit("sluicegate.yaml", text)
    with raising(UsageError, "integration has no 'hosts' and 'deploy'"):
        deploy(world.as_(), "integration")


# what goes wrong


def test_a_host_that_is_down_changes_nothing_anywhere(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.drivers.fake_host("app4").down = True
    before = world.tips()
    with raising(RemoteUnavailable, "the host 'app4' is down"):
        deploy(world.as_(), "staging")
    assert world.tips() == before
    world.drivers.fake_host("app4").down = False
    assert world.on("app3") == world.on("app4") == {}


def test_a_failure_at_the_first_step_is_recorded_and_raised_as_it_is(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.drivers.the_deployer.silent.add("1.0.0")
    with raising(SluicegateError, "auth 1.0.0 did not answer") as failed:
        deploy(world.as_(), "staging")
    assert not isinstance(failed.value, PartlyDone)
    assert world.chronicle("staging", "failed")[0].get("why") == "auth 1.0.0 did not answer"
    assert not world.chronicle("staging", "deployed")


def test_what_was_done_before_a_failure_is_listed_and_the_next_deploy_does_the_rest(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.drivers.fake_host("app4").broken.add("auth")
    with raising(PartlyDone, "the service 'auth' ended at once\n  done: app3: auth - -> 1.0.0") as partly:
        deploy(world.as_(), "staging")
    assert partly.value.exit_code == 7
    assert world.state.effective(world.state.config.environment("staging")) is None
    world.drivers.fake_host("app4").broken.clear()
    assert [str(step) for step in deploy(world.as_(), "staging").steps] == ["app4: auth - -> 1.0.0"]
    assert world.on("app3") == world.on("app4") == {"auth": "1.0.0"}


def test_a_test_run_after_a_deploy_that_failed_halfway_is_no_evidence(world: World) -> None:
    world.to_staging("auth=1.0.0")
    promoted(world, "auth=1.1.0")
    world.drivers.fake_host("app4").broken.add("auth")
    with raising(PartlyDone):
        deploy(world.as_(), "staging")
    with raising(UsageError, "the last deploy to staging failed, so nobody knows what was tested there"):
        world.tests("auth=1.0.0", "staging", "acceptance")


def test_files_that_are_not_what_was_published_are_not_installed(world: World) -> None:
    world.publish("auth=1.0.0")
    world.drivers.repositories["releases"].files["auth", "1.0.0", "auth-1.0.0.tar.gz"] = b"changed"
    with raising(IntegrityError, "the SHA-256 is"):
        world.sync()
    assert world.on("int1") == {}


# locks


def test_an_open_intent_is_a_conflict_that_names_its_holder(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.begin("staging", "deploy", "rita", group="green", target={"auth": "1.0.0"})
    with raising(Conflict, "staging is locked: 'deploy' by rita since 2026-11-23 08:00:") as locked:
        deploy(world.as_(), "staging")
    assert "sluicegate resume" in locked.value.hint
    assert world.on("app3") == {}


def test_a_sync_that_waits_goes_on_when_the_environment_is_free(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.begin("staging", "deploy", "rita", group="green", target={"auth": "1.0.0"})
    other = world.open(f"file://{world.bare}")
    freed = threading.Timer(0.3, lambda: resume(world.as_("rita", store=other)))
    freed.start()
    sync(world.as_(), "staging", wait=60)
    freed.join()
    assert world.on("app3") == {"auth": "1.0.0"}


def test_a_sync_that_has_waited_long_enough_gives_up(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.begin("production", "swap", "rita", staging="staging")
    with raising(Locked, "production is locked"):
        sync(world.as_(), "staging", wait=0.1)


def test_pins_that_move_between_plan_and_intent_are_a_conflict(world: World) -> None:
    """Another's promotion arrives after the plan was made and before its intent is pushed."""
    promoted(world, "auth=1.0.0")
    world.to_integration("auth=1.1.0")
    repo, push = world.as_(), world.store.push
    moved: list[bool] = []

    def first(*words: object, **named: object) -> object:
        if not moved:
            moved.append(True)
            mirror = world.open(f"file://{world.bare}")
            promote(world.as_("rita", store=mirror), {"auth": "1.1.0"}, "staging")
        return push(*words, **named)  # type: ignore[arg-type]

    world.store.push = first  # type: ignore[method-assign, assignment]
    with raising(Conflict, "the pins of staging were changed meanwhile"):
        deploy(repo, "staging")
    assert world.pins("staging") == {"auth": "1.1.0"}
    assert world.on("app3") == {}


# pins that came by a commit


def test_a_pin_that_was_edited_by_hand_is_gated_when_it_is_deployed(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    world.edit("environments/staging.yaml", "auth: 1.0.0\n")
    with raising(GateRefused, "deploying auth=1.0.0 to staging is refused") as refused:
        world.sync("staging")
    assert [reason.split(": ")[1] for reason in refused.value.reasons] == ["tests regression", "approval qa"]
    assert world.on("app3") == {}
    world.tests("auth=1.0.0", "integration", "regression")
    world.approve("auth=1.0.0", "staging", "qa")
    world.sync("staging")
    assert world.on("app3") == {"auth": "1.0.0"}


def test_a_pin_that_was_edited_by_hand_is_explained_by_the_ledger_once_it_is_deployed(world: World) -> None:
    world.to_integration("auth=1.0.0")
    world.edit("environments/staging.yaml", "auth: 1.0.0  # by hand\n")
    tip = world.tips()["main"]
    world.sync("staging")
    (pinned,) = [r for r in world.story("auth=1.0.0", "pinned") if r.get("env") == "staging"]
    assert (pinned.get("how"), pinned.get("commit")) == ("commit", tip)


def test_a_pin_that_came_back_by_hand_is_recorded_again(world: World) -> None:
    promoted(world, "auth=1.0.0")
    promoted(world, "auth=1.1.0")
    world.edit("environments/staging.yaml", "auth: 1.0.0\n")
    world.sync("staging")
    pinned = [r for r in world.story("auth=1.0.0", "pinned") if r.get("env") == "staging"]
    assert [r.get("how") for r in pinned] == ["promote", "commit"]


def test_a_veto_between_promotion_and_deploy_is_heard(world: World) -> None:
    promoted(world, "auth=1.0.0")
    veto(world.as_("anna"), "auth", "1.0.0", "staging", lift=False, why="a hole")
    with raising(GateRefused, "vetoed from staging on by anna: a hole"):
        world.sync("staging")


def test_a_pin_file_with_a_mistake_is_told_with_its_line(world: World) -> None:
    world.edit("environments/staging.yaml", "# pins\nauht: 1.0.0\n")
    with raising(ConfigError, "no component is called 'auht'"):
        world.sync("staging")
    world.edit("environments/staging.yaml", "auth: 1.0.0\nauth: 1.1.0\n")
    with raising(ConfigError, "environments/staging.yaml:2: the key 'auth' stands twice (first in line 1)"):
        world.sync("staging")


# tests that are recorded


def test_only_what_an_environment_has_can_be_tested_there(world: World) -> None:
    world.publish("auth=1.0.0")
    run = TestRun(passed=20, failed=0, skipped=0, digest="a" * 64)
    with raising(UsageError, "auth=1.0.0 is not deployed in integration (it has none), so nothing was tested"):
        record_tests(world.as_(), "auth", "1.0.0", "integration", "regression", run)
    world.sync()
    world.publish("auth=1.1.0")
    with raising(UsageError, "(it has 1.0.0)"):
        record_tests(world.as_(), "auth", "1.1.0", "integration", "regression", run)


# what an installation starts


def with_after(world: World, command: str) -> None:
    """Integration starts a command after each deploy."""
    world.edit("sluicegate.yaml", PAIR.replace("follow: latest", f"follow: latest\n    after: {{suite: {command}}}"))


def test_an_installation_starts_what_comes_after_it_for_what_has_changed(world: World) -> None:
    out = world.folder / "started"
    with_after(world, f'{{command: [sh, -c, "echo {{component}} $SLUICEGATE_VERSION $AUTH_URL >> {out}"]}}')
    world.publish("auth=1.0.0", "portal=1.0.0")
    assert not world.sync(wait=1).failed
    assert out.read_text().splitlines() == [
        "auth 1.0.0 http://int1.invalid/auth", "portal 1.0.0 http://int1.invalid/auth",
    ]  # fmt: skip
    world.publish("portal=1.1.0")
    world.sync(wait=1)
    assert out.read_text().splitlines()[2:] == ["portal 1.1.0 http://int1.invalid/auth"]
    assert [r.get("suite") for r in world.story("auth=1.0.0", "started")] == ["suite"]


def test_a_suite_that_fails_is_told_and_the_deploy_stands(world: World) -> None:
    with_after(world, "{command: [sh, -c, 'exit 1']}")
    world.publish("auth=1.0.0")
    synced = world.sync(wait=1)
    assert [str(one) for one in synced.failed] == ["suite of auth=1.0.0"]
    assert world.on("int1") == {"auth": "1.0.0"}


# resume


def test_resume_finishes_a_deploy_that_died_halfway(world: World) -> None:
    promoted(world, "auth=1.0.0")
    world.begin("staging", "deploy", "rita", group="green", target={"auth": "1.0.0"})
    world.put_on("app3", auth="1.0.0")
    (one,) = resume(world.as_("anna"))
    assert (one.environment, one.verb, one.outcome) == ("staging", "deploy", "finished")
    assert world.on("app3") == world.on("app4") == {"auth": "1.0.0"}
    assert not world.state.open_intents(world.state.config.environment("staging"))
    assert deploy(world.as_(), "staging").steps == ()


def test_resume_undoes_a_swap_that_the_balancer_has_not_made(world: World) -> None:
    world.to_staging("auth=1.0.0")
    begin_swap(world)
    (one,) = resume(world.as_("rita"))
    assert one.outcome == "undone"
    assert world.state.servers["production"] == world.drivers.the_balancer.group == "blue"
    assert world.pins("production") == {}
    swap(world.as_("rita"), "production")


def test_resume_finishes_a_swap_that_the_balancer_has_made(world: World) -> None:
    world.to_staging("auth=1.0.0")
    begin_swap(world)
    world.drivers.the_balancer.switch("green", keep_sessions=True)
    (one,) = resume(world.as_("rita"))
    assert one.outcome == "finished"
    assert world.pins("production") == {"auth": "1.0.0"}
    assert world.state.servers["production"] == "green"
    assert len(world.chronicle("production", "swap")) == 1


def begin_swap(world: World) -> None:
    """A swap that died after its intent."""

    def decide(state: State, draft: Draft) -> None:
        begin(draft, plan_forward(state, "production"), "the sprint is over")

    world.as_("rita").change(decide, "swap production: begin")


def test_a_dry_resume_tells_what_is_open_and_leaves_it_so(world: World) -> None:
    world.begin("staging", "deploy", "rita", group="green", target={})
    assert [one.outcome for one in resume(world.as_(), dry_run=True)] == ["open"]
    assert world.state.open_intents(world.state.config.environment("staging"))
    resume(world.as_())
    assert resume(world.as_()) == ()


def test_what_is_still_at_work_on_this_machine_is_not_taken_over(world: World) -> None:
    facts = {"verb": "deploy", "host": socket.gethostname(), "pid": os.getppid()}
    world.as_("rita").change(lambda state, draft: draft.note_environment("staging", "intent", **facts), "begin")
    with raising(Conflict, "'deploy' by rita") as busy:
        resume(world.as_())
    assert "is still at work" in busy.value.message


# several writers


def test_who_was_not_first_decides_again_on_what_the_first_has_left(world: World) -> None:
    """A veto arrives between a promotion's decision and its push: the promotion is refused."""
    world.to_integration("auth=1.0.0")
    push, vetoed = world.store.push, []

    def second(*words: object, **named: object) -> object:
        if not vetoed:
            vetoed.append(True)
            mirror = world.open(f"file://{world.bare}")
            veto(world.as_("anna", store=mirror), "auth", "1.0.0", "", lift=False, why="a hole")
        return push(*words, **named)  # type: ignore[arg-type]

    world.store.push = second  # type: ignore[method-assign, assignment]
    with raising(GateRefused, "vetoed by anna: a hole"):
        promote(world.as_(), {"auth": ""}, "staging")
    assert world.pins("staging") == {}
    assert len(world.story("auth=1.0.0", "veto")) == 1


def test_writers_from_several_clones_lose_nothing(world: World) -> None:
    world.publish("auth=1.0.0")
    stores = [world.open(where) for where in [str(world.bare), f"file://{world.bare}"] * 2]
    repos = [world.as_(f"user{number}", store=store) for number, store in enumerate(stores)]

    def work(repo: DeliveryRepo) -> None:
        for environment in ("", "integration", "staging"):
            veto(repo, "auth", "1.0.0", environment, lift=False, why=repo.actor.user)

    threads = [threading.Thread(target=work, args=(repo,)) for repo in repos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = {(r.get("why"), r.get("env")) for r in world.story("auth=1.0.0", "veto")}
    assert len(said) == 12


def test_an_answer_reads_one_moment_even_when_the_repo_moves_on(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    state: State = world.state
    pinning.hold(world.as_(), "auth", "integration", until=None, why="")
    assert state.pins("integration")["auth"].hold is None
    assert isinstance(deploy(world.as_(), "integration"), Plan)
