"""Results of test tools other than JUnit: xunit, Robot Framework, TAP."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import Malformed, UsageError
from sluicegate.model.numbers import whole
from sluicegate.runner import reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps import junit
from sluicegate.tools import files, xml
from sluicegate.tools.reports import formats, testreports
from sluicegate.tools.reports.testreports import Case, Suite, Tally

JUNIT_LIKE = ("JUnitType", "GoogleTestType", "PHPUnitJunitHudsonTestType")
CLOCK = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A kind of report, and what its absence, its age and its faults do. `kind` is empty for JUnit's form."""

    kind: str
    pattern: str
    new: bool
    may_miss: bool
    stops: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Above which number, or percentage, of failed or skipped tests a build is yellow, and red; None: never."""

    skipped: bool
    unstable: float | None
    failure: float | None
    new_unstable: float | None
    new_failure: float | None

    def judge(self, now: Tally, before: Tally | None, *, percent: bool) -> Result:
        count, earlier = (
            (now.skipped, before.skipped if before else 0)
            if self.skipped
            else (now.failed, before.failed if before else 0)
        )
        scale = 100 / now.total if percent and now.total else 1.0
        total, fresh = count * scale, max(0, count - earlier) * scale
        if _above(total, self.failure) or _above(fresh, self.new_failure):
            return Result.FAILURE
        return Result.UNSTABLE if _above(total, self.unstable) or _above(fresh, self.new_unstable) else Result.SUCCESS


def _above(count: float, limit: float | None) -> bool:
    return limit is not None and count > limit


class XUnit:
    """xunit: reports in JUnit's form or a tool's own; only its thresholds make a build yellow or red."""

    label = "Publish xUnit test result report"

    def __init__(self, fields: Fields) -> None:
        self.tools = [_tool(tool) for path in ("types/*", "tools/*") for tool in fields.children(path)]
        self.thresholds = [_threshold(threshold) for threshold in fields.children("thresholds/*")]
        self.percent = fields.text("thresholdMode", "1").strip() == "2"
        fields.harmless("extraConfiguration", "testTimeMargin", "sleepTime", "reduceLog", "followSymlink", "checksName")

    def plan(self) -> str:
        return f"read test reports {', '.join(tool.pattern for tool in self.tools)}"

    def perform(self, build: Build) -> None:
        build.say("INFO: Starting to record.")
        suites = [suite for tool in self.tools for suite in self._read(build, tool)]
        junit.keep(build, suites)
        previous = build.services.previous(build)
        earlier = junit.read(previous.folder) if previous is not None else None
        before = testreports.tally(earlier) if earlier is not None else None
        for threshold in self.thresholds:
            build.worsen(threshold.judge(testreports.tally(suites), before, percent=self.percent))

    def _read(self, build: Build, tool: Tool) -> list[Suite]:
        names = reading.judged(build, tool.pattern, defaults=False)
        if not names and not tool.may_miss:
            raise StepFailed(f"No test reports found for the pattern '{tool.pattern}'. Configuration error?")
        suites: list[Suite] = []
        for name in names:
            with build.ground.open(name) as stream:
                if tool.new and os.fstat(stream.fileno()).st_mtime * 1000 < build.record.start_time - CLOCK:
                    raise StepFailed(f"The test report '{name}' is not new: it was written before this build")
                report = formats.read(tool.kind, stream, name) if tool.kind else testreports.read(stream, name)
            if report.note:
                build.say(f"Test report '{name}' {report.note}")
                if tool.stops and not report.suites:
                    raise StepFailed(f"The test report '{name}' cannot be used")
            suites += report.suites
        return suites


def _tool(fields: Fields) -> Tool:
    kind = fields.tag.rpartition(".")[2]
    if kind not in JUNIT_LIKE and kind not in formats.READERS:
        raise UsageError(
            f"this runner does not know the reports <{fields.tag}>; let the tool write JUnit's form and use <JUnitType>"
        )
    fields.harmless("deleteOutputFiles", "excludesPattern")
    return Tool(
        kind="" if kind in JUNIT_LIKE else kind,
        pattern=fields.text("pattern"),
        new=fields.flag("failIfNotNew", True),
        may_miss=fields.flag("skipNoTestFiles"),
        stops=fields.flag("stopProcessingIfError", True),
    )


def _threshold(fields: Fields) -> Threshold:
    def limit(name: str) -> float | None:
        text = fields.text(name).strip()
        try:
            return float(text) if text else None
        except ValueError as problem:
            raise UsageError(f"<{fields.tag}>: '{text}' is not a number") from problem

    return Threshold(
        skipped="Skipped" in fields.tag,
        unstable=limit("unstableThreshold"),
        failure=limit("failureThreshold"),
        new_unstable=limit("unstableNewThreshold"),
        new_failure=limit("failureNewThreshold"),
    )


class Robot:
    """hudson.plugins.robot.RobotPublisher: the percentage of passed tests decides; no output is a failure."""

    label = "Publish Robot Framework test results"

    def __init__(self, fields: Fields) -> None:
        self.folder = (fields.text("outputPath") or fields.text("archiveDirName")).strip()
        self.output = fields.text("outputFileName").strip() or "output.xml"
        self.kept = [self.output, fields.text("logFileName").strip() or "log.html"]
        self.kept += [fields.text("reportFileName").strip() or "report.html", *fields.texts("otherFiles/string")]
        self.good, self.fair = _percent(fields, "passThreshold"), _percent(fields, "unstableThreshold")
        self.critical = fields.flag("onlyCritical")
        self.archives = not fields.flag("disableArchiveOutput")
        fields.harmless("logFileLink", "enableCache", "overwriteXAxisLabel", "countSkippedTests", "useArtifactManager")

    def plan(self) -> str:
        return f"read Robot's {self.folder}/{self.output}"

    def perform(self, build: Build) -> None:
        build.say("Robot results publisher started...")
        folder = build.workspace / build.expand(self.folder)
        names = reading.judged(build, self.output, folder) if build.ground.has_folder(folder) else ()
        if not names:
            raise StepFailed(f"Robot's output '{self.output}' was not found in '{self.folder}'")
        passed = failed = 0
        for name in names:
            good, bad = self._numbers(build, folder / name)
            passed, failed = passed + good, failed + bad
        share = 100.0 * passed / (passed + failed) if passed + failed else 100.0
        build.say(f"Robot: {passed} passed, {failed} failed ({share:.1f} % of {self.good:g} %)")
        if self.archives:
            self._keep(build, folder)
        if share < self.fair:
            build.worsen(Result.FAILURE)
        elif share < self.good:
            build.worsen(Result.UNSTABLE)

    def _numbers(self, build: Build, path: Path) -> tuple[int, int]:
        try:
            root = xml.parse(build.ground.read(path), limit=junit.LARGEST, source=path.name)
        except Malformed as problem:
            raise StepFailed(problem.message) from problem
        rows = {(stat.text or "").strip(): stat for stat in root.iterfind("statistics/total/stat")}
        # Robot Framework 4 knows no critical tests any more: all are.
        stat = rows.get("Critical Tests") if self.critical and "Critical Tests" in rows else rows.get("All Tests")
        if stat is None:
            raise StepFailed(f"'{path.name}' has no total of tests")
        return _count(stat.get("pass", "0")), _count(stat.get("fail", "0"))

    def _keep(self, build: Build, folder: Path) -> None:
        target = build.record.folder / "robot-plugin"
        for pattern in self.kept:
            for name in reading.taken(build, folder, build.expand(pattern)):
                files.make_folders((target / name).parent)
                build.ground.copy(folder / name, target / name)


def _count(text: str) -> int:
    return whole(text, most=999_999_999) or 0


def _percent(fields: Fields, name: str) -> float:
    text = fields.text(name, "0").strip() or "0"
    try:
        return float(text)
    except ValueError as problem:
        raise UsageError(f"<{fields.tag}>: <{name}> is '{text}', expected a percentage") from problem


TEST_LINE = re.compile(r"(?P<bad>not )?ok\b(?:\s+(?P<number>\d+))?\s*-?\s*(?P<name>[^#]*)(?:#\s*(?P<directive>.*))?")
PLAN_LINE = re.compile(r"1\.\.(\d+)")


class Tap:
    """org.tap4j.plugin.TapPublisher: Test Anything Protocol; failed tests are yellow, or red where so set."""

    label = "Publish TAP Results"

    def __init__(self, fields: Fields) -> None:
        self.pattern = fields.text("testResults")
        self.needs_files = fields.flag("failIfNoResults")
        self.red = fields.flag("failedTestsMarkBuildAsFailure")
        self.shows = fields.flag("outputTapToConsole")
        self.todo_fails = fields.flag("todoIsFailure")
        self.counts, self.needs_plan = fields.flag("validateNumberOfTests"), fields.flag("planRequired")
        self.only_good = fields.flag("skipIfBuildNotOk")
        fields.harmless(
            "enableSubtests", "discardOldReports", "includeCommentDiagnostics", "verbose", "showOnlyFailures"
        )
        fields.harmless("stripSingleParents", "flattenTapResult", "removeYamlIfCorrupted")

    def plan(self) -> str:
        return f"read TAP results {self.pattern}"

    def perform(self, build: Build) -> None:
        if self.only_good and build.result > Result.SUCCESS:
            build.say("Build status is not successful; skipping TAP results")
            return
        build.say("TAP Reports Processing: START")
        names = reading.judged(build, self.pattern)
        if not names:
            build.say(
                "Did not find any matching files. Setting build result to FAILURE." if self.needs_files else "No files"
            )
            build.worsen(Result.FAILURE if self.needs_files else build.result)
            return
        suites = [self._suite(build, name) for name in names]
        junit.keep(build, suites)
        if testreports.tally(suites).failed:
            build.worsen(Result.FAILURE if self.red else Result.UNSTABLE)

    def _suite(self, build: Build, name: str) -> Suite:
        text = build.ground.text(name)
        if self.shows:
            build.say(text.rstrip())
        lines = [line for line in text.splitlines() if not line.startswith((" ", "\t"))]
        cases = [self._case(name, line) for line in lines if TEST_LINE.match(line)]
        cases += [_failed(name, line.strip()) for line in lines if line.startswith("Bail out!")]
        plans = [int(plan[1]) for line in lines if (plan := PLAN_LINE.match(line)) and len(plan[1]) < 10]
        if self.needs_plan and not plans:
            cases.append(_failed(name, "no plan, such as 1..3"))
        if self.counts and plans and plans[0] != len(cases):
            cases.append(_failed(name, f"{len(cases)} tests of {plans[0]} planned"))
        return Suite(name=name, timestamp="", cases=tuple(cases))

    def _case(self, suite: str, line: str) -> Case:
        match = TEST_LINE.match(line)
        assert match is not None
        directive = (match["directive"] or "").strip().upper()
        state = "failed" if match["bad"] else "passed"
        if directive.startswith("SKIP") or (directive.startswith("TODO") and not self.todo_fails):
            state = "skipped"
        elif directive.startswith("TODO"):
            state = "failed"
        name = match["name"].strip() or match["number"] or line
        return Case(class_name=suite, name=name, duration=0.0, state=state, details="", trace="")


def _failed(suite: str, name: str) -> Case:
    return Case(class_name=suite, name=name, duration=0.0, state="failed", details=name, trace="")


ELEMENTS = (
    Entry(tag="xunit", plugin="xunit", kind="publisher", make=XUnit),
    Entry(tag="org.jenkinsci.plugins.xunit.XUnitPublisher", plugin="xunit", kind="publisher", make=XUnit),
    Entry(tag="org.jenkinsci.plugins.xunit.XUnitBuilder", plugin="xunit", kind="builder", make=XUnit),
    Entry(tag="hudson.plugins.robot.RobotPublisher", plugin="robot", kind="publisher", make=Robot),
    Entry(tag="org.tap4j.plugin.TapPublisher", plugin="tap", kind="publisher", make=Tap),
)
