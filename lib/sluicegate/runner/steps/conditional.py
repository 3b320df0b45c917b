"""conditional-buildstep and flexible-publish: steps and publishers that run where their condition holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.errors import UsageError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.acting import Step
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps import conditions
from sluicegate.runner.steps.conditions import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """What happens when a condition cannot be decided (BuildStepRunner): run or not, and how bad that is."""

    runs: bool
    result: Result


RUNNERS = {
    "Fail": Undecided(runs=False, result=Result.FAILURE),
    "Unstable": Undecided(runs=False, result=Result.UNSTABLE),
    "RunUnstable": Undecided(runs=True, result=Result.UNSTABLE),
    "Run": Undecided(runs=True, result=Result.SUCCESS),
    "DontRun": Undecided(runs=False, result=Result.SUCCESS),
}


def _undecided(fields: Fields) -> Undecided:
    child = fields.child("runner")
    name = child.tag.rpartition("$")[2] if child is not None else "Fail"
    if name not in RUNNERS:
        raise UsageError(f"<{fields.tag}>: this runner does not know what to do on an error: {name}")
    return RUNNERS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """Steps under one condition, as builders and as publishers."""

    condition: Condition
    steps: Sequence[Step]
    undecided: Undecided
    label: str

    def plan(self) -> str:
        return f"if {self.condition.plan()}: {'; '.join(step.plan() for step in self.steps)}"

    def perform(self, build: Build) -> None:
        if not self._decide(build):
            return
        for step in self.steps:
            try:
                step.perform(build)
            except StepFailed as problem:
                build.say(problem.message or f"Build step '{step.label}' failed")
                raise StepFailed("") from problem

    def _decide(self, build: Build) -> bool:
        labels = ", ".join(step.label for step in self.steps)
        try:
            runs = self.condition.holds(build)
        except StepFailed as problem:
            build.say(f"Run condition [{self.condition.plan()}] cannot be decided: {problem.message}")
            if self.undecided.result is Result.FAILURE:
                raise StepFailed("") from problem
            build.worsen(self.undecided.result)
            return self.undecided.runs
        verb = "enabling perform for" if runs else "preventing perform for"
        build.say(f"Run condition [{self.condition.plan()}] {verb} step [{labels}]")
        return runs


def _single(fields: Fields) -> Conditional:
    return Conditional(
        condition=conditions.read(fields),
        steps=fields.steps("buildStep"),
        undecided=_undecided(fields),
        label="Conditional step (single)",
    )


def _multiple(fields: Fields) -> Conditional:
    return Conditional(
        condition=conditions.read(fields, "runCondition"),
        steps=fields.steps("conditionalbuilders/*"),
        undecided=_undecided(fields),
        label="Conditional steps (multiple)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexiblePublish:
    """Publishers and steps under conditions, after the build."""

    conditionals: tuple[Conditional, ...]
    label: str = "Flexible publish"

    def plan(self) -> str:
        return "; ".join(conditional.plan() for conditional in self.conditionals)

    def perform(self, build: Build) -> None:
        for conditional in self.conditionals:
            conditional.perform(build)


def _flexible(fields: Fields) -> FlexiblePublish:
    publishers = fields.children("publishers/*")
    return FlexiblePublish(conditionals=tuple(_publisher(publisher) for publisher in publishers))


def _publisher(fields: Fields) -> Conditional:
    fields.harmless("aggregationCondition", "aggregationRunner", "executionStrategy")  # They belong to a matrix.
    return Conditional(
        condition=conditions.read(fields),
        # One publisher in the plugin's form before its version 0.13, a list since.
        steps=(*fields.steps("publisher"), *fields.steps("publisherList/*")),
        undecided=_undecided(fields),
        label="Flexible publish",
    )


ELEMENTS = (
    Entry(
        tag="org.jenkinsci.plugins.conditionalbuildstep.singlestep.SingleConditionalBuilder",
        plugin="conditional-buildstep",
        kind="builder",
        make=_single,
    ),
    Entry(
        tag="org.jenkinsci.plugins.conditionalbuildstep.ConditionalBuilder",
        plugin="conditional-buildstep",
        kind="builder",
        make=_multiple,
    ),
    Entry(
        tag="org.jenkins__ci.plugins.flexible__publish.FlexiblePublisher",
        plugin="flexible-publish",
        kind="publisher",
        make=_flexible,
    ),
)
