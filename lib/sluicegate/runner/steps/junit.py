"""hudson.tasks.junit.JUnitResultArchiver: test reports, kept as builds/N/junitResult.xml; failures are yellow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from sluicegate.runner import antglob
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import beneath, files, xml
from sluicegate.tools.reports import testreports
from sluicegate.tools.reports.testreports import Case, Suite, Tally

ACTION = "hudson.tasks.junit.TestResultAction"
LARGEST = 512 << 20
CLOCK = 3000  # milliseconds that the time of a file may lie before the build's start (FILE_TIME_PRECISION_MARGIN)


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
    """The suites that a build recorded, None when it has no report. Raises IntegrityError for one that is damaged."""
    place = folder / "junitResult.xml"
    try:
        with beneath.reading(place):
            root = xml.parse(place.read_bytes(), limit=LARGEST, source=place.name)
    except FileNotFoundError:
        return None
    suites = []
    for suite in root.iterfind("suites/suite"):
        cases = tuple(_read_case(case) for case in suite.iterfind("cases/case"))
        suites.append(Suite(name=xml.text(suite, "name"), timestamp=xml.text(suite, "timestamp"), cases=cases))
    return suites


def _read_case(element: Element) -> Case:
    failed = element.find("errorStackTrace") is not None
    skipped = xml.flag(element, "skipped")
    return Case(
        class_name=xml.text(element, "className"),
        name=xml.text(element, "testName"),
        duration=testreports.seconds(xml.text(element, "duration")),
        state="skipped" if skipped else "failed" if failed else "passed",
        details=xml.text(element, "skippedMessage" if skipped else "errorDetails"),
        trace=xml.text(element, "errorStackTrace"),
    )


def keep(build: Build, suites: Sequence[Suite]) -> None:
    """Add suites to those that the build recorded before."""
    everything = [*(read(build.record.folder) or []), *suites]
    files.replace(build.record.folder / "junitResult.xml", build.masked(to_xml(everything)).encode())
    others = [action for action in build.record.extra if not action.startswith(f"<{ACTION} ")]
    build.record.extra[:] = [*others, _action(testreports.tally(everything))]


class JUnit:
    """Reads the reports. No report or no test in them: failure, unless empty results are allowed."""

    label = "Publish JUnit test result report"

    def __init__(self, fields: Fields) -> None:
        self.pattern = fields.text("testResults")
        self.allow_empty = fields.flag("allowEmptyResults")
        self.mark_unstable = not fields.flag("skipMarkingBuildUnstable")
        self.skip_old = fields.flag("skipOldReports")
        # How much of the output is kept, how healthy the job is called, and extras of its pages.
        fields.harmless("keepLongStdio", "healthScaleFactor", "testDataPublishers")
        fields.harmless("skipPublishingChecks", "checksName")

    def plan(self) -> str:
        return f"read JUnit reports {self.pattern}"

    def perform(self, build: Build) -> None:
        build.say("Recording test results")
        matches = antglob.find(build.workspace, build.expand(self.pattern), defaults=False, check=build.check)
        names = antglob.without_twins(build.workspace, matches.files)
        suites = [suite for name in names for suite in self._read(build, name)]
        for name, reason in matches.refused.items():
            suites += self._say(build, name, testreports.unreadable(name, f"is {reason}"))
        tests = testreports.tally(suites)
        if not tests.total:
            self._empty(build, bool(names))
            return
        keep(build, suites)
        if tests.failed and self.mark_unstable:
            build.worsen(Result.UNSTABLE)

    def _read(self, build: Build, name: str) -> tuple[Suite, ...]:
        build.check()
        try:
            with build.ground.open(name) as stream:
                if self.skip_old and os.fstat(stream.fileno()).st_mtime * 1000 < build.record.start_time - CLOCK:
                    build.say(f"Test report '{name}' is older than this build and is left out")
                    return ()
                return self._say(build, name, testreports.read(stream, name))
        except OSError as problem:
            return self._say(
                build, name, testreports.unreadable(name, f"cannot be read: {problem.strerror or problem}")
            )

    def _say(self, build: Build, name: str, report: testreports.Report) -> tuple[Suite, ...]:
        if report.note:
            build.say(f"Test report '{name}' {report.note}")
        return report.suites

    def _empty(self, build: Build, some: bool) -> None:
        if self.allow_empty:
            build.say("None of the test reports contained any result")
            return
        if some:
            raise StepFailed("The test reports contain no test results of this build. Did the tests run?")
        raise StepFailed("No test report files were found. Configuration error?")


def _action(tests: Tally) -> str:
    numbers = xml.tag("failCount", str(tests.failed)) + xml.tag("skipCount", str(tests.skipped))
    return f'<{ACTION} plugin="junit">{numbers}{xml.tag("totalCount", str(tests.total))}</{ACTION}>'


ELEMENTS = (Entry(tag="hudson.tasks.junit.JUnitResultArchiver", plugin="junit", kind="publisher", make=JUnit),)
