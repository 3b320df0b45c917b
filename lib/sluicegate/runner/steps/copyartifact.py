"""copyartifact: files that another job's build archived, into this workspace; which build, its selector says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from sluicegate.errors import Malformed, NotFound
from sluicegate.model.printable import counted
from sluicegate.runner import fingerprints, reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements import catalogue
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.item import Item
from sluicegate.runner.parameters import Definition
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.tools import files, xml

PREFIX = "hudson.plugins.copyartifact."
Fits = Callable[[Record], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which build of a job: the first of `builds` that ended and fits; `workspace`: no build at all."""

    words: str
    builds: Callable[[Build, Item], Iterator[Record]]
    workspace: bool = False


def _ended(item: Item) -> Iterator[Record]:
    """The builds of a job that ended, newest first."""
    for number in reversed(item.history.numbers()):
        record = item.history.get(number)
        if record is not None and not record.building:
            yield record


def _good(item: Item, worst: Result) -> Iterator[Record]:
    return (record for record in _ended(item) if record.result is not None and record.result <= worst)


def _status(fields: Fields) -> Selector:
    stable = fields.flag("stable")
    worst = Result.SUCCESS if stable else Result.UNSTABLE
    return Selector(words=f"last {'stable' if stable else 'good'} build", builds=lambda build, item: _good(item, worst))


def _completed(fields: Fields) -> Selector:
    return Selector(words="last completed build", builds=lambda build, item: _ended(item))


def _specific(fields: Fields) -> Selector:
    number = fields.text("buildNumber").strip()

    def builds(build: Build, item: Item) -> Iterator[Record]:
        wanted = build.expand(number).strip()
        record = item.history.resolve(wanted)
        records = [record] if record is not None else [r for r in _ended(item) if r.display_name == wanted]
        return (record for record in records if not record.building)

    return Selector(words=f"build {number}", builds=builds)


def _permalink(fields: Fields) -> Selector:
    name = fields.text("id").strip()

    def builds(build: Build, item: Item) -> Iterator[Record]:
        record = item.history.resolve(name)
        return iter([record] if record is not None else [])

    return Selector(words=name, builds=builds)


def _saved(fields: Fields) -> Selector:
    return Selector(
        words="last kept build", builds=lambda build, item: (record for record in _ended(item) if record.keep)
    )


def _triggered(fields: Fields) -> Selector:
    """The build that started this one, perhaps by others in between."""
    falls_back = fields.flag("fallbackToLastSuccessful")
    oldest = fields.text("upstreamFilterStrategy").strip() == "UseOldest"
    fields.harmless("allowUpstreamDependencies")

    def up(build: Build, item: Item) -> Iterator[Record]:
        numbers = sorted(_numbers(build.record.causes, item.full_name), reverse=not oldest)
        yield from (record for number in numbers if (record := item.history.get(number)) is not None)
        if falls_back and not numbers:
            yield from _good(item, Result.UNSTABLE)

    return Selector(words="the build that started this one", builds=up)


def _numbers(causes: tuple[Cause, ...], job: str) -> set[int]:
    numbers = {cause.build for cause in causes if cause.kind == "upstream" and cause.project == job}
    return numbers.union(*(_numbers(cause.causes, job) for cause in causes))


def _downstream(fields: Fields) -> Selector:
    """The build that a build of another job has started."""
    project, number = fields.text("upstreamProjectName").strip(), fields.text("upstreamBuildNumber").strip()

    def down(build: Build, item: Item) -> Iterator[Record]:
        upstream = build.services.job(build, build.expand(project))
        source = upstream.history.resolve(build.expand(number).strip())
        wanted = source.number if source is not None else -1
        return (record for record in _ended(item) if wanted in _numbers(record.causes, upstream.full_name))

    return Selector(words=f"what {project} #{number} has started", builds=down)


