"""hudson.plugins.build_timeout.BuildTimeoutWrapper: stops a build that takes too long, or is silent too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluicegate.errors import UsageError
from sluicegate.model.numbers import decimal
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.launch import Limits
from sluicegate.runner.results import Result

STRATEGIES = ("Absolute", "NoActivity", "Elastic", "LikelyStuck", "Deadline")
OPERATIONS = ("Abort", "Fail", "WriteDescription", "AbortAndRestart")
MINIMUM = 180.0
"""Seconds below which no time-out is taken, but for silence (BuildTimeoutWrapper.MINIMUM_TIMEOUT_MILLISECONDS)."""
LONGEST = 100_000_000
"""The largest number of minutes, seconds or percent that is taken."""
STUCK_WITHOUT_HISTORY = 24 * 3600.0
WORDS = ("deadlineTime", "failSafeTimeoutDuration")
"""What a strategy says that is no number."""
OLD_KINDS = {"absolute": "Absolute", "elastic": "Elastic", "likelyStuck": "LikelyStuck"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """When a build is over: after so many seconds, or so many silent ones, as words say it."""

    seconds: float
    words: str
    silence: bool = False

    @property
    def minutes(self) -> int:
        return round(self.seconds / 60)


class BuildTimeout:
    """Every strategy of the plugin; fail, abort, abort-and-restart and write-description operations."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        strategy = fields.child("strategy")
        old = strategy is None
        self.kind = _kind(strategy) if strategy is not None else _old_kind(fields)
        self.strategy = strategy or fields
        self.texts = _numbers(self.strategy)
        self.operations, self.text, self.restarts = _old_operations(fields) if old else _operations(fields)
        self.variable = fields.text("timeoutEnvVar").strip()

    def plan(self) -> str:
        what = {
            "Absolute": f"after {self.texts['timeoutMinutes']} minutes",
            "NoActivity": f"after {self.texts['timeoutSecondsString']} silent seconds",
            "Elastic": f"at {self.texts['timeoutPercentage']}% of the last {self.texts['numberOfBuilds']} builds' time",
            "LikelyStuck": "at ten times the usual time",
            "Deadline": f"at {self.texts['deadlineTime']}",
        }[self.kind]
        return f"stop {what}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        bound = self._bound(build)
        before, before_action = build.limits, build.on_limit
        values = {self.variable: str(int(bound.seconds * 1000))} if self.variable else {}
        timer = self._watch(build, bound)
        try:
            with build.variables_set(values):
                yield
        finally:
            timer()
            build.limits, build.on_limit = before, before_action

    def _watch(self, build: Build, bound: Bound) -> Callable[[], None]:
        """Set the limits; what takes them back. A build that is only to be described goes on."""
        if self.operations == ["WriteDescription"] and not bound.silence:
            timer = threading.Timer(bound.seconds, lambda: self._describe(build, bound))
            timer.daemon = True
            timer.start()
            return timer.cancel
        deadline = build.limits.deadline if bound.silence else time.monotonic() + bound.seconds
        silence = bound.seconds if bound.silence else build.limits.silence
        build.limits = Limits(deadline=deadline, silence=silence)
        build.on_limit = lambda _: self._act(build, bound)
        return lambda: None

    def _bound(self, build: Build) -> Bound:
        number = {name: _number(build.expand(text)) for name, text in self.texts.items() if name not in WORDS}
        if self.kind == "NoActivity":
            seconds = number["timeoutSecondsString"]
            return Bound(seconds=seconds, words=f"{seconds:g} silent seconds", silence=True)
        if self.kind == "Absolute":
            seconds = max(MINIMUM, number["timeoutMinutes"] * 60)
        elif self.kind == "Deadline":
            seconds = _until(build.expand(self.texts["deadlineTime"]), number["deadlineToleranceInMinutes"])
        elif self.kind == "Elastic":
            usual = build.services.estimate(build, int(number["numberOfBuilds"]))
            fail_safe = number["timeoutMinutesElasticDefault"] * 60
            seconds = fail_safe if usual is None else max(MINIMUM, usual * number["timeoutPercentage"] / 100)
            if self.texts["failSafeTimeoutDuration"] == "true":
                seconds = max(seconds, fail_safe)
        else:
            usual = build.services.estimate(build, 3)
            seconds = STUCK_WITHOUT_HISTORY if usual is None else max(MINIMUM, usual * 10)
        return Bound(seconds=seconds, words=f"after {seconds / 60:g} minutes")

    def _act(self, build: Build, bound: Bound) -> None:
        """What the operations ask for; without any the build is aborted."""
        fails = "Fail" in self.operations and not {"Abort", "AbortAndRestart"} & set(self.operations)
        build.say(f"Build timed out ({bound.words}). Marking the build as {'failed' if fails else 'aborted'}.")
        self._describe(build, bound)
        build.worsen(Result.FAILURE if fails else Result.ABORTED)
        if "AbortAndRestart" in self.operations:
            self._start_again(build)

    def _start_again(self, build: Build) -> None:
        """AbortAndRestartOperation: another build of the same, so many times in a row."""
        most = int(_number(build.expand(self.restarts)))
        count = next((cause.build for cause in build.record.causes if cause.kind == "naginator"), 0)
        if count < most:
            build.say(f"Another build follows, restart {count + 1} of {most}")
            build.after.append(lambda: build.services.start_again(build, Cause(kind="naginator", build=count + 1)))

    def _describe(self, build: Build, bound: Bound) -> None:
        if "WriteDescription" in self.operations:
            build.entitle(description=build.expand(self.text).replace("{0}", str(bound.minutes)))


