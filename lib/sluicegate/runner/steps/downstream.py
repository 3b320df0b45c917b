"""Other jobs started by a build: BuildTrigger by the runner itself, parameterized-trigger by its publisher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sluicegate.runner import properties
from sluicegate.runner.build import Build
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.jobxml import split_names
from sluicegate.runner.parameters import Value
from sluicegate.runner.results import Result

PREFIX = "hudson.plugins.parameterizedtrigger."
CONDITIONS = {
    "SUCCESS": {Result.SUCCESS},
    "UNSTABLE": {Result.UNSTABLE},
    "UNSTABLE_OR_BETTER": {Result.SUCCESS, Result.UNSTABLE},
    "UNSTABLE_OR_WORSE": {Result.UNSTABLE, Result.FAILURE},
    "FAILED": {Result.FAILURE},
    "FAILED_OR_BETTER": {Result.SUCCESS, Result.UNSTABLE, Result.FAILURE},
    "ALWAYS": set(Result),
}


class BuildTrigger:
    """hudson.tasks.BuildTrigger: carried out when the build has ended, together with other jobs' reverse triggers."""

    label = "Build other projects"

    def __init__(self, fields: Fields) -> None:
        self.projects = fields.text("childProjects")
        fields.harmless("threshold")

    def plan(self) -> str:
        return f"start {self.projects}"

    def perform(self, build: Build) -> None:
        """Nothing here: the result is not final before all publishers ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One config of the publisher: which jobs, after which results, with which parameters."""

    projects: str
    results: frozenset[Result]
    sources: tuple[Fields, ...]


class ParameterizedTrigger:
    """hudson.plugins.parameterizedtrigger.BuildTrigger: jobs with parameters, by result."""

    label = "Trigger parameterized build on other projects"

    def __init__(self, fields: Fields) -> None:
        self.starts = tuple(_start(config) for config in fields.children("configs/*"))

    def plan(self) -> str:
        return f"start {', '.join(start.projects for start in self.starts)} with parameters"

    def perform(self, build: Build) -> None:
        build.after.append(lambda: self._start(build))

    def _start(self, build: Build) -> None:
        for start in self.starts:
            if build.result not in start.results:
                continue
            values = self._values(build, start)
            for name in split_names(build.expand(start.projects)):
                build.say(build.services.start_downstream(build, name, values))

    def _values(self, build: Build, start: Start) -> Mapping[str, Value]:
        values: dict[str, Value] = {}
        for source in start.sources:
            if source.tag == f"{PREFIX}CurrentBuildParameters":
                values |= {one.name: one.value for one in build.record.parameters if not one.secret}
            else:
                given = properties.load(source.text("properties"))
                values |= {name: build.expand(value) for name, value in given.items()}
        return values


def _start(config: Fields) -> Start:
    sources = config.children("configs/*")
    for source in sources:
        source.text("properties")
        if source.tag not in (f"{PREFIX}PredefinedBuildParameters", f"{PREFIX}CurrentBuildParameters"):
            config.reasons.append(f"this runner does not know the parameter source <{source.tag}>")
    config.harmless("triggerWithNoParameters", "triggerFromChildProjects")
    return Start(
        projects=config.text("projects"),
        results=frozenset(CONDITIONS.get(config.text("condition", "SUCCESS"), ())),
        sources=sources,
    )


ELEMENTS = (
    Entry(tag="hudson.tasks.BuildTrigger", plugin="core", kind="publisher", make=BuildTrigger),
    Entry(
        tag="hudson.plugins.parameterizedtrigger.BuildTrigger",
        plugin="parameterized-trigger",
        kind="publisher",
        make=ParameterizedTrigger,
    ),
)