def _phase(fields: Fields) -> Selector:
    """MultiJobBuildSelector: the build that a phase of this job has called."""

    def called(build: Build, item: Item) -> Iterator[Record]:
        word = re.sub(r"[^a-zA-Z0-9]+", "_", item.full_name)
        record = item.history.resolve(build.env.get(f"TRIGGERED_BUILD_NUMBER_{word}", ""))
        return iter([record] if record is not None else [])

    return Selector(words="the build of this job's phase", builds=called)


def _workspace(fields: Fields) -> Selector:
    return Selector(words="workspace", builds=lambda build, item: _ended(item), workspace=True)


def _by_parameter(fields: Fields) -> Selector:
    """ParameterizedBuildSelector: a parameter holds a selector as XML, or the number of a build."""
    name = fields.text("parameterName", "BUILD_SELECTOR").strip()

    def chosen(build: Build, item: Item) -> Iterator[Record]:
        text = build.variables.get(name, "").strip()
        record = item.history.resolve(text)
        if record is not None:
            return iter([record])
        return _from_text(text).builds(build, item)

    return Selector(words=f"build that the parameter {name} selects", builds=chosen)


def _from_text(text: str) -> Selector:
    try:
        element = xml.parse(text.encode(), source="the selector")
        element.tag = element.tag if "." in element.tag else f"{PREFIX}{element.tag}"
        selector = catalogue.make("build selector", element)
    except Malformed as problem:
        raise StepFailed(f"'{text}' is neither a build's number nor a selector: {problem.message}") from problem
    assert isinstance(selector, Selector)
    return selector


