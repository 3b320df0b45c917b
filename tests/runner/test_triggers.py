"""Timers and third parties' steps."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from importlib import metadata

import pytest

from sluicegate.runner.build import Build
from sluicegate.runner.elements import catalogue
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from tests.runner.conftest import ADMIN, build, shell, wait_for

NIGHTLY = "<triggers><hudson.triggers.TimerTrigger><spec>30 2 * * 1-5</spec></hudson.triggers.TimerTrigger></triggers>"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def test_a_timer_starts_its_job_in_its_minute_only(runner: Runner) -> None:
    item = runner.items.create("", "nightly", shell("true", more=NIGHTLY))
    triggers = Triggers(runner)
    for minute in ("2026-11-23T02:29", "2026-11-22T02:30", "2026-11-23T02:31"):
        triggers.tick(at(minute))
    assert not runner.queue.items() and item.history.last() is None
    triggers.tick(at("2026-11-23T02:30"))
    assert wait_for(item).causes[0].kind == "timer"


def test_a_disabled_job_is_not_started_by_its_timer(runner: Runner) -> None:
    runner.items.create("", "nightly", shell("true", more=NIGHTLY + "<disabled>true</disabled>"))
    Triggers(runner).tick(at("2026-11-23T02:30"))
    assert not runner.queue.items()


def test_a_job_broken_on_disk_keeps_nobody_from_starting(runner: Runner) -> None:
    broken = runner.items.create("", "broken", shell("true", more=NIGHTLY))
    (broken.folder / "config.xml").write_bytes(b"<project")
    broken._config = None
    item = runner.items.create("", "nightly", shell("true", more=NIGHTLY))
    Triggers(runner).tick(at("2026-11-23T02:30"))
    wait_for(item)


HOURLY = "<triggers><hudson.triggers.TimerTrigger><spec>*/5 * * * *</spec></hudson.triggers.TimerTrigger></triggers>"


class Clock:
    """A clock that a test sets; each look at it lets a second pass."""

    def __init__(self, text: str) -> None:
        self.now = at(text)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def started(runner: Runner) -> dict[str, int]:
    return {item.job: len(item.causes) for item in runner.queue.items()}


def test_a_clock_that_is_set_back_stops_no_timer_and_starts_no_nightly_job_twice(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.items.create("", "nightly", shell("true", more=NIGHTLY, quiet=900))
    runner.items.create("", "hourly", shell("true", more=HOURLY, quiet=900))
    clock = Clock("2026-11-23T02:29:50")
    triggers = Triggers(runner, clock)
    monkeypatch.setattr(triggers.timers, "wait", lambda seconds: None)

    def pass_minutes(count: int) -> None:
        for _ in range(count * 60):
            triggers._look_at_clock()

    pass_minutes(2)
    assert started(runner) == {"nightly": 1, "hourly": 1}
    clock.now = at("2026-11-23T01:32:00")
    pass_minutes(4)
    assert started(runner) == {"nightly": 1, "hourly": 2}, "what runs each hour goes on at once"
    pass_minutes(60)
    assert started(runner)["nightly"] == 1, "half past two came twice"


def test_a_clock_that_is_set_forward_starts_a_day_of_timers_once(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.items.create("", "hourly", shell("true", more=HOURLY, quiet=900))
    clock = Clock("2026-11-23T02:29:50")
    triggers = Triggers(runner, clock)
    monkeypatch.setattr(triggers.timers, "wait", lambda seconds: None)
    clock.now = at("2026-11-24T02:30:00")
    for _ in range(120):
        triggers._look_at_clock()
    assert started(runner) == {"hourly": 1}


def test_a_quiet_period_ends_whatever_the_clock_says(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    item = runner.items.create("", "calm", shell("true", quiet=1))
    now = time.time()
    runner.trigger(item, ADMIN, {})
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert wait_for(item).duration < 60_000


class Third:
    """A step of somebody else."""

    label = "Third"

    def __init__(self, fields: Fields) -> None:
        self.word = fields.text("word")

    def plan(self) -> str:
        return "third"

    def perform(self, build: Build) -> None:
        build.say(f"a third party's {self.word}")


def test_third_parties_add_steps_by_entry_point(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("com.example.Third", "tests.runner.test_triggers:Third", catalogue.GROUP)
    monkeypatch.setattr(catalogue, "entry_points", lambda: {point.name: point})
    record = build(
        runner,
        "third",
        b"<project><builders><com.example.Third><word>step</word></com.example.Third></builders></project>",
    )
    assert "a third party's step" in record.log.read_text()


def polled(url: str, more: str = "") -> bytes:
    """A job that polls a repository."""
    return shell(
        "true",
        more='<scm class="hudson.plugins.git.GitSCM"><userRemoteConfigs><hudson.plugins.git.UserRemoteConfig>'
        f"<url>{url}</url></hudson.plugins.git.UserRemoteConfig></userRemoteConfigs></scm>"
        f"<triggers><hudson.triggers.SCMTrigger><spec></spec>{more}</hudson.triggers.SCMTrigger></triggers>",
    )


def test_a_push_is_told_to_the_jobs_of_its_repository_that_listen(runner: Runner) -> None:
    runner.items.create("", "listens", polled("https://git.example.com/auth.git"))
    deaf = "<ignorePostCommitHooks>true</ignorePostCommitHooks>"
    runner.items.create("", "deaf", polled("https://git.example.com/auth.git", deaf))
    runner.items.create("", "other", polled("https://git.example.com/portal.git"))
    triggers = Triggers(runner)
    assert triggers.notify("https://git.example.com/auth.git") == {"listens": False}


@pytest.mark.parametrize(
    ("spec", "pushed", "is_told"),
    [
        ("*/main", ["main"], True),
        ("main", ["refs/heads/main"], True),
        ("origin/main", ["main"], True),
        ("*/main", ["other"], False),
        ("*/main", ["other", "main"], True),
        ("*/release-*", ["release-1"], True),
        ("*/release-*", ["release-1/fix"], False),
        (":origin/(?!main).*", ["main"], False),
        ("$BRANCH", ["any"], True),
        ("**", ["any"], True),
    ],
)
def test_a_push_of_branches_is_told_to_jobs_that_may_build_them(
    spec: str, pushed: list[str], is_told: bool, runner: Runner
) -> None:
    url = "https://git.example.com/auth.git"
    branch = f"<branches><hudson.plugins.git.BranchSpec><name>{spec}</name></hudson.plugins.git.BranchSpec></branches>"
    content = polled(url).replace(b"</scm>", branch.encode() + b"</scm>")
    runner.items.create("", "listens", content)
    assert bool(Triggers(runner).notify(url, pushed)) == is_told


def test_a_job_that_waits_to_be_polled_is_not_queued_twice(runner: Runner) -> None:
    item = runner.items.create("", "listens", polled("https://git.example.com/auth.git"))
    triggers = Triggers(runner)
    for _ in range(3):
        triggers.poll(item)
    assert triggers._polls.qsize() == 1
