"""warnings-ng: issues that compilers and checkers reported, in files or in the log, and the gates on their number."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sluicegate.errors import Malformed, SluicegateError, UsageError
from sluicegate.runner import reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps.junit import LARGEST
from sluicegate.tools import files, patterns, xml

TOOLS = "io.jenkins.plugins.analysis.warnings."
KEPT = "issues.json"
GCC = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)?\s*(?:fatal )?(?P<level>warning|error|note):\s*(?P<text>.+)$"
)
CMAKE = re.compile(
    r"^CMake (?P<level>Warning|Error|Deprecation Warning)[^a\n]*(?: at (?P<file>[^:\n]+):(?P<line>\d+))?(?P<text>.*)$"
)
JAVAC = re.compile(
    r"^(?:\[(?P<level>WARNING|ERROR)\] )?(?P<file>\S+\.java):\[?(?P<line>\d+)[,\]:\d]*\]?:? ?(?P<text>.+)$"
)
SEVERITIES = {"error": "ERROR", "note": "LOW", "info": "LOW", "style": "LOW", "deprecation warning": "NORMAL"}
TYPES = ("TOTAL", "NEW", "DELTA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that a tool found."""

    file: str
    line: str
    severity: str
    text: str

    @property
    def key(self) -> str:
        """By which it is the same in the next build, though its line may have moved."""
        return f"{self.file}: {self.text}"


def _by_lines(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Issue]]:
    def read(text: str) -> Iterator[Issue]:
        for line in text.splitlines():
            if match := pattern.match(line):
                level = (match["level"] or "warning").lower()
                severity = SEVERITIES.get(level, "NORMAL")
                yield Issue(
                    file=match["file"] or "", line=match["line"] or "", severity=severity, text=match["text"].strip()
                )

    return read


def _checkstyle(text: str) -> Iterator[Issue]:
    for file in xml.parse(text.encode(), limit=LARGEST, source="the report").iter("file"):
        for error in file.iter("error"):
            severity = SEVERITIES.get(error.get("severity", "").lower(), "NORMAL")
            message = error.get("message", "")
            yield Issue(file=file.get("name", ""), line=error.get("line", ""), severity=severity, text=message)


def _cppcheck(text: str) -> Iterator[Issue]:
    for error in xml.parse(text.encode(), limit=LARGEST, source="the report").iter("error"):
        place = error.find("location")
        severity = SEVERITIES.get(error.get("severity", "").lower(), "NORMAL")
        yield Issue(
            file=place.get("file", "") if place is not None else "",
            line=place.get("line", "") if place is not None else "",
            severity=severity,
            text=error.get("msg", ""),
        )