class CopyArtifact:
    """hudson.plugins.copyartifact.CopyArtifact. No build, or no file, fails the step unless it is optional."""

    label = "Copy artifacts from another project"

    def __init__(self, fields: Fields) -> None:
        self.project = (fields.text("project") or fields.text("projectName")).strip()
        self.filter, self.excludes = fields.text("filter"), fields.text("excludes") or fields.text("exclude")
        self.target = fields.text("target").strip()
        self.flatten, self.optional = fields.flag("flatten"), fields.flag("optional")
        self.marks = not fields.flag("doNotFingerprintArtifacts")
        self.parameters = fields.text("parameters").strip()
        self.suffix = fields.text("resultVariableSuffix").strip()
        self.numbered = fields.flag("includeBuildNumberInTargetPath")
        selectors = [
            selector for selector in fields.parts("build selector", "selector") if isinstance(selector, Selector)
        ]
        self.selector = selectors[0] if selectors else _status(Fields(Element("selector"), catalogue.make))

    def plan(self) -> str:
        return f"copy {self.filter or 'all'} of {self.project}, {self.selector.words}"

    def perform(self, build: Build) -> None:
        name = build.expand(self.project)
        absent = f"Unable to find project for artifact copy: {self.project}"
        try:
            item = build.services.job(build, name)
        except NotFound as problem:
            raise StepFailed(absent) from problem
        # A name with a variable is chosen by whoever starts the build (CopyArtifact.canReadFrom).
        if name != self.project and not build.services.may_read(build, item):
            raise StepFailed(absent)
        record = next(
            (candidate for candidate in self.selector.builds(build, item) if self._fits(build, candidate)), None
        )
        if record is None and not self.selector.workspace:
            self._nothing(build, f"Unable to find a build for artifact copy from: {item.full_name}")
            return
        number = record.number if record is not None else 0
        self._tell(build, item, number)
        target = self._target(build, number)
        sources = self._sources(build, item, record)
        count = sum(self._copy(build, source, target / inside, record) for inside, source in sources)
        build.say(f'Copied {counted(count, "artifact", "artifacts")} from "{item.full_name}" build number {number}')
        if not count:
            self._nothing(build, f"Failed to copy artifacts from {item.full_name} with filter: {self.filter}")

    def _nothing(self, build: Build, message: str) -> None:
        if not self.optional:
            raise StepFailed(message)
        build.say(message)

    def _fits(self, build: Build, record: Record) -> bool:
        values = {parameter.name: parameter.text for parameter in record.parameters}
        pairs = [pair.partition("=") for pair in build.expand(self.parameters).split(",") if pair.strip()]
        return all(values.get(name.strip()) == value.strip() for name, _, value in pairs)

    def _tell(self, build: Build, item: Item, number: int) -> None:
        """The variable that names the build, as the plugin's later steps read it."""
        word = self.suffix or re.sub(r"[^A-Z]+", "_", item.full_name.upper())
        build.env[f"COPYARTIFACT_BUILD_NUMBER_{word}"] = str(number)

    def _target(self, build: Build, number: int) -> Path:
        target = build.workspace / build.expand(self.target)
        if not target.resolve().is_relative_to(build.workspace.resolve()):
            raise StepFailed(f"the target '{self.target}' lies outside the workspace")
        return target / str(number) if self.numbered else target

    def _sources(self, build: Build, item: Item, record: Record | None) -> list[tuple[str, Path]]:
        """The folders to copy from, each with its folder in the target: those of all cells, for a matrix."""
        if self.selector.workspace:
            return [("", build.services.workspace_of(item))]
        assert record is not None
        cells = build.services.cells(item)
        runs = [(cell.name, run) for cell in cells if (run := cell.history.get(record.number)) is not None]
        return [(name, run.archive) for name, run in runs] if runs else [("", record.archive)]

    def _copy(self, build: Build, source: Path, target: Path, record: Record | None) -> int:
        names = reading.taken(build, source, build.expand(self.filter).strip() or "**", build.expand(self.excludes))
        marks = {}
        for name in names:
            build.check()
            place = target / (Path(name).name if self.flatten else name)
            with os.fdopen(files.open_beneath(source, name, follow=True), "rb") as stream:
                status = os.fstat(stream.fileno())
                with build.ground.create(place) as writing:
                    writing.writelines(build.ground.blocks(stream))
                    os.fchmod(writing.fileno(), status.st_mode & 0o777)
                    os.utime(writing.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
                stream.seek(0)
                marks[name] = fingerprints.of_blocks(build.ground.blocks(stream))
        if self.marks and marks:
            fingerprints.record(build.record, marks, build.record.start_time / 1000)
        return len(names)


def _selector_parameter(fields: Fields) -> Definition:
    """BuildSelectorParameter: its value is a selector as XML."""
    default = fields.element.find("defaultSelector")
    fields.harmless("defaultSelector")
    text = ""
    if default is not None:
        named = Element(default.get("class", "").removeprefix(PREFIX))
        named.extend(default)
        text = tostring(named, encoding="unicode")
    return Definition(name=fields.text("name"), kind="String", description=fields.text("description"), default=text)


SELECTORS: dict[str, Callable[[Fields], Selector]] = {
    f"{PREFIX}StatusBuildSelector": _status,
    f"{PREFIX}LastCompletedBuildSelector": _completed,
    f"{PREFIX}SpecificBuildSelector": _specific,
    f"{PREFIX}PermalinkBuildSelector": _permalink,
    f"{PREFIX}SavedBuildSelector": _saved,
    f"{PREFIX}TriggeredBuildSelector": _triggered,
    f"{PREFIX}DownstreamBuildSelector": _downstream,
    f"{PREFIX}WorkspaceSelector": _workspace,
    f"{PREFIX}ParameterizedBuildSelector": _by_parameter,
    "com.tikal.jenkins.plugins.multijob.MultiJobBuildSelector": _phase,
}
ELEMENTS = (
    Entry(tag=f"{PREFIX}CopyArtifact", plugin="copyartifact", kind="builder", make=CopyArtifact),
    Entry(tag=f"{PREFIX}BuildSelectorParameter", plugin="copyartifact", kind="parameter", make=_selector_parameter),
    *(Entry(tag=tag, plugin="copyartifact", kind="build selector", make=make) for tag, make in SELECTORS.items()),
)
