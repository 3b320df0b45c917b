"""hudson.plugins.build_timeout.BuildTimeoutWrapper: stops a build that takes too long, or is silent too long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build
from sluicegate.runner.launch import Limits
from sluicegate.runner.results import Result
from sluicegate.tools import xml

OPERATIONS = "hudson.plugins.build__timeout.operations."


class BuildTimeout:
    """Absolute, no-activity, elastic and likely-stuck strategies; fail, abort and write-description operations."""

    before_scm = True

    def __init__(self, element: Element) -> None:
        strategy = element.find("strategy")
        name = (strategy.get("class", "") if strategy is not None else "").rpartition(".")[2]
        self.kind = name.removesuffix("TimeOutStrategy") or "Absolute"
        if self.kind not in ("Absolute", "NoActivity", "Elastic", "LikelyStuck"):
            raise UsageError(f"this runner does not know the time-out strategy {name}")
        self.minutes = _number(xml.text(element, "strategy/timeoutMinutes") or xml.text(element, "timeoutMinutes", "3"))
        self.seconds = _number(xml.text(element, "strategy/timeoutSecondsString", "180"))
        self.percent = _number(xml.text(element, "strategy/timeoutPercentage", "150"))
        self.builds = xml.number(element, "strategy/numberOfBuilds", 3)
        self.default = _number(xml.text(element, "strategy/timeoutMinutesElasticDefault", "60"))
        self.operations = [one.tag.removeprefix(OPERATIONS) for one in element.iterfind("operationList/*")]
        self.text = xml.text(element, f"operationList/{OPERATIONS}WriteDescriptionOperation/description")
        if xml.flag(element, "failBuild"):
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