def _kind(strategy: Fields) -> str:
    name = strategy.tag.rpartition(".")[2].removesuffix("TimeOutStrategy")
    if name not in STRATEGIES:
        raise UsageError(f"this runner does not know the time-out strategy {strategy.tag}")
    return name


def _old_kind(fields: Fields) -> str:
    """The plugin's form before its version 1.12."""
    return OLD_KINDS.get(fields.text("timeoutType", "absolute").strip(), "Absolute")


def _numbers(strategy: Fields) -> dict[str, str]:
    """The numbers as texts: they may name variables, so that only a build can read them."""
    defaults = {
        "timeoutMinutes": "3",
        "timeoutSecondsString": "180",
        "timeoutPercentage": "150",
        "numberOfBuilds": "3",
        "timeoutMinutesElasticDefault": "60",
        "deadlineTime": "",
        "deadlineToleranceInMinutes": "1",
        "failSafeTimeoutDuration": "false",
    }
    texts = {name: strategy.text(name).strip() or default for name, default in defaults.items()}
    for name, text in texts.items():
        if "$" not in text and name not in WORDS:
            _number(text)
    return texts


def _operations(fields: Fields) -> tuple[list[str], str, str]:
    """The names of what is done, the text of a description, and how often a build is started again."""
    names, text, restarts = [], "", "0"
    for operation in fields.children("operationList/*"):
        name = operation.tag.rpartition(".")[2].removesuffix("Operation")
        if name not in OPERATIONS:
            fields.reasons.append(f"this runner does not know the time-out operation <{operation.tag}>")
        elif name == "WriteDescription":
            text = operation.text("description")
        elif name == "AbortAndRestart":
            restarts = operation.text("maxRestarts").strip() or "0"
        names.append(name)
    return names, text, restarts


def _old_operations(fields: Fields) -> tuple[list[str], str, str]:
    names = ["Fail" if fields.flag("failBuild") else "Abort"]
    if fields.flag("writingDescription"):
        return [*names, "WriteDescription"], "Build timed out (after {0} minutes). Marking the build as aborted.", "0"
    return names, "", "0"


def _until(text: str, tolerance: float) -> float:
    """Seconds until a time of day (HH:MM or HH:MM:SS); a moment that passed within the tolerance is now."""
    try:
        clock = datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M").time()
    except ValueError as problem:
        raise StepFailed(f"the time-out's deadline '{text}' is not a time such as 23:30") from problem
    now = datetime.now().astimezone()
    moment = datetime.combine(now.date(), clock, now.tzinfo)
    if moment < now - timedelta(minutes=tolerance):
        moment += timedelta(days=1)
    return max(0.0, (moment - now).total_seconds())


def _number(text: str) -> float:
    number = decimal(text.strip(), most=LONGEST)
    if number is None:
        raise UsageError(f"the time-out '{text}' is not a number from 0 to {LONGEST}")
    return number


ELEMENTS = (
    Entry(
        tag="hudson.plugins.build__timeout.BuildTimeoutWrapper",
        plugin="build-timeout",
        kind="wrapper",
        make=BuildTimeout,
    ),
)
