"""Other jobs started by a build: BuildTrigger by the runner itself, parameterized-trigger by its publisher."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.runner import environment
from sluicegate.runner.build import Build
from sluicegate.runner.jobxml import split_names
from sluicegate.runner.parameters import Value
from sluicegate.runner.results import Result
from sluicegate.tools import xml

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

    def __init__(self, element: Element) -> None:
        self.projects = xml.text(element, "childProjects")

    def plan(self) -> str:
        return f"start {self.projects}"

    def perform(self, build: Build) -> None:
        """Nothing here: the result is not final before all publishers ran."""


class ParameterizedTrigger:
    """hudson.plugins.parameterizedtrigger.BuildTrigger: jobs with parameters, by result."""

    label = "Trigger parameterized build on other projects"

    def __init__(self, element: Element) -> None:
        self.configs = tuple(element.iterfind("configs/*"))
        for source in (one for config in self.configs for one in config.iterfind("configs/*")):
            if source.tag not in (f"{PREFIX}PredefinedBuildParameters", f"{PREFIX}CurrentBuildParameters"):
                raise UsageError(f"this runner does not know the parameter source <{source.tag}>")

    def plan(self) -> str:
        return f"start {', '.join(xml.text(one, 'projects') for one in self.configs)} with parameters"

    def perform(self, build: Build) -> None:
        build.after.append(lambda: self._start(build))

    def _start(self, build: Build) -> None:
        for config in self.configs:
            if build.result not in CONDITIONS.get(xml.text(config, "condition", "SUCCESS"), set()):
                continue
            values = self._values(build, config)
            for name in split_names(build.expand(xml.text(config, "projects"))):
                build.say(build.services.start_downstream(build, name, values))

    def _values(self, build: Build, config: Element) -> Mapping[str, Value]:
        values: dict[str, Value] = {}
        for source in config.iterfind("configs/*"):
            if source.tag.endswith("CurrentBuildParameters"):
                values |= {one.name: one.value for one in build.record.parameters if not one.secret}
            else:
                given = environment.properties(xml.text(source, "properties"))
                values |= {name: build.expand(value) for name, value in given.items()}
        return values
