"""What keeps a waiting job from starting: its neighbours up and down the stream."""

from __future__ import annotations

import pytest

from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, shell, until, wait_for

TO_LOWER = "<hudson.tasks.BuildTrigger><childProjects>lower</childProjects></hudson.tasks.BuildTrigger>"


@pytest.mark.parametrize(
    ("flag", "busy", "waits", "reason"),
    [
        ("blockBuildWhenUpstreamBuilding", "upper", "lower", "Upstream project upper is already building."),
        ("blockBuildWhenDownstreamBuilding", "lower", "upper", "Downstream project lower is already building."),
    ],
)
def test_a_job_waits_for_its_busy_neighbour(runner: Runner, flag: str, busy: str, waits: str, reason: str) -> None:
    gate = runner.home.path / "gate"
    scripts = {busy: f"while test ! -e {gate}; do sleep 0.05; done", waits: f"test -e {gate}"}
    publishers = {"upper": TO_LOWER, "lower": ""}
    more = {busy: "", waits: f"<{flag}>true</{flag}>"}
    items = {
        name: runner.items.create("", name, shell(scripts[name], more=more[name], publishers=publishers[name]))
        for name in ("upper", "lower")
    }
    runner.trigger(items[busy], ADMIN, None, 0)
    until(lambda: items[busy].history.running)
    waiting = runner.trigger(items[waits], ADMIN, None, 0)
    until(lambda: runner.why(waiting) == ("Blocked", reason))
    gate.touch()
    record = wait_for(items[waits])
    assert record.result is not None and record.result.name == "SUCCESS"


def test_a_job_without_such_a_wish_starts_beside_its_neighbour(runner: Runner) -> None:
    gate = runner.home.path / "gate"
    script = f"while test ! -e {gate}; do sleep 0.05; done"
    upper = runner.items.create("", "upper", shell(script, publishers=TO_LOWER))
    lower = runner.items.create("", "lower", shell("true"))
    runner.trigger(upper, ADMIN, None, 0)
    until(lambda: upper.history.running)
    runner.trigger(lower, ADMIN, None, 0)
    wait_for(lower)
    assert upper.history.running
    gate.touch()
