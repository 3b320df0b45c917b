"""hudson.matrix.MatrixProject: a build starts one of each combination of its axes, and is as bad as the worst one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, SubElement

from sluicegate.errors import Malformed
from sluicegate.runner.build import Build, Started, StepFailed
from sluicegate.runner.combinations import Axis, Filter, cells, subsets
from sluicegate.runner.elements.acting import Plan, Step
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.elements.projects import HARMLESS, READ_BY_JOBXML
from sluicegate.runner.jobxml import CELL, MATRIX
from sluicegate.runner.results import Result
from sluicegate.runner.scm.reading import joined
from sluicegate.runner.steps.moreparameters import COMBINATIONS

AXES = {
    "hudson.matrix.TextAxis",
    "hudson.matrix.LabelAxis",
    "hudson.matrix.LabelExpAxis",
    "hudson.matrix.JDKAxis",
    "jenkins.plugins.shiningpanda.matrix.PythonAxis",
    "jenkins.plugins.shiningpanda.matrix.ToxAxis",
}
DYNAMIC = "ca.silvermaplesolutions.jenkins.plugins.daxis.DynamicAxis"
OF_A_CELL = ("scm", "scmCheckoutRetryCount", "concurrentBuild", "builders", "buildWrappers")
PARENT_ONLY = ("hudson.tasks.BuildTrigger", "hudson.plugins.parameterizedtrigger.BuildTrigger", "hudson.tasks.Mailer")
POST_BUILD = "org.jenkinsci.plugins.postbuildscript.PostBuildScript"
POST_STEPS = "config/buildSteps/org.jenkinsci.plugins.postbuildscript.model.PostBuildStep"
BLOCKING = (
    "hudson.plugins.buildblocker.BuildBlockerProperty",
    "hudson.plugins.throttleconcurrents.ThrottleJobProperty",
    "org.jenkins.plugins.lockableresources.RequiredResourcesProperty",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisField:
    """An axis as the job has it; the values of a dynamic one are in a variable of the build."""

    name: str
    values: tuple[str, ...]
    variable: str = ""

    def axis(self, build: Build) -> Axis:
        words = build.variables.get(self.variable, "").split() if self.variable else ()
        return Axis(name=self.name, values=tuple(words) or self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """DefaultMatrixExecutionStrategyImpl: in what order, and what is tried first."""

    sequential: bool
    touchstone: Filter | None
    good_enough: Result


class Cells:
    """The parent's only step: it starts the builds of the cells and waits for all of them."""

    label = "Matrix"

    def __init__(
        self, *, axes: Sequence[AxisField], keeps: Filter, strategy: Strategy, root: Element, workspace: str
    ) -> None:
        self.axes, self.keeps, self.strategy, self.root, self.workspace = axes, keeps, strategy, root, workspace
        chosen = root.iterfind(f"properties/hudson.model.ParametersDefinitionProperty//{COMBINATIONS}")
        self.narrowed_by = [(parameter.findtext("name") or "").strip() for parameter in chosen]

    def plan(self) -> str:
        return f"a build for each of {' x '.join(axis.name for axis in self.axes)}"

    def perform(self, build: Build) -> None:
        chosen = self._chosen(build)
        stones = self.strategy.touchstone
        first = [cell for index, cell in chosen if stones is not None and _keeps(stones, cell, index)]
        rest = [cell for _, cell in chosen if cell not in first]
        if self._run(build, first) > self.strategy.good_enough:
            build.say(f"Touchstone configurations resulted in {build.result.name}, so aborting...")
            return
        self._run(build, rest)

    def _chosen(self, build: Build) -> list[tuple[int, dict[str, str]]]:
        numbered = list(enumerate(cells([axis.axis(build) for axis in self.axes])))
        filters = [self.keeps, *self._narrowed(build)]
        chosen = [
            (index, cell) for index, cell in numbered if all(_keeps(narrowing, cell, index) for narrowing in filters)
        ]
        if not chosen:
            build.say("WARNING: the combination filter leaves no configuration to build")
        return chosen

    def _narrowed(self, build: Build) -> list[Filter]:
        """What parameters (matrix-combinations-parameter) and a starting build (MatrixSubsetAction) ask for."""
        try:
            filters = [Filter(build.variables.get(name, "")) for name in self.narrowed_by]
            return filters + subsets(build.record.extra)
        except Malformed as problem:
            raise StepFailed(problem.message) from problem

    def _run(self, build: Build, chosen: Sequence[Mapping[str, str]]) -> Result:
        """Build these cells; the worst result of all."""
        worst = Result.SUCCESS
        waiting: list[Started] = []
        for cell in chosen:
            started = self._start(build, cell)
            if self.strategy.sequential:
                worst = max(worst, self._wait(build, started))
            else:
                waiting.append(started)
        for started in waiting:
            worst = max(worst, self._wait(build, started))
        build.worsen(worst)
        return worst

    def _start(self, build: Build, cell: Mapping[str, str]) -> Started:
        name = ",".join(f"{axis}={value}" for axis, value in cell.items())
        build.say(f"Triggering {build.record.job} » {name}")
        return build.services.start_cell(build, cell, cell_root(self.root, cell, self._folder(build, cell)))

    def _folder(self, build: Build, cell: Mapping[str, str]) -> str:
        """A cell's folder: below the parent's, by its axes; `childCustomWorkspace` may say another place there."""
        combination = "/".join(f"{axis}/{value.replace('/', '_')}" for axis, value in cell.items())
        inside = build.expand(
            self.workspace.replace("${COMBINATION}", combination).replace("$COMBINATION", combination)
        )
        if not build.services.confines():
            return str(build.workspace / (inside or combination))
        if Path(inside).is_absolute():
            return inside
        # No cell and no parent may change the folder above a cell's: see `Workspaces.of_cells`.
        name = "-".join(part for part in (inside or combination).split("/") if part not in ("", ".", ".."))
        return str(build.services.folder_of_cells(build) / (name or "all"))

    def _wait(self, build: Build, started: Started) -> Result:
        record = build.services.wait(build, started)
        if record is None or record.result is None:
            raise StepFailed(f"{started.job} was taken out of the queue, or deleted")
        build.say(f"{started.job.replace('/', ' » ')} completed with result {record.result.name}")
        return record.result


