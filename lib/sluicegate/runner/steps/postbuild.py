"""org.jenkinsci.plugins.postbuildscript.PostBuildScript: steps after the build, chosen by its result."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.results import Result
from sluicegate.runner.steps import registry
from sluicegate.tools import xml

STEP = "config/buildSteps/org.jenkinsci.plugins.postbuildscript.model.PostBuildStep"


class PostBuildScript:
    """Runs its steps where the result is among theirs; a failing one makes the build red, or yellow if so set."""

    label = "Execute scripts"

    def __init__(self, element: Element) -> None:
        for kind in ("scriptFiles", "groovyScripts"):
            if element.find(f"config/{kind}/*") is not None:
                raise UsageError(f"<{element.tag}>: {kind} are not supported; use build steps")
        self.unstable = xml.flag(element, "config/markBuildUnstable")
        self.groups = [
            (
                {one.text or "" for one in group.iterfind("results/string")},
                tuple(map(registry.step, group.iterfind("buildSteps/*"))),
            )
            for group in element.iterfind(STEP)
        ]

    def plan(self) -> str:
        return "; ".join(f"on {', '.join(sorted(on)) or 'any'}: {s.plan()}" for on, steps in self.groups for s in steps)

    def perform(self, build: Build) -> None:
        for results, steps in self.groups:
            if results and build.result.name not in results:
                continue
            for step in steps:
                try:
                    step.perform(build)
                except StepFailed as problem:
                    build.say(problem.message or f"Build step '{step.label}' failed")
                    build.worsen(Result.UNSTABLE if self.unstable else Result.FAILURE)
                    break
