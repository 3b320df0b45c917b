"""A job step that runs again writes nothing twice; what happens again is written again."""

from __future__ import annotations

from sluicegate.delivery import pinning
from sluicegate.delivery.evidence import TestRun, judge, record_tests, veto
from sluicegate.delivery.promote import promote
from sluicegate.delivery.publish import Origin, publish
from sluicegate.delivery.swap import swap
from sluicegate.delivery.sync import sync
from tests.delivery.world import World

BUILD = "http://ci.invalid/job/step/17/"


def test_approve_reject_approve_is_three_records(world: World) -> None:
    world.publish("auth=1.0.0")
    for approve in (True, False, True):
        judge(world.as_("anna", BUILD), "auth", "1.0.0", "staging", "qa", approve=approve, why="")
    words = [r for r in world.story("auth=1.0.0") if r.what in ("approval", "rejection")]
    assert [r.what for r in words] == ["approval", "rejection", "approval"]
    assert len({r.id for r in words}) == 3
    assert [r.after for r in words[1:]] == [r.id for r in words[:2]]


def test_each_step_of_the_way_run_again_in_the_same_build_leaves_the_repo_as_it_is(world: World) -> None:
    file = world.file("auth", "1.0.0")
    run = TestRun(passed=20, failed=0, skipped=0, digest="a" * 64)
    steps = (
        lambda: publish(world.as_("ci", BUILD), "auth", "1.0.0", [file], Origin(commit="c" * 40, author="nils")),
        lambda: sync(world.as_("ci", BUILD), "integration"),
        lambda: record_tests(world.as_("ci", BUILD), "auth", "1.0.0", "integration", "regression", run),
        lambda: judge(world.as_("anna", BUILD), "auth", "1.0.0", "staging", "qa", approve=True, why=""),
        lambda: promote(world.as_("olle", BUILD), {"auth": "1.0.0"}, "staging"),
        lambda: sync(world.as_("ci", BUILD), "staging"),
        lambda: record_tests(world.as_("ci", BUILD), "auth", "1.0.0", "staging", "acceptance", run),
        lambda: judge(world.as_("rita", BUILD), "auth", "1.0.0", "production", "release-manager", approve=True, why=""),
        lambda: swap(world.as_("rita", BUILD), "production"),
        lambda: veto(world.as_("anna", BUILD), "auth", "1.0.0", "", lift=False, why="a hole"),
        lambda: pinning.hold(world.as_("anna", BUILD), "auth", "staging", until=None, why="the fair"),
    )
    for number, step in enumerate(steps):
        step()
        before = world.tips()
        step()
        assert world.tips() == before, f"step {number} wrote twice"


def test_a_pin_that_is_set_again_in_the_same_build_stays_one_record(world: World) -> None:
    world.publish("auth=1.0.0", "auth=1.1.0")
    world.sync()
    pinning.pin(world.as_("olle", BUILD), "auth", "1.0.0", "integration", why="")
    before = world.tips()
    pinning.pin(world.as_("olle", BUILD), "auth", "1.0.0", "integration", why="")
    assert world.tips() == before
    assert world.state.pins("integration")["auth"].hold is not None


def test_a_pin_that_comes_back_is_recorded_again_though_everything_about_it_is_the_same(world: World) -> None:
    world.to_integration("auth=1.0.0")
    world.to_integration("auth=1.1.0")
    git_user = "git:olle <olle@example.com>"
    for version in ("1.0.0", "1.1.0", "1.0.0", "1.1.0"):
        promote(world.as_("olle", git_user), {"auth": version}, "staging", downgrade=["auth"])
    for version in ("1.0.0", "1.1.0"):
        pinned = [r for r in world.story(f"auth={version}", "pinned") if r.get("env") == "staging"]
        assert len(pinned) == 2


def test_hold_unhold_hold_is_three_records(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    git_user = "git:olle <olle@example.com>"
    pinning.hold(world.as_("olle", git_user), "auth", "integration", until=None, why="the fair")
    pinning.unhold(world.as_("olle", git_user), "auth", "integration", why="")
    pinning.hold(world.as_("olle", git_user), "auth", "integration", until=None, why="the fair")
    assert [r.what for r in world.story("auth=1.0.0") if "held" in r.what] == ["held", "unheld", "held"]


def test_the_same_report_recorded_again_is_one_run_and_another_report_is_another(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    for digest in ("a", "a", "b", "a"):
        run = TestRun(passed=20, failed=0, skipped=0, digest=digest * 64)
        record_tests(world.as_("olle", "git:olle"), "auth", "1.0.0", "integration", "regression", run)
    assert [r.by.source[:7] for r in world.story("auth=1.0.0", "tests")] == ["junit:a", "junit:b", "junit:a"]
