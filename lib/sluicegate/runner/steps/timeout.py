"""hudson.plugins.build_timeout.BuildTimeoutWrapper: stops a build that takes too long, or is silent too long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.launch import Limits
from sluicegate.runner.results import Result

OPERATIONS = "hudson.plugins.build__timeout.operations."


class BuildTimeout:
    """Absolute, no-activity, elastic and likely-stuck strategies; fail, abort and write-description operations."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        strategy = fields.child("strategy") or fields
        name = strategy.tag.rpartition(".")[2] if strategy is not fields else ""
        self.kind = name.removesuffix("TimeOutStrategy") or "Absolute"
        if self.kind not in ("Absolute", "NoActivity", "Elastic", "LikelyStuck"):
            raise UsageError(f"this runner does not know the time-out strategy {name}")
        self.minutes = _number(strategy.text("timeoutMinutes", "3"))
        self.seconds = _number(strategy.text("timeoutSecondsString", "180"))
        self.percent = _number(strategy.text("timeoutPercentage", "150"))
        self.builds = strategy.number("numberOfBuilds", 3)
        self.default = _number(strategy.text("timeoutMinutesElasticDefault", "60"))
        strategy.harmless("failSafeTimeoutDuration")
        operations = fields.children("operationList/*")
        self.operations = [operation.tag.removeprefix(OPERATIONS) for operation in operations]
        self.text = next((text for operation in operations if (text := operation.text("description"))), "")
        if fields.flag("failBuild"):
            self.operations.append("FailOperation")

    def plan(self) -> str:
        what = {
            "Absolute": f"after {self.minutes:g} minutes",
            "NoActivity": f"after {self.seconds:g} silent seconds",
            "Elastic": f"at {self.percent:g}% of the last {self.builds} builds' time",
            "LikelyStuck": "at ten times the usual time",
        }[self.kind]
        return f"stop {what}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        before, before_action = build.limits, build.on_limit
        build.limits = self._limits(build)
        build.on_limit = lambda _: self._act(build)
        try:
            yield
        finally:
            build.limits, build.on_limit = before, before_action

    def _limits(self, build: Build) -> Limits:
        if self.kind == "NoActivity":
            return Limits(deadline=build.limits.deadline, silence=self.seconds)
        if self.kind == "Absolute":
            seconds = self.minutes * 60
        else:
            usual = build.services.estimate(build, self.builds if self.kind == "Elastic" else 3)
            factor = self.percent / 100 if self.kind == "Elastic" else 10
            seconds = self.default * 60 if usual is None else max(180.0, usual * factor)
        return Limits(deadline=time.monotonic() + seconds, silence=build.limits.silence)

    def _act(self, build: Build) -> None:
        """What the operations ask for; without any the build is aborted."""
        fails = "FailOperation" in self.operations and "AbortOperation" not in self.operations
        length = f"{self.seconds:g} silent seconds" if self.kind == "NoActivity" else self.plan().removeprefix("stop ")
        build.say(f"Build timed out ({length}). Marking the build as {'failed' if fails else 'aborted'}.")
        if self.text:
            build.record.description = build.expand(self.text)
        build.worsen(Result.FAILURE if fails else Result.ABORTED)


def _number(text: str) -> float:
    try:
        return float(text.strip())
    except ValueError as problem:
        raise UsageError(f"the time-out '{text}' is not a number") from problem


ELEMENTS = (
    Entry(
        tag="hudson.plugins.build__timeout.BuildTimeoutWrapper",
        plugin="build-timeout",
        kind="wrapper",
        make=BuildTimeout,
    ),
)
