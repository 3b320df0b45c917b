"""hudson.tasks.junit.JUnitResultArchiver: test reports, kept as builds/N/junitResult.xml; failures are yellow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from sluicegate.errors import UsageError
from sluicegate.runner import antglob
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import files, xml

LARGEST = 64 << 20
KEPT_OUTPUT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. `state` is passed, failed or skipped."""

    class_name: str
    name: str
    duration: float
    state: str
    details: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The tests of one report's suite."""

    name: str
    timestamp: str
    cases: tuple[Case, ...]

    @property
    def duration(self) -> float:
        return sum(case.duration for case in self.cases)


def parse(content: bytes, source: str) -> list[Suite]:
    """The suites of a JUnit report. Raises UsageError when it is no such report."""
    root = xml.parse(content, limit=LARGEST, source=source)
    if root.tag not in ("testsuite", "testsuites"):
        raise UsageError(f"{source}: <{root.tag}> is not a JUnit report")
    return [_suite(one, source) for one in root.iter("testsuite") if one.find("testcase") is not None]


def _suite(element: Element, source: str) -> Suite:
    name = element.get("name") or Path(source).stem
    cases = tuple(_case(one, name) for one in element.iterfind("testcase"))
    return Suite(name=name, timestamp=element.get("timestamp") or "", cases=cases)


def _case(element: Element, suite: str) -> Case:
    state, details, trace = "passed", "", ""
    for mark in ("failure", "error", "skipped"):
        if (found := element.find(mark)) is not None:
            state = "skipped" if mark == "skipped" else "failed"
            details, trace = found.get("message") or "", found.text or ""
            break
    try:
        duration = float((element.get("time") or "0").replace(",", ""))
    except ValueError:
        duration = 0.0
    return Case(
        class_name=element.get("classname") or suite,
        name=element.get("name") or "(no name)",
        duration=duration,
        state=state,
        details=details,
        trace=trace,
    )


def to_xml(suites: list[Suite]) -> str:
    """The text of junitResult.xml (hudson.tasks.junit.TestResult)."""
    lines = [xml.HEADER, '<result plugin="junit">\n  <suites>\n']
    for suite in suites:
        lines += [
            "    <suite>\n",
            xml.tag("name", suite.name, "      "),
            xml.tag("timestamp", suite.timestamp, "      "),
        ]
        lines += [xml.tag("duration", str(suite.duration), "      "), "      <cases>\n"]
        lines += [_case_xml(case) for case in suite.cases]
        lines.append("      </cases>\n    </suite>\n")
    duration = sum(suite.duration for suite in suites)
    lines += ["  </suites>\n", xml.tag("duration", str(duration), "  "), "</result>"]
    return "".join(lines)


def _case_xml(case: Case) -> str:
    indent = "          "
    body = xml.tag("duration", str(case.duration), indent) + xml.tag("className", case.class_name, indent)
    body += xml.tag("testName", case.name, indent) + xml.tag("skipped", str(case.state == "skipped").lower(), indent)
    if case.state == "skipped" and case.details:
        body += xml.tag("skippedMessage", case.details, indent)
    elif case.state == "failed":
        body += xml.tag("errorStackTrace", case.trace or case.details or "failed", indent)
        body += xml.tag("errorDetails", case.details, indent)
    return f"        <case>\n{body}        </case>\n"


def read(folder: Path) -> list[Suite] | None:
    """The suites that a build recorded, None when it has no report."""
    try:
        root = xml.parse((folder / "junitResult.xml").read_bytes(), limit=LARGEST, source="junitResult.xml")
    except (OSError, UsageError):
        return None
    found = []
    for suite in root.iterfind("suites/suite"):
        cases = tuple(_read_case(one) for one in suite.iterfind("cases/case"))
        found.append(Suite(name=xml.text(suite, "name"), timestamp=xml.text(suite, "timestamp"), cases=cases))
    return found


def _read_case(element: Element) -> Case:
    failed = element.find("errorStackTrace") is not None
    skipped = xml.flag(element, "skipped")
    return Case(
        class_name=xml.text(element, "className"),
        name=xml.text(element, "testName"),
        duration=float(xml.text(element, "duration", "0") or 0),
        state="skipped" if skipped else "failed" if failed else "passed",
        details=xml.text(element, "skippedMessage" if skipped else "errorDetails"),
        trace=xml.text(element, "errorStackTrace"),
    )


def counts(suites: list[Suite]) -> dict[str, int]:
    """How many tests are in each state."""
    found = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in suites:
        for case in suite.cases:
            found[case.state] += 1
    return found


class JUnit:
    """Reads the reports. No report, only old ones, or no test in them: failure, unless empty results are allowed."""

    label = "Publish JUnit test result report"

    def __init__(self, fields: Fields) -> None:
        self.pattern = fields.text("testResults")
        self.allow_empty = fields.flag("allowEmptyResults")
        self.mark_unstable = not fields.flag("skipMarkingBuildUnstable")
        # How much of the output is kept, how healthy the job is called, and extras of its pages.
        fields.harmless("keepLongStdio", "healthScaleFactor", "testDataPublishers")
        fields.harmless("skipPublishingChecks", "checksName")

    def plan(self) -> str:
        return f"read JUnit reports {self.pattern}"

    def perform(self, build: Build) -> None:
        build.say("Recording test results")
        found = antglob.find(build.workspace, build.expand(self.pattern), defaults=False)
        suites = [suite for name in found.files for suite in self._read(build, name)]
        tests = counts(suites)
        if not sum(tests.values()):
            self._empty(build, bool(found.files))
            return
        earlier = read(build.record.folder) or []
        files.replace(build.record.folder / "junitResult.xml", build.masked(to_xml(earlier + suites)).encode())
        if not earlier:
            build.record.extra.append(_action(counts(earlier + suites)))
        if tests["failed"] and self.mark_unstable:
            build.worsen(Result.UNSTABLE)

    def _read(self, build: Build, name: str) -> list[Suite]:
        build.check()
        try:
            with os.fdopen(files.open_beneath(build.workspace, name), "rb") as stream:
                # Reports of an earlier build must not count for this one; two seconds for coarse clocks.
                if os.fstat(stream.fileno()).st_mtime * 1000 < build.record.start_time - 2000:
                    build.say(f"Test report '{name}' is older than this build and is left out")
                    return []
                return parse(stream.read(LARGEST + 1), name)
        except OSError as problem:
            raise StepFailed(f"cannot read the test report '{name}': {problem}") from problem
        except UsageError as problem:
            raise StepFailed(problem.message) from problem

    def _empty(self, build: Build, some: bool) -> None:
        if self.allow_empty:
            build.say("None of the test reports contained any result")
            return
        if some:
            raise StepFailed("The test reports contain no test results of this build. Did the tests run?")
        raise StepFailed("No test report files were found. Configuration error?")


def _action(tests: dict[str, int]) -> str:
    name = "hudson.tasks.junit.TestResultAction"
    numbers = xml.tag("failCount", str(tests["failed"])) + xml.tag("skipCount", str(tests["skipped"]))
    return f'<{name} plugin="junit">{numbers}{xml.tag("totalCount", str(sum(tests.values())))}</{name}>'


ELEMENTS = (Entry(tag="hudson.tasks.junit.JUnitResultArchiver", plugin="junit", kind="publisher", make=JUnit),)
