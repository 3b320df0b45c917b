"""status, explain, history, flow: what they answer."""

from __future__ import annotations

from datetime import timedelta

from sluicegate.delivery import pinning
from sluicegate.delivery.evidence import veto
from sluicegate.delivery.explain import explain
from sluicegate.delivery.flow import flow
from sluicegate.delivery.history import history
from sluicegate.delivery.promote import promote
from sluicegate.delivery.publish import Origin, publish
from sluicegate.delivery.status import Cell, status
from sluicegate.delivery.swap import swap
from sluicegate.errors import UsageError
from tests.delivery.world import World, raising

# status


def test_status_shows_desired_and_effective_versions_of_every_environment(world: World) -> None:
    world.to_production("auth=1.0.0")
    world.to_integration("auth=1.1.0")
    promote(world.as_(), {"auth": ""}, "staging")
    found = status(world.state)
    assert found.newest == {"auth": "1.1.0", "portal": ""}
    assert found.cells["auth"] == {
        "integration": Cell(pin="1.1.0", effective="1.1.0", marks=()),
        "staging": Cell(pin="1.1.0", effective="", marks=("not deployed",)),
        "production": Cell(pin="1.0.0", effective="1.0.0", marks=()),
    }
    assert found.cells["portal"]["staging"] == Cell(pin="", effective="", marks=())
    assert [(c.name, c.group) for c in found.columns] == [
        ("integration", "int"), ("staging", "blue"), ("production", "green"),
    ]  # fmt: skip


