"""config.xml -> JobConfig: what the runner needs to know of a job. The file itself is kept byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed, UsageError
from sluicegate.runner import cron
from sluicegate.runner.results import Result
from sluicegate.tools import xml

MATRIX = "matrix-project"
CELL = "hudson.matrix.MatrixConfiguration"
"""The property by which the config.xml of a cell is known, which has the values of its axes; it is never on disk."""
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
CLASSES = {
    "project": "hudson.model.FreeStyleProject",
    "flow-definition": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
    "matrix-project": "hudson.matrix.MatrixProject",
    "maven2-moduleset": "hudson.maven.MavenModuleSet",
    FOLDER: FOLDER,
}
BUILD_CLASSES = {
    "project": "hudson.model.FreeStyleBuild",
    "matrix-project": "hudson.matrix.MatrixBuild",
    "maven2-moduleset": "hudson.maven.MavenModuleSetBuild",
    "com.tikal.jenkins.plugins.multijob.MultiJobProject": "com.tikal.jenkins.plugins.multijob.MultiJobBuild",
}
DEFAULT_QUIET_PERIOD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """jenkins.triggers.ReverseBuildTrigger: start when one of these jobs ends no worse than the threshold."""

    upstream: tuple[str, ...]
    threshold: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A job that hudson.tasks.BuildTrigger starts."""

    name: str
    threshold: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """hudson.tasks.LogRotator: how many builds and days of builds are kept, and of their artifacts; -1 keeps all."""

    builds: int = -1
    days: int = -1
    artifact_builds: int = -1
    artifact_days: int = -1


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class JobConfig:
    """A parsed config.xml. Elements are shared: nobody changes them."""

    root: Element = field(repr=False)
    tag: str
    description: str | None
    display_name: str
    disabled: bool
    quiet_period: int
    concurrent: bool
    timers: tuple[str, ...]
    polls: tuple[str, ...]
    heeds_hooks: bool
    reverse: tuple[Reverse, ...]
    children: tuple[Child, ...]
    token: str
    retention: Retention
    checkout_retries: int
    jdk: str
    label: str

    @property
    def is_folder(self) -> bool:
        return self.tag == FOLDER

    @property
    def is_cell(self) -> bool:
        """Whether this is one cell of a matrix."""
        return self.root.find(f"properties/{CELL}") is not None

    @property
    def job_class(self) -> str:
        return CLASSES.get(self.tag, self.tag)

    @property
    def build_class(self) -> str:
        return BUILD_CLASSES.get(self.tag, "org.jenkinsci.plugins.workflow.job.WorkflowRun")

    def section(self, name: str) -> tuple[Element, ...]:
        """The elements below `builders`, `publishers`, `buildWrappers`, `properties` or `triggers`."""
        return tuple(self.root.iterfind(f"{name}/*"))

    @property
    def scm(self) -> Element | None:
        return self.root.find("scm")


def parse(content: bytes, source: str = "config.xml") -> JobConfig:
    """Read a config.xml. Raises Malformed when it is not a job's or folder's."""
    root = xml.parse(content, source=source)
    if root.tag not in CLASSES and "." not in root.tag:
        raise Malformed(f"{source}: <{root.tag}> is not a project type")
    scm_trigger = root.find("triggers/hudson.triggers.SCMTrigger")
    description = root.find("description")
    return JobConfig(
        root=root,
        tag=root.tag,
        description=None if description is None else (description.text or ""),
        display_name=xml.text(root, "displayName"),
        disabled=xml.flag(root, "disabled"),
        quiet_period=xml.number(root, "quietPeriod", DEFAULT_QUIET_PERIOD),
        concurrent=xml.flag(root, "concurrentBuild"),
        timers=_specs(root, "hudson.triggers.TimerTrigger"),
        polls=_specs(root, "hudson.triggers.SCMTrigger"),
        heeds_hooks=scm_trigger is not None and not xml.flag(scm_trigger, "ignorePostCommitHooks"),
        reverse=tuple(_reverse(trigger) for trigger in root.iterfind("triggers/jenkins.triggers.ReverseBuildTrigger")),
        children=tuple(
            child for trigger in root.iterfind("publishers/hudson.tasks.BuildTrigger") for child in _children(trigger)
        ),
        token=xml.text(root, "authToken").strip(),
        retention=_retention(root),
        checkout_retries=xml.number(root, "scmCheckoutRetryCount", 0),
        jdk=xml.text(root, "jdk").strip(),
        label=xml.text(root, "assignedNode").strip(),
    )


def check(content: bytes, full_name: str) -> JobConfig:
    """Parse a posted config.xml and refuse what could never work, such as a schedule that cannot be."""
    config = parse(content)
    for spec in (*config.timers, *config.polls):
        cron.parse(spec, full_name)
    return config


def _specs(root: Element, trigger: str) -> tuple[str, ...]:
    return tuple(
        spec for element in root.iterfind(f"triggers/{trigger}") if (spec := xml.text(element, "spec")).strip()
    )


def split_names(value: str) -> tuple[str, ...]:
    """Job names of a comma-separated list."""
    return tuple(name for part in value.split(",") if (name := part.strip()))


def _threshold(element: Element) -> Result:
    return Result.named(xml.text(element, "threshold/name", "SUCCESS"))


def _reverse(element: Element) -> Reverse:
    return Reverse(upstream=split_names(xml.text(element, "upstreamProjects")), threshold=_threshold(element))


def _children(element: Element) -> tuple[Child, ...]:
    names = split_names(xml.text(element, "childProjects"))
    return tuple(Child(name=name, threshold=_threshold(element)) for name in names)


def _retention(root: Element) -> Retention:
    for path in ("properties/jenkins.model.BuildDiscarderProperty/strategy", "logRotator"):
        if (element := root.find(path)) is not None:
            return Retention(
                builds=xml.number(element, "numToKeep", -1),
                days=xml.number(element, "daysToKeep", -1),
                artifact_builds=xml.number(element, "artifactNumToKeep", -1),
                artifact_days=xml.number(element, "artifactDaysToKeep", -1),
            )
    return Retention()


DISABLED = re.compile(rb"<disabled>\s*(?:true|false)\s*</disabled>|<disabled\s*/>")
MOST_PLACES, MOST_BYTES = 100, 8 << 20
"""Elements `<disabled>` that are looked at, and how much is read for it: others than the job's own may come before."""


def with_disabled(content: bytes, disabled: bool) -> bytes:
    """The file with the job's own `<disabled>` changed, nothing else touched. Raises UsageError where it cannot be."""
    if parse(content).disabled == disabled:
        return content
    wanted = b"<disabled>true</disabled>" if disabled else b"<disabled>false</disabled>"
    places = min(MOST_PLACES, 1 + MOST_BYTES // len(content))
    for place in islice(DISABLED.finditer(content), places):
        changed = content[: place.start()] + wanted + content[place.end() :]
        if parse(changed).disabled == disabled:
            return changed
    end = content.rstrip().rfind(b"</")
    changed = content[:end] + b"  " + wanted + b"\n" + content[end:] if end >= 0 else content
    if parse(changed).disabled != disabled:
        raise UsageError("<disabled> of this config.xml cannot be changed in place: post it whole, in UTF-8")
    return changed
