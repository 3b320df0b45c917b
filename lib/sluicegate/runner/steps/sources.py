"""parameterized-trigger: where the parameters of a started job come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from sluicegate.runner import properties
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.combinations import Filter, subset
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import Given, Upload, Value
from sluicegate.runner.reading import text_of
from sluicegate.runner.scm import history

PREFIX = "hudson.plugins.parameterizedtrigger."
NODES = "org.jvnet.jenkins.plugins.nodelabelparameter.parameterizedtrigger."


class NotTriggered(StepFailed):
    """The jobs of this configuration are not started (AbstractBuildParameters.DontTriggerException)."""


class Source(Protocol):
    """Parameters for the started jobs. Raises NotTriggered when they must not be started."""

    def values(self, build: Build) -> Mapping[str, Given]:
        """Name -> value."""


class Current:
    """CurrentBuildParameters: what this build was started with."""

    def __init__(self, fields: Fields) -> None:
        pass

    def values(self, build: Build) -> Mapping[str, Given]:
        return current(build)


def current(build: Build) -> Mapping[str, Given]:
    """What a build was started with, files too, but for what is secret."""
    return {
        parameter.name: Upload(file_name=parameter.text, sha256=parameter.sha256)
        if parameter.sha256
        else parameter.value
        for parameter in build.record.parameters
        if not parameter.secret
    }


class Predefined:
    """PredefinedBuildParameters: lines of NAME=VALUE."""

    def __init__(self, fields: Fields) -> None:
        self.text = fields.text("properties")
        fields.harmless("textParamValueOnNewLine")  # Lines that a backslash joins are one value in any case.

    def values(self, build: Build) -> Mapping[str, Value]:
        return {name: build.expand(value) for name, value in properties.load(self.text).items()}


class FromFiles:
    """FileBuildParameters: lines of NAME=VALUE in files."""

    def __init__(self, fields: Fields) -> None:
        self.names = fields.text("propertiesFile")
        self.needs_file = fields.flag("failTriggerOnMissing")
        self.encoding = fields.text("encoding").strip() or "utf-8"
        fields.harmless("textParamValueOnNewLine")
        self.of_cells = fields.flag("useMatrixChild")
        # Cells are always built anew with their matrix: every run is an exact one.
        self.cells, _ = Filter(fields.text("combinationFilter")), fields.flag("onlyExactRuns")

    def values(self, build: Build) -> Mapping[str, Value]:
        values: dict[str, Value] = {}
        for name in filter(None, map(str.strip, build.expand(self.names).split(","))):
            for folder in self._folders(build) if self.of_cells else [build.workspace]:
                values |= self._read(build, name, folder)
        return values

    def _folders(self, build: Build) -> list[Path]:
        """The workspaces of the cells that this build has built and the filter leaves."""
        folders = []
        for cell in build.services.cells(build.services.job(build, f"/{build.record.job}")):
            run = cell.history.get(build.record.number)
            axes = dict(part.partition("=")[::2] for part in unquote(cell.name).split(","))
            if run is not None and self.cells.keeps(axes, 0):
                folders.append(Path(run.workspace))
        return folders

    def _read(self, build: Build, name: str, folder: Path) -> Mapping[str, Value]:
        try:
            return properties.load(build.expand(text_of(build, name, self.encoding, folder)))
        except OSError as problem:
            message = f"Could not trigger downstream project, as properties file {name} did not exist."
            build.say(f"[parameterizedtrigger] {message}")
            if self.needs_file:
                raise NotTriggered("") from problem
            return {}


class GitRevision:
    """GitRevisionBuildParameters: the started jobs build the commit that this build has, where they have it too."""

    def __init__(self, fields: Fields) -> None:
        # Commits that wait are never combined: each is built by itself.
        fields.harmless("combineQueuedCommits")

    def values(self, build: Build) -> Mapping[str, Value]:
        return {}

    def action(self, build: Build) -> str:
        commit = history.commit_of(build.record)
        if not commit:
            raise StepFailed("there is no Git commit to pass on: this build has checked nothing out")
        return history.forcing(commit)


class MatrixSubset:
    """MatrixSubsetBuildParameters: a started matrix builds those of its cells alone that the filter leaves."""

    def __init__(self, fields: Fields) -> None:
        self.filter = fields.text("filter")

    def values(self, build: Build) -> Mapping[str, Value]:
        return {}

    def action(self, build: Build) -> str:
        return subset(build.expand(self.filter))


class SubversionRevision:
    """SubversionRevisionBuildParameters: passes nothing on from a build that has no Subversion, which none has here."""

    def __init__(self, fields: Fields) -> None:
        fields.harmless("includeUpstreamParameters")

    def values(self, build: Build) -> Mapping[str, Value]:
        build.say("[parameterizedtrigger] no SubversionTagAction found -- is this project an SVN project ?")
        return {}


def actions_for(build: Build, sources: Sequence[Source]) -> tuple[str, ...]:
    """What the builds of started jobs carry beside parameters: the commit that they take, the cells that they build."""
    return tuple(source.action(build) for source in sources if isinstance(source, (GitRevision, MatrixSubset)))


class Booleans:
    """BooleanParameters: names with true or false."""

    def __init__(self, fields: Fields) -> None:
        configs = fields.children("configs/*")
        self.flags = {config.text("name").strip(): config.flag("value") for config in configs}

    def values(self, build: Build) -> Mapping[str, Value]:
        return self.flags


class Runs:
    """RunParameters: builds of other jobs by their numbers, as the values of run parameters."""

    def __init__(self, fields: Fields) -> None:
        configs = fields.children("configs/*")
        self.runs = {run.text("name"): (run.text("projectName"), run.text("buildNumber")) for run in configs}

    def values(self, build: Build) -> Mapping[str, Value]:
        return {name: f"{build.expand(job)}#{build.expand(number)}" for name, (job, number) in self.runs.items()}


class SameNode:
    """NodeParameters: the same machine; here is only one."""

    def __init__(self, fields: Fields) -> None:
        pass

    def values(self, build: Build) -> Mapping[str, Value]:
        return {}


class Label:
    """NodeLabelBuildParameter: the value of a label parameter."""

    def __init__(self, fields: Fields) -> None:
        self.name, self.label = fields.text("name").strip(), fields.text("nodeLabel")

    def values(self, build: Build) -> Mapping[str, Value]:
        return {self.name: build.expand(self.label)}


SOURCES: dict[str, Callable[[Fields], Source]] = {
    f"{PREFIX}CurrentBuildParameters": Current,
    f"{PREFIX}PredefinedBuildParameters": Predefined,
    f"{PREFIX}FileBuildParameters": FromFiles,
    f"{PREFIX}BooleanParameters": Booleans,
    f"{PREFIX}RunParameters": Runs,
    f"{PREFIX}matrix.MatrixSubsetBuildParameters": MatrixSubset,
    f"{PREFIX}SubversionRevisionBuildParameters": SubversionRevision,
    "hudson.plugins.git.GitRevisionBuildParameters": GitRevision,
    f"{PREFIX}NodeParameters": SameNode,
    f"{NODES}NodeLabelBuildParameter": Label,
}


def entry(tag: str, make: Callable[[Fields], object]) -> Entry:
    """What the catalogue knows of a source, or of a factory."""
    plugin = "nodelabelparameter" if tag.startswith(NODES) else "parameterized-trigger"
    plugin = "git" if tag.startswith("hudson.plugins.git.") else plugin
    return Entry(tag=tag, plugin=plugin, kind="parameter source", make=make)


ELEMENTS = tuple(entry(tag, make) for tag, make in SOURCES.items())