def test_status_marks_what_is_held_vetoed_and_locked(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    pinning.hold(world.as_(), "auth", "integration", until=None, why="")
    veto(world.as_(), "auth", "1.0.0", "", lift=False, why="")
    world.begin("production", "swap", "rita")
    found = status(world.state)
    assert found.cells["auth"]["integration"].marks == ("held", "vetoed")
    assert [c.locked[:16] for c in found.columns] == ["", "", "'swap' by rita s"]


def test_status_of_an_empty_repo_is_empty_and_not_an_error(world: World) -> None:
    shown = status(world.state).json()
    assert [one["name"] for one in shown["components"]] == ["auth", "portal"]
    assert shown["components"][0]["environments"]["staging"] == {"pin": "", "effective": "", "marks": []}


# explain


def test_explain_leads_a_version_from_publish_to_production_by_its_own_next_commands(world: World) -> None:
    """Whoever does what it says arrives."""
    world.publish("auth=1.0.0")
    said = []
    for act in (
        lambda: world.sync(),
        lambda: world.tests("auth=1.0.0", "integration", "regression"),
        lambda: world.approve("auth=1.0.0", "staging", "qa"),
        lambda: promote(world.as_(), {"auth": "1.0.0"}, "staging"),
        lambda: world.sync("staging"),
        lambda: world.tests("auth=1.0.0", "staging", "acceptance"),
        lambda: world.approve("auth=1.0.0", "production", "release-manager"),
        lambda: swap(world.as_(), "production"),
    ):
        said.append(explain(world.state, "auth", "", "").next_command.removeprefix("sluicegate "))
        act()
    assert said == [
        "sync integration",
        "record tests auth=1.0.0 --in integration --suite regression --junit FILE",
        "approve auth=1.0.0 --to staging --as qa",
        "promote auth=1.0.0 --to staging",
        "sync staging",
        "record tests auth=1.0.0 --in staging --suite acceptance --junit FILE",
        "approve auth=1.0.0 --to production --as release-manager",
        "swap production",
    ]
    arrived = explain(world.state, "auth", "", "production")
    assert arrived.arrived and arrived.next_command == ""


def test_explain_tells_every_condition_with_who_can_help(world: World) -> None:
    world.to_integration("auth=1.0.0")
    found = explain(world.state, "auth", "1.0.0", "production")
    assert [(v.gate, v.state) for v in found.unmet] == [
        ("deployed in staging", "waiting"), ("tests acceptance", "waiting"), ("approval release-manager", "waiting"),
    ]  # fmt: skip
    assert found.unmet[2].who_can_help == "rita, olle"
    assert found.runs_in == ("integration",)


def test_explain_tells_of_holds_higher_versions_locks_and_vetoes(world: World) -> None:
    world.to_staging("auth=1.0.0")
    world.to_staging("auth=1.1.0")
    pinning.hold(world.as_("rita"), "auth", "staging", until=None, why="the fair")
    veto(world.as_("anna"), "auth", "1.0.0", "", lift=False, why="a hole")
    world.begin("staging", "deploy", "olle")
    found = {v.gate: v for v in explain(world.state, "auth", "1.0.0", "staging").unmet}
    assert found["hold"].reason == "auth is held at 1.1.0: the fair"
    assert found["order"].reason == "staging has the higher version 1.1.0"
    assert "'deploy' by olle" in found["lock"].reason
    assert found["veto"].reason == "vetoed by anna: a hole"
    assert found["veto"].command == "sluicegate unveto auth=1.0.0"


def test_explain_and_promote_say_the_same(world: World) -> None:
    world.publish("auth=1.0.0")
    world.sync()
    for act in (
        lambda: world.tests("auth=1.0.0", "integration", "regression", failed=1),
        lambda: world.tests("auth=1.0.0", "integration", "regression"),
        lambda: world.reject("auth=1.0.0", "staging", "qa"),
        lambda: world.approve("auth=1.0.0", "staging", "qa"),
    ):
        act()
        unmet = explain(world.state, "auth", "1.0.0", "staging").unmet
        try:
            promote(world.as_(), {"auth": "1.0.0"}, "staging", dry_run=True)
            refused = False
        except Exception:
            refused = True
        assert refused == bool(unmet)


# history


def test_history_tells_the_story_of_a_component_newest_first(world: World) -> None:
    world.to_production("auth=1.0.0")
    entries = history(world.state, "auth")
    assert [entry.record.what for entry in reversed(entries)] == [
        "built", "pinned", "deployed", "tests", "approval", "pinned", "deployed", "tests", "approval", "pinned",
        "deployed",
    ]  # fmt: skip
    assert {entry.subject for entry in entries} == {"auth=1.0.0"}
    assert entries[0].summary() == "deployed in production on green"


def test_history_of_an_environment_tells_its_swaps_and_deploys(world: World) -> None:
    world.to_production("auth=1.0.0")
    summaries = [entry.summary() for entry in history(world.state, "production")]
    assert summaries == ["done", "swap: blue -> green", "swap begun"]
    everything = history(world.state)
    assert len(everything) > len(history(world.state, "auth")) + 3
    times = [entry.record.at for entry in everything]
    assert times == sorted(times, reverse=True)


def test_history_of_an_unknown_name_is_a_usage_error(world: World) -> None:
    with raising(UsageError, "no component or environment is called 'atuh'. Did you mean 'auth'?"):
        history(world.state, "atuh")


# flow


def test_flow_measures_from_commit_to_the_first_tests(world: World) -> None:
    committed = world.now
    world.later(minutes=2)
    started = world.now
    world.later(minutes=3)
    origin = Origin(commit="c" * 40, author="nils", committed=committed, build_started=started)
    publish(world.as_(), "auth", "1.0.0", [world.file("auth", "1.0.0")], origin)
    world.sync()
    world.later(minutes=4)
    world.tests("auth=1.0.0", "integration", "regression")
    world.later(minutes=50)
    world.tests("auth=1.0.0", "integration", "regression", passed=30)
    found = flow(world.state, "auth")
    build, deploy_, tests = found.stages
    assert build.waited == timedelta(minutes=2)
    assert build.worked is not None and timedelta(minutes=3) <= build.worked < timedelta(minutes=4)
    assert deploy_.waited is not None and deploy_.waited < timedelta(minutes=1)
    assert tests.worked is not None and timedelta(minutes=4) <= tests.worked < timedelta(minutes=5)
    assert found.total is not None and timedelta(minutes=9) < found.total < timedelta(minutes=10)
    assert found.bottleneck is build
    assert found.objective == timedelta(minutes=15)


def test_what_is_not_recorded_is_unknown_and_never_zero(world: World) -> None:
    world.publish("auth=1.0.0")
    found = flow(world.state, "auth").json()
    assert found["total"] is None and found["bottleneck"] is None
    assert all(stage["waited"] is None and stage["worked"] is None for stage in found["stages"])
