"""org.jenkinsci.plugins.postbuildscript.PostBuildScript: steps after the build, chosen by its result."""

from __future__ import annotations

from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry, Step
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result

STEP = "config/buildSteps/org.jenkinsci.plugins.postbuildscript.model.PostBuildStep"


class PostBuildScript:
    """Runs its steps where the result is among theirs; a failing one makes the build red, or yellow if so set."""

    label = "Execute scripts"

    def __init__(self, fields: Fields) -> None:
        for kind in ("scriptFiles", "groovyScripts"):
            fields.refuse(f"config/{kind}", "use build steps")
        self.unstable = fields.flag("config/markBuildUnstable")
        self.groups = [_group(group) for group in fields.children(STEP)]

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


def _group(fields: Fields) -> tuple[set[str], tuple[Step, ...]]:
    """The results and the steps that run after them."""
    fields.only("role", "BOTH", "MASTER", "SLAVE")  # One machine plays both.
    fields.only("executeOn", "BOTH", "MATRIX", "AXES")
    return set(fields.texts("results/string")), fields.steps("buildSteps/*")


ELEMENTS = (
    Entry(
        tag="org.jenkinsci.plugins.postbuildscript.PostBuildScript",
        plugin="postbuildscript",
        kind="publisher",
        make=PostBuildScript,
    ),
)
