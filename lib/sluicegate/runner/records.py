"""builds/N/build.xml: one build's record, read leniently and written in Jenkins' own form."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from sluicegate.errors import IntegrityError
from sluicegate.model.numbers import INT, LAST_MOMENT, whole
from sluicegate.runner import causes, parameters
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.results import Result
from sluicegate.tools import beneath, files, xml

NO_CHANGELOG = '<scm class="hudson.scm.NullChangeLogParser"/>'
LONGEST_LINE = 1 << 20
OWN_ACTIONS = ("hudson.model.CauseAction", "hudson.model.ParametersAction")


WRITTEN = (
    *("actions", "queueId", "timestamp", "startTime", "result", "description", "displayName", "duration"),
    *("charset", "keepLog", "builtOn", "workspace", "scm"),
)
"""The children of the root that a record has in fields; a Jenkins' others are kept as they are."""


@dataclass(slots=True, kw_only=True)
class Record:
    """One build. `result` is None while it runs; times are in ms since 1970; `declared` are the names of
    the job's parameters, those without a value too; `extra` is XML of further actions,
    `rest` of further children of the root."""

    job: str
    number: int
    folder: Path
    queue_id: int = 0
    timestamp: int = 0
    start_time: int = 0
    duration: int = 0
    result: Result | None = None
    description: str | None = None
    display_name: str = ""
    keep: bool = False
    causes: tuple[Cause, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    declared: tuple[str, ...] = ()
    workspace: str = ""
    extra: list[str] = field(default_factory=list)
    root_tag: str = "build"
    changelog_parser: str = NO_CHANGELOG
    rest: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def lines(self) -> Iterator[str]:
        """The log without line ends; one beyond LONGEST_LINE in parts: a build prints a line as long as its log."""
        with self.log.open(encoding="utf-8", errors="replace") as stream:
            while line := stream.readline(LONGEST_LINE):
                yield line.rstrip("\n")

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def building(self) -> bool:
        return self.result is None

    def to_xml(self) -> str:
        """The text of build.xml."""
        lines = [
            xml.HEADER,
            f"<{self.root_tag}>\n  <actions>\n",
            parameters.write(self.parameters, self.declared),
            causes.write(self.causes),
            *(f"    {action.strip()}\n" for action in self.extra),
            "  </actions>\n",
            xml.tag("queueId", str(self.queue_id), "  "),
            xml.tag("timestamp", str(self.timestamp), "  "),
            xml.tag("startTime", str(self.start_time), "  "),
        ]
        if self.result is not None:
            lines.append(xml.tag("result", self.result.name, "  "))
        if self.description is not None:
            lines.append(xml.tag("description", self.description, "  "))
        if self.display_name:
            lines.append(xml.tag("displayName", self.display_name, "  "))
        lines += [
            xml.tag("duration", str(self.duration), "  "),
            "  <charset>UTF-8</charset>\n",
            xml.tag("keepLog", str(self.keep).lower(), "  "),
            "  <builtOn></builtOn>\n",
            xml.tag("workspace", self.workspace, "  "),
            f"  {self.changelog_parser}\n",
            *(f"  {element}\n" for element in self.rest),
            f"</{self.root_tag}>",
        ]
        return "".join(lines)

    def save(self, *, durable: bool = True) -> None:
        """Write build.xml by rename; `durable` waits for the disk, as the end of a build does."""
        content = self.to_xml().encode()
        path = self.folder / "build.xml"
        files.replace(path, content, durable=durable)


def read(job: str, folder: Path) -> Record | None:
    """The record in `folder`, None when there is no readable build.xml; as with Jenkins, the log names a damaged one.

    Unknown actions are kept as they are.
    """
    place = folder / "build.xml"
    try:
        with beneath.reading(place):
            root = xml.parse(beneath.read(place), source=f"{folder.name}/build.xml")
    except FileNotFoundError:
        return None
    except IntegrityError as problem:
        logging.getLogger(__name__).error("%s", problem)
        return None
    number = whole(folder.name, least=1, most=INT)
    if number is None:
        return None
    record = Record(job=job, number=number, folder=folder, root_tag=root.tag)
    # Numbers, with Java's names for the elements.
    for name in ("queue_id", "timestamp", "start_time", "duration"):
        head, _, tail = name.partition("_")
        setattr(record, name, xml.number(root, head + tail.title(), 0, least=-1, most=LAST_MOMENT))
    result = xml.text(root, "result")
    record.result = Result.named(result, Result.FAILURE) if result else None
    description = root.find("description")
    record.description = None if description is None else description.text or ""
    record.display_name = xml.text(root, "displayName")
    record.keep = xml.flag(root, "keepLog")
    record.workspace = xml.text(root, "workspace")
    # What we do not read is kept word for word, for the Jenkins that opens this home next.
    if (parser := root.find("scm")) is not None:
        record.changelog_parser = xml.dump(parser).replace(" />", "/>")
    record.rest = [xml.dump(child) for child in root if child.tag not in WRITTEN]
    _read_actions(record, root)
    return record


def _read_actions(record: Record, root: Element) -> None:
    for action in root.iterfind("actions/*"):
        if action.tag == OWN_ACTIONS[0]:
            record.causes += causes.read(action)
        elif action.tag == OWN_ACTIONS[1]:
            record.parameters, record.declared = parameters.read(action), parameters.declared_in(action)
        else:
            record.extra.append(xml.dump(action))


def now_ms() -> int:
    """The time of records and queue items: milliseconds since 1970."""
    return int(time.time() * 1000)