def _keeps(expression: Filter, cell: Mapping[str, str], index: int) -> bool:
    try:
        return expression.keeps(cell, index)
    except Malformed as problem:
        raise StepFailed(problem.message) from problem


def cell_root(root: Element, cell: Mapping[str, str], workspace: str) -> Element:
    """The config.xml of one cell: the parent's steps, with the values of its axes as variables."""
    root_of_cell = Element("project")
    root_of_cell.extend(child for child in root if child.tag in OF_A_CELL)
    properties = SubElement(root_of_cell, "properties")
    properties.extend(element for element in root.iterfind("properties/*") if element.tag not in BLOCKING)
    combination = SubElement(properties, CELL)
    for axis, value in cell.items():
        SubElement(combination, "axis", {"name": axis}).text = value
    SubElement(root_of_cell, "publishers").extend(_publishers(root, ("AXES", "BOTH"), parent=False))
    SubElement(root_of_cell, "customWorkspace").text = workspace
    return root_of_cell


def _publishers(root: Element, where: Sequence[str], *, parent: bool) -> list[Element]:
    """What runs after a cell, or after the parent: what starts other jobs belongs to the parent alone."""
    publishers = []
    for publisher in root.iterfind("publishers/*"):
        if publisher.tag == POST_BUILD:
            kept = copy.deepcopy(publisher)
            for steps in kept.iterfind("config/buildSteps"):
                for step in list(steps):
                    if (step.findtext("executeOn") or "BOTH").strip() not in where:
                        steps.remove(step)
            publishers.append(kept)
        elif (publisher.tag in PARENT_ONLY) is parent:
            publishers.append(publisher)
    return publishers


class AxisValues:
    """The variables of a cell."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.values = {axis.attribute("name"): axis.element.text or "" for axis in fields.children("axis")}

    def plan(self) -> str:
        return f"set {', '.join(f'{name}={value}' for name, value in self.values.items())}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        build.parameter_values |= self.values
        yield


def matrix(fields: Fields) -> Plan:
    """The plan of the parent. What the cells do is looked at too: what cannot run there is a reason here."""
    fields.harmless(*READ_BY_JOBXML, *HARMLESS, "publishers", "builders", "buildWrappers")
    fields.parts("trigger", "triggers/*")
    fields.parts("property", "properties/*")
    axes = [_axis(axis, fields) for axis in fields.children("axes/*")]
    root = fields.element
    sample = {axis.name: axis.values[0] if axis.values else "" for axis in axes}
    fields.check("project", cell_root(root, sample, ""))
    publishers = Element("publishers")
    publishers.extend(_publishers(root, ("MATRIX", "BOTH"), parent=True))
    step = Cells(
        axes=axes,
        keeps=Filter(fields.text("combinationFilter")),
        strategy=_strategy(fields),
        root=root,
        workspace=fields.text("childCustomWorkspace").strip(),
    )
    return Plan(
        source=joined(fields.parts("scm", "scm")),
        wrappers=(),
        builders=(step,),
        publishers=cast("tuple[Step, ...]", fields.parts_of("publisher", publishers)),
    )


def _axis(axis: Fields, fields: Fields) -> AxisField:
    name, values = axis.text("name").strip(), axis.texts("values/string")
    if axis.tag == DYNAMIC:
        axis.harmless("axisValues")
        return AxisField(name=name, values=axis.texts("axisValues/string"), variable=axis.text("varName").strip())
    if axis.tag not in AXES:
        fields.reasons.append(f"this runner does not know the axis <{axis.tag}>")
    return AxisField(name=name, values=values)


def _strategy(fields: Fields) -> Strategy:
    child = fields.child("executionStrategy")
    if child is None:
        return Strategy(sequential=False, touchstone=None, good_enough=Result.SUCCESS)
    if not child.tag.endswith("DefaultMatrixExecutionStrategyImpl"):
        fields.reasons.append(f"this runner does not know the execution strategy <{child.tag}>")
    child.harmless(*(f"touchStoneResultCondition/{name}" for name in ("ordinal", "color", "completeBuild")), "sorter")
    expression = child.text("touchStoneCombinationFilter").strip()
    return Strategy(
        sequential=child.flag("runSequentially"),
        touchstone=Filter(expression) if expression else None,
        good_enough=Result.named(child.text("touchStoneResultCondition/name", "SUCCESS")),
    )


ELEMENTS = (
    Entry(tag=MATRIX, plugin="matrix-project", kind="project", make=matrix),
    Entry(tag=CELL, plugin="matrix-project", kind="property", make=AxisValues),
)
