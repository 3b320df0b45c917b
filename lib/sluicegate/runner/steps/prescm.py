"""preSCMbuildstep: steps before the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields


class PreSCMSteps:
    """org.jenkinsci.plugins.preSCMbuildstep.PreSCMBuildStepsWrapper: a failing step ends the build only if so set."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.steps = fields.steps("buildSteps/*")
        self.fails = fields.flag("failOnError")

    def plan(self) -> str:
        return f"before the checkout: {'; '.join(step.plan() for step in self.steps)}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        build.say("Running Prebuild steps")
        for step in self.steps:
            try:
                step.perform(build)
            except StepFailed as problem:
                if self.fails:
                    raise StepFailed(problem.message or f"Failed pre-SCM build step '{step.label}'") from problem
                build.say(f"Failed pre-SCM build step '{step.label}' {problem.message}".rstrip())
        yield


ELEMENTS = (
    Entry(
        tag="org.jenkinsci.plugins.preSCMbuildstep.PreSCMBuildStepsWrapper",
        plugin="preSCMbuildstep",
        kind="wrapper",
        make=PreSCMSteps,
    ),
)
