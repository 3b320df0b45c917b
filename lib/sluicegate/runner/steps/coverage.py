"""hudson.plugins.cobertura.CoberturaPublisher: line and branch coverage against its targets."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed
from sluicegate.runner import reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps.junit import LARGEST
from sluicegate.tools import xml

SCALE = 100000
"""The plugin keeps a percentage as so many parts of one percent."""
PARTS = {"METHOD": "method", "CLASSES": "class", "PACKAGES": "package", "FILES": "class"}


class Cobertura:
    """Below a failing target a build is yellow (red with failUnstable), below an unhealthy one red if so set."""

    label = "Publish Cobertura Coverage Report"

    def __init__(self, fields: Fields) -> None:
        self.pattern = fields.text("coberturaReportFile").strip()
        self.only_good, self.needs_report = fields.flag("onlyStable"), fields.flag("failNoReports", True)
        self.red_unhealthy, self.red_failing = fields.flag("failUnhealthy"), fields.flag("failUnstable")
        self.unhealthy, self.failing = _targets(fields, "unhealthyTarget"), _targets(fields, "failingTarget")
        fields.harmless("healthyTarget", "autoUpdateHealth", "autoUpdateStability", "zoomCoverageChart")
        fields.harmless("sourceEncoding", "maxNumberOfBuilds", "enableNewApi")

    def plan(self) -> str:
        return f"read coverage {self.pattern}"

    def perform(self, build: Build) -> None:
        if self.only_good and build.result > Result.SUCCESS:
            build.say("Skipping Cobertura coverage report as the build was not SUCCESS or better")
            return
        build.say("[Cobertura] Publishing Cobertura coverage report...")
        names = reading.judged(build, self.pattern)
        if not names:
            message = (
                f"No coverage results were found using the pattern '{self.pattern}'. Did you generate the XML report?"
            )
            if self.needs_report:
                raise StepFailed(message)
            build.say(message)
            return
        try:
            roots = [xml.parse(build.ground.read(name), limit=LARGEST, source=name) for name in names]
        except Malformed as problem:
            raise StepFailed(problem.message) from problem
        # The worst of all reports counts.
        rates = {metric: min(_rate(root, metric) for root in roots) for metric in {*self.unhealthy, *self.failing}}
        for metric, least in self.failing.items():
            self._judge(build, metric, rates[metric], least, Result.FAILURE if self.red_failing else Result.UNSTABLE)
        for metric, least in self.unhealthy.items():
            self._judge(build, metric, rates[metric], least, Result.FAILURE if self.red_unhealthy else Result.SUCCESS)

    def _judge(self, build: Build, metric: str, rate: float, least: float, result: Result) -> None:
        if rate < least:
            build.say(f"[Cobertura] Code coverage of {metric} is {rate:.2f} %, below {least:g} %")
            build.worsen(result)


def _targets(fields: Fields, name: str) -> Mapping[str, float]:
    targets = {}
    for entry in fields.children(f"{name}/targets/entry"):
        number = float(entry.number("int", 0))
        metric = entry.text("hudson.plugins.cobertura.targets.CoverageMetric").strip()
        targets[metric] = number / SCALE if number > 100 else number
    return targets


def _rate(root: Element, metric: str) -> float:
    """The percentage that is covered; without such parts all are."""
    if metric in ("LINE", "CONDITIONAL"):
        return 100 * _number(root.get("line-rate" if metric == "LINE" else "branch-rate", "1"))
    parts = list(root.iter(PARTS.get(metric, "class")))
    return 100 * sum(_number(part.get("line-rate", "0")) > 0 for part in parts) / len(parts) if parts else 100.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


ELEMENTS = (
    Entry(tag="hudson.plugins.cobertura.CoberturaPublisher", plugin="cobertura", kind="publisher", make=Cobertura),
)