READERS: dict[str, Callable[[str], Iterator[Issue]]] = {
    **dict.fromkeys(("Gcc4", "Gcc3", "Clang", "ClangTidy", "ClangAnalyzer", "GnuFortran", "Intel"), _by_lines(GCC)),
    "Cmake": _by_lines(CMAKE),
    **dict.fromkeys(("Java", "JavaDoc", "MavenConsole", "ErrorProne"), _by_lines(JAVAC)),
    **dict.fromkeys(("CheckStyle", "Pmd", "PyLint", "EsLint", "KtLint", "Detekt"), _checkstyle),
    "CppCheck": _cppcheck,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: its reports by pattern, or the log where it has none."""

    name: str
    pattern: str

    def issues(self, build: Build) -> Iterator[Issue]:
        read = READERS[self.name]
        if not self.pattern:
            yield from read("\n".join(build.lines()))
            return
        names = reading.judged(build, self.pattern)
        if not names:
            build.say(f"[{self.name}] No files found for pattern '{self.pattern}'")
        for name in names:
            text = build.ground.text(name)
            try:
                yield from read(text)
            except Malformed as problem:
                build.say(f"[{self.name}] {name}: {problem.message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """From which number of issues on a build is yellow, or red."""

    threshold: int
    kind: str
    severity: str
    result: Result

    def fails(self, now: Iterable[Issue], before: Mapping[str, str] | None) -> int | None:
        """The number that is too high, None when it is not."""
        fitting = [issue for issue in now if self.severity in ("", issue.severity)]
        earlier = [severity for severity in (before or {}).values() if self.severity in ("", severity)]
        if self.kind == "TOTAL":
            count = len(fitting)
        elif before is None:
            return None  # without a reference nothing is new
        elif self.kind == "NEW":
            count = sum(issue.key not in before for issue in fitting)
        else:
            count = len(fitting) - len(earlier)
        return count if count >= self.threshold > 0 else None


class IssuesRecorder:
    """io.jenkins.plugins.analysis.core.steps.IssuesRecorder."""

    label = "Record compiler warnings and static analysis results"

    def __init__(self, fields: Fields) -> None:
        self.tools = [_tool(tool, fields) for tool in fields.children("analysisTools/*")]
        self.gates = [_gate(gate) for gate in fields.children("qualityGates/*")]
        self.when_red = fields.flag("isEnabledForFailure") or fields.flag("enabledForFailure")
        self.filters = [_filter(filter_fields, fields) for filter_fields in fields.children("filters/*")]
        self.lowest = fields.text("minimumSeverity/name", "LOW").strip()
        # How pages show it, who is to blame, and which older build it is compared with: the one before.
        fields.harmless("sourceCodeEncoding", "sourceDirectory", "sourceDirectories", "ignoreQualityGate", "healthy")
        fields.harmless("ignoreFailedBuilds", "referenceJobName", "failOnError", "unhealthy", "isAggregatingResults")
        fields.harmless("isBlameDisabled", "isForensicsDisabled", "skipPublishingChecks", "publishAllIssues", "quiet")
        fields.harmless("trendChartType", "scm", "skipBlames", "id", "name", "icon", "checksInfo", "aggregatingResults")
        fields.harmless("skipPostProcessing", "skipDeltaCalculation", "checksAnnotationScope", "referenceBuildId")

    def plan(self) -> str:
        return f"count the issues of {', '.join(tool.name for tool in self.tools)}"

    def perform(self, build: Build) -> None:
        if build.result > Result.UNSTABLE and not self.when_red:
            build.say("Skipping the recording of issues: the build has failed")
            return
        try:
            issues = dict.fromkeys(issue for tool in self.tools for issue in tool.issues(build) if self._counts(issue))
        except SluicegateError as problem:
            raise StepFailed(problem.message) from problem
        build.say(f"Found {len(issues)} issues")
        kept = json.dumps({issue.key: issue.severity for issue in issues})
        files.replace(build.record.folder / KEPT, build.masked(kept).encode())
        previous = build.services.previous(build)
        before = reading.kept(previous, KEPT) if previous is not None else None
        for gate in self.gates:
            if (count := gate.fails(issues, before)) is not None:
                build.say(f"-> {gate.result.name} - {gate.kind} - {count} - Quality gate: {gate.threshold}")
                build.worsen(gate.result)

    def _counts(self, issue: Issue) -> bool:
        order = ("ERROR", "HIGH", "NORMAL", "LOW")
        severe = order.index(issue.severity) <= (order.index(self.lowest) if self.lowest in order else 3)
        return severe and all(keeps(issue) for keeps in self.filters)


def _tool(tool: Fields, fields: Fields) -> Tool:
    name = tool.tag.removeprefix(TOOLS).rpartition(".")[2]
    if name not in READERS:
        fields.reasons.append(f"this runner does not know the analysis tool <{tool.tag}>")
    tool.harmless("id", "name", "icon", "jenkins", "reportEncoding", "skipSymbolicLinks", "linesLookAhead")
    return Tool(name=name, pattern=tool.text("pattern").strip())


def _gate(gate: Fields) -> Gate:
    kind, _, severity = gate.text("type", "TOTAL").strip().partition("_")
    if kind not in TYPES:
        raise UsageError(f"<{gate.tag}>: this runner does not know the gate {kind}")
    word = (gate.text("status") or gate.text("criticality") or "WARNING").strip()
    gate.harmless("result", "baseline", "metric", "unstable")
    return Gate(
        threshold=gate.number("threshold", gate.number("integerThreshold", 0)),
        kind=kind,
        severity="" if severity == "MODIFIED" else severity,
        result=Result.FAILURE if word in ("ERROR", "FAILURE", "FAILED") else Result.UNSTABLE,
    )


def _filter(filter_fields: Fields, fields: Fields) -> Callable[[Issue], bool]:
    """A filter by file or by message (RegexpFilter)."""
    name, pattern = filter_fields.tag.rpartition(".")[2], filter_fields.text("pattern")
    patterns.compiled(pattern)
    subject: Callable[[Issue], str] = (
        (lambda issue: issue.text) if name.endswith("Message") else (lambda issue: issue.file)
    )
    if name not in ("ExcludeMessage", "IncludeMessage", "ExcludeFile", "IncludeFile"):
        fields.reasons.append(f"this runner does not know the filter of issues <{filter_fields.tag}>")
    keeps = name.startswith("Include")
    return lambda issue: (patterns.search(pattern, subject(issue)) is not None) is keeps


ELEMENTS = (
    Entry(
        tag="io.jenkins.plugins.analysis.core.steps.IssuesRecorder",
        plugin="warnings-ng",
        kind="publisher",
        make=IssuesRecorder,
    ),
)
