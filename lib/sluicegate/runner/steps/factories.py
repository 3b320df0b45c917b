"""parameterized-trigger: how many builds of a started job there are, each with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sluicegate.model.numbers import INT, whole
from sluicegate.runner import properties
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.parameters import Given, Upload, Value
from sluicegate.runner.reading import taken, text_of
from sluicegate.runner.steps.sources import NODES, PREFIX, NotTriggered, entry


class Factory(Protocol):
    """One set of parameters for each build of the started jobs."""

    def sets(self, build: Build) -> Sequence[Mapping[str, Given]]:
        """A build each."""


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
        self.files = Matching(fields)
        self.encoding = fields.text("encoding").strip() or "utf-8"

    def sets(self, build: Build) -> Sequence[Mapping[str, Given]]:
        return self.files.sets(build, lambda file: properties.load(text_of(build, file, self.encoding)))


class BinaryFileEach:
    """BinaryFileParameterFactory: a build for each file that matches, which has it as a file parameter."""

    def __init__(self, fields: Fields) -> None:
        self.files = Matching(fields)
        self.name = fields.text("parameterName").strip()

    def sets(self, build: Build) -> Sequence[Mapping[str, Given]]:
        return self.files.sets(build, lambda file: {self.name: self._kept(build, file)})

    def _kept(self, build: Build, file: str) -> Upload:
        with build.ground.open(file) as stream:
            return build.services.keep(stream, file)


class Matching:
    """The files of the workspace that match, and what is done where none does."""

    def __init__(self, fields: Fields) -> None:
        self.pattern = fields.text("filePattern")
        self.otherwise = fields.text("noFilesFoundAction", "SKIP").strip()

    def sets(self, build: Build, of: Callable[[str], Mapping[str, Given]]) -> Sequence[Mapping[str, Given]]:
        """A build each, with the parameters that `of` gives for the file."""
        names = taken(build, build.workspace, build.expand(self.pattern))
        if not names:
            return nothing(build, self.otherwise, f"no files match {self.pattern}")
        return [of(file) for file in names]


class LineEach:
    """LinesFromFileBuildParameterFactory: a build for each line of a file that is not empty, `$LINE` in its lines."""

    def __init__(self, fields: Fields) -> None:
        self.path, self.text = fields.text("filePath"), fields.text("paramExpr")

    def sets(self, build: Build) -> Sequence[Mapping[str, Value]]:
        file = build.expand(self.path)
        try:
            lines = [line.strip() for line in text_of(build, file).splitlines() if line.strip()]
        except OSError as problem:
            raise StepFailed(f"the file {file} of lines is not there") from problem
        build.say(f"{len(lines)} lines in file: {file}.  {len(lines)} builds will be triggered.")
        return [properties.load(properties.expand(self.text, {"LINE": line})) for line in lines]


class EachNode:
    """AllNodesForLabelBuildParameterFactory and AllNodesBuildParameterFactory: a build for each machine, here one."""

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text("name").strip()
        fields.harmless("nodeLabel", "ignoreOfflineNodes")

    def sets(self, build: Build) -> Sequence[Mapping[str, Value]]:
        return [{self.name: build.env["NODE_NAME"]} if self.name else {}]


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


FACTORIES: dict[str, Callable[[Fields], Factory]] = {
    f"{PREFIX}CounterBuildParameterFactory": Counter,
    f"{PREFIX}FileBuildParameterFactory": FileEach,
    f"{PREFIX}BinaryFileParameterFactory": BinaryFileEach,
    f"{PREFIX}LinesFromFileBuildParameterFactory": LineEach,
    f"{NODES}AllNodesForLabelBuildParameterFactory": EachNode,
    f"{NODES}AllNodesBuildParameterFactory": EachNode,
}


ELEMENTS = tuple(entry(tag, make) for tag, make in FACTORIES.items())
