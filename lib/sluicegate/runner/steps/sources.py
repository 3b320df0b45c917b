"""parameterized-trigger: where the parameters of a started job come from, and how many builds a factory makes of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from sluicegate.model.numbers import INT, whole
from sluicegate.runner import antglob, properties
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.combinations import Filter, subset
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import Value
from sluicegate.runner.scm import history
from sluicegate.tools import files

PREFIX = "hudson.plugins.parameterizedtrigger."
NODES = "org.jvnet.jenkins.plugins.nodelabelparameter.parameterizedtrigger."
LARGEST = 1 << 20


class NotTriggered(StepFailed):
    """The jobs of this configuration are not started (AbstractBuildParameters.DontTriggerException)."""


class Source(Protocol):
    """Parameters for the started jobs. Raises NotTriggered when they must not be started."""

    def values(self, build: Build) -> Mapping[str, Value]:
        """Name -> value."""


class Factory(Protocol):
    """One set of parameters for each build of the started jobs."""

    def sets(self, build: Build) -> Sequence[Mapping[str, Value]]:
        """A build each."""


class Current:
    """CurrentBuildParameters: what this build was started with."""

    def __init__(self, fields: Fields) -> None:
        pass

    def values(self, build: Build) -> Mapping[str, Value]:
        return {one.name: one.value for one in build.record.parameters if not one.secret}


class Predefined:
    """PredefinedBuildParameters: lines of NAME=VALUE."""

    def __init__(self, fields: Fields) -> None:
        self.text = fields.text("properties")
        fields.harmless("textParamValueOnNewLine")  # Lines that a backslash joins are one value in any case.

    def values(self, build: Build) -> Mapping[str, Value]:
        return {name: build.expand(value) for name, value in properties.load(self.text).items()}


class FromFiles:
    """FileBuildParameters: lines of NAME=VALUE in files of the workspace."""

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
            return properties.load(build.expand(text_of(folder, name, self.encoding)))
        except OSError as problem:
            told = f"Could not trigger downstream project, as properties file {name} did not exist."
            build.say(f"[parameterizedtrigger] {told}")
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
    return tuple(one.action(build) for one in sources if isinstance(one, (GitRevision, MatrixSubset)))


class Booleans:
    """BooleanParameters: names with true or false."""

    def __init__(self, fields: Fields) -> None:
        configs = fields.children("configs/*")
        self.flags = {config.text("name").strip(): config.flag("value") for config in configs}

    def values(self, build: Build) -> Mapping[str, Value]:
        return self.flags


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


class Counter:
    """CounterBuildParameterFactory: a build for each number, `$COUNT` in its lines."""

    def __init__(self, fields: Fields) -> None:
        self.bounds = tuple(fields.text(name) for name in ("from", "to", "step"))
        self.text = fields.text("paramExpr")
        self.otherwise = fields.text("validationFail", "FAIL").strip()

    def sets(self, build: Build) -> Sequence[Mapping[str, Value]]:
        first, last, step = (_whole(build.expand(bound)) for bound in self.bounds)
        if first != last and (step == 0 or (last > first) != (step > 0)):
            return nothing(build, self.otherwise, "counting would not come to an end")
        numbers = [first] if first == last else range(first, last + (1 if step > 0 else -1), step)
        return [properties.load(properties.expand(self.text, {"COUNT": str(number)})) for number in numbers]


class FileEach:
    """FileBuildParameterFactory: a build for each file that matches."""

    def __init__(self, fields: Fields) -> None:
        self.pattern = fields.text("filePattern")
        self.encoding = fields.text("encoding").strip() or "utf-8"
        self.otherwise = fields.text("noFilesFoundAction", "SKIP").strip()

    def sets(self, build: Build) -> Sequence[Mapping[str, Value]]:
        found = antglob.find(build.workspace, build.expand(self.pattern))
        if not found.files:
            return nothing(build, self.otherwise, f"no files match {self.pattern}")
        return [properties.load(text_of(build.workspace, name, self.encoding)) for name in found.files]


class EachNode:
    """AllNodesForLabelBuildParameterFactory and AllNodesBuildParameterFactory: a build for each machine, here one."""

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text("name").strip()
        fields.harmless("nodeLabel", "ignoreOfflineNodes")

    def sets(self, build: Build) -> Sequence[Mapping[str, Value]]:
        return [{self.name: build.env["NODE_NAME"]} if self.name else {}]


def text_of(workspace: Path, name: str, encoding: str) -> str:
    """A file of a workspace. Raises OSError when it is not there, or leads out of it."""
    relative = os.path.normpath(name.removeprefix(f"{workspace}/"))
    with os.fdopen(files.open_beneath(workspace, relative), "rb") as stream:
        content = stream.read(LARGEST)
    try:
        return content.decode(encoding, "replace")
    except LookupError as problem:
        raise StepFailed(f"'{encoding}' is not a character encoding") from problem


def nothing(build: Build, otherwise: str, why: str) -> Sequence[Mapping[str, Value]]:
    """What a factory does that found nothing: fail, start nothing, or start without its parameters."""
    build.say(f"[parameterizedtrigger] {why}")
    if otherwise == "FAIL":
        raise StepFailed("")
    if otherwise == "SKIP":
        raise NotTriggered("")
    return [{}]


def _whole(text: str) -> int:
    number = whole(text.strip(), least=-INT, most=INT)
    if number is None:
        raise StepFailed(f"'{text}' is not a whole number")
    return number


SOURCES: dict[str, Callable[[Fields], Source]] = {
    f"{PREFIX}CurrentBuildParameters": Current,
    f"{PREFIX}PredefinedBuildParameters": Predefined,
    f"{PREFIX}FileBuildParameters": FromFiles,
    f"{PREFIX}BooleanParameters": Booleans,
    f"{PREFIX}matrix.MatrixSubsetBuildParameters": MatrixSubset,
    f"{PREFIX}SubversionRevisionBuildParameters": SubversionRevision,
    "hudson.plugins.git.GitRevisionBuildParameters": GitRevision,
    f"{PREFIX}NodeParameters": SameNode,
    f"{NODES}NodeLabelBuildParameter": Label,
}
FACTORIES: dict[str, Callable[[Fields], Factory]] = {
    f"{PREFIX}CounterBuildParameterFactory": Counter,
    f"{PREFIX}FileBuildParameterFactory": FileEach,
    f"{NODES}AllNodesForLabelBuildParameterFactory": EachNode,
    f"{NODES}AllNodesBuildParameterFactory": EachNode,
}


def _entry(tag: str, make: Callable[[Fields], object]) -> Entry:
    plugin = "nodelabelparameter" if tag.startswith(NODES) else "parameterized-trigger"
    plugin = "git" if tag.startswith("hudson.plugins.git.") else plugin
    return Entry(tag=tag, plugin=plugin, kind="parameter source", make=make)


ELEMENTS = tuple(_entry(tag, make) for tag, make in [*SOURCES.items(), *FACTORIES.items()])
