"""Other jobs started by a build: by the core's BuildTrigger, and by parameterized-trigger's publisher and step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sluicegate.errors import SluicegateError
from sluicegate.runner.build import Build, Started, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.jobxml import split_names
from sluicegate.runner.journal import NotStored
from sluicegate.runner.parameters import Given
from sluicegate.runner.results import Result
from sluicegate.runner.steps.factories import Factory
from sluicegate.runner.steps.sources import NotTriggered, Source, actions_for

CONDITIONS = {
    "SUCCESS": {Result.SUCCESS},
    "UNSTABLE": {Result.UNSTABLE},
    "UNSTABLE_OR_BETTER": {Result.SUCCESS, Result.UNSTABLE},
    "UNSTABLE_OR_WORSE": {Result.UNSTABLE, Result.FAILURE},
    "FAILED": {Result.FAILURE},
    "FAILED_OR_BETTER": {Result.SUCCESS, Result.UNSTABLE, Result.FAILURE},
    "ALWAYS": set(Result),
}
RESULT_FIELDS = ("ordinal", "color", "completeBuild")
NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9]+")


class BuildTrigger:
    """hudson.tasks.BuildTrigger: carried out when the build has ended, together with other jobs' reverse triggers."""

    label = "Build other projects"

    def __init__(self, fields: Fields) -> None:
        self.projects = fields.text("childProjects")
        fields.harmless("threshold")  # `jobxml` reads it.

    def plan(self) -> str:
        return f"start {self.projects}"

    def perform(self, build: Build) -> None:
        """Nothing here: the result is not final before all publishers ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a started job's result does to this build; None: nothing (BlockingBehaviour)."""

    fails_step: Result | None
    fails_build: Result | None
    unstable: Result | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Which jobs are started, after which results, with which parameters, and whether they are waited for."""

    projects: str
    results: frozenset[Result]
    without_parameters: bool
    sources: tuple[Source, ...]
    factories: tuple[Factory, ...]
    block: Block | None

    def sets(self, build: Build) -> Sequence[Mapping[str, Given]]:
        """The parameters of each build that is started of each job."""
        common: dict[str, Given] = {}
        for source in self.sources:
            common |= source.values(build)
        sets: list[Mapping[str, Given]] = [common]
        for factory in self.factories:
            sets = [{**values, **more} for values in sets for more in factory.sets(build)]
        return sets

    def start(self, build: Build) -> list[Started]:
        """Start them all; a job that cannot be started is named in the log."""
        started = []
        try:
            sets = self.sets(build)
        except NotTriggered:
            return []
        actions = actions_for(build, self.sources)
        for name in split_names(build.expand(self.projects)):
            for values in sets:
                try:
                    started.append(build.services.start_downstream(build, name, values, actions))
                    build.say(f"Triggering a new build of {started[-1].job}")
                except NotStored:
                    raise
                except SluicegateError as problem:
                    build.say(f"WARNING: {problem.message}")
        return started


def _start(fields: Fields) -> Start:
    block = fields.child("block")
    condition = fields.text("condition", "SUCCESS").strip()
    if condition not in CONDITIONS:
        fields.reasons.append(f"<{fields.tag}>: this runner does not know the condition {condition}")
    # Both belong to a matrix or to machines, of which there is one.
    fields.harmless("triggerFromChildProjects", "buildAllNodesWithLabel")
    return Start(
        projects=fields.text("projects"),
        results=frozenset(CONDITIONS.get(condition, ())),
        without_parameters=fields.flag("triggerWithNoParameters"),
        sources=cast("tuple[Source, ...]", fields.parts("parameter source", "configs/*")),
        factories=cast("tuple[Factory, ...]", fields.parts("parameter source", "configFactories/*")),
        block=None if block is None else _block(block),
    )


def _block(fields: Fields) -> Block:
    def threshold(name: str) -> Result | None:
        fields.harmless(*(f"{name}/{field}" for field in RESULT_FIELDS))
        word = fields.text(f"{name}/name").strip()
        return Result.named(word) if word and word != "never" else None

    return Block(
        fails_step=threshold("buildStepFailureThreshold"),
        fails_build=threshold("failureThreshold"),
        unstable=threshold("unstableThreshold"),
    )


class ParameterizedTrigger:
    """hudson.plugins.parameterizedtrigger.BuildTrigger: jobs with parameters, by result, after the build."""

    label = "Trigger parameterized build on other projects"

    def __init__(self, fields: Fields) -> None:
        self.starts = tuple(_start(config) for config in fields.children("configs/*"))

    def plan(self) -> str:
        return f"start {', '.join(start.projects for start in self.starts)} with parameters"

    def perform(self, build: Build) -> None:
        build.after.append(lambda: self._start_all(build))

    def _start_all(self, build: Build) -> None:
        for start in self.starts:
            if build.result not in start.results:
                continue
            if not start.sources and not start.without_parameters:
                build.say("[parameterized-trigger] Downstream builds will not be triggered as no parameter is set.")
                continue
            start.start(build)


class TriggerBuilder:
    """hudson.plugins.parameterizedtrigger.TriggerBuilder: jobs started within the build, waited for where so set."""

    label = "Trigger/call builds on other projects"

    def __init__(self, fields: Fields) -> None:
        self.starts = tuple(_start(config) for config in fields.children("configs/*"))

    def plan(self) -> str:
        parts = [f"{'call' if start.block else 'start'} {start.projects}" for start in self.starts]
        return ", ".join(parts)

    def perform(self, build: Build) -> None:
        begun = [(start.block, start.start(build)) for start in self.starts]
        failed = False
        for block, jobs in begun:
            if block is None:
                _export(build, [(started.job, "", None) for started in jobs])
                continue
            for started in jobs:
                failed |= self._wait(build, block, started)
        if failed:
            raise StepFailed("")

    def _wait(self, build: Build, block: Block, started: Started) -> bool:
        """Whether the step fails by how the started job ended."""
        build.say(f"Waiting for the completion of {started.job}")
        record = build.services.wait(build, started)
        if record is None or record.result is None:
            raise StepFailed(f"{started.job} was taken out of the queue, or deleted")
        result = record.result
        build.say(f"{started.job} #{record.number} completed. Result was {result.name}")
        _export(build, [(started.job, str(record.number), result)])
        if block.fails_build is not None and result >= block.fails_build:
            build.worsen(Result.FAILURE)
        elif block.unstable is not None and result >= block.unstable:
            build.worsen(Result.UNSTABLE)
        return block.fails_step is not None and result >= block.fails_step


def _export(build: Build, ended: Sequence[tuple[str, str, Result | None]]) -> None:
    """The variables that later steps read about the jobs (BuildInfoExporterAction)."""
    for job, number, result in ended:
        word = NOT_IN_A_NAME.sub("_", job)
        names = [name for name in build.env.get("TRIGGERED_JOB_NAMES", "").split(",") if name]
        build.env["LAST_TRIGGERED_JOB_NAME"] = word
        build.env["TRIGGERED_JOB_NAMES"] = ",".join(dict.fromkeys([*names, word]))
        if not number or result is None:
            continue
        earlier = build.env.get(f"TRIGGERED_BUILD_NUMBERS_{word}", "")
        numbers = [*filter(None, earlier.split(",")), number]
        build.env |= {
            f"TRIGGERED_BUILD_NUMBER_{word}": number,
            f"TRIGGERED_BUILD_NUMBERS_{word}": ",".join(numbers),
            f"TRIGGERED_BUILD_RESULT_{word}": result.name,
            f"TRIGGERED_BUILD_RESULT_{word}_RUN_{number}": result.name,
            f"TRIGGERED_BUILD_RUN_COUNT_{word}": str(len(numbers)),
        }


ELEMENTS = (
    Entry(tag="hudson.tasks.BuildTrigger", plugin="core", kind="publisher", make=BuildTrigger),
    Entry(
        tag="hudson.plugins.parameterizedtrigger.BuildTrigger",
        plugin="parameterized-trigger",
        kind="publisher",
        make=ParameterizedTrigger,
    ),
    Entry(
        tag="hudson.plugins.parameterizedtrigger.TriggerBuilder",
        plugin="parameterized-trigger",
        kind="builder",
        make=TriggerBuilder,
    ),
)
