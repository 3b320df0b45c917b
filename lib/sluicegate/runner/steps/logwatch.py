"""Publishers that read the log: post-build task, text finder, naginator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.errors import SluicegateError
from sluicegate.runner import reading
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps.shell import run_script
from sluicegate.tools import patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A script of the post-build task, and the patterns of the log that call for it."""

    texts: Sequence[tuple[str, str]]
    script: str
    escalates: bool
    only_good: bool


class PostbuildTask:
    """hudson.plugins.postbuildtask.PostbuildTask: scripts where the log has a text; `%1` of a script is a group."""

    label = "Post build task"

    def __init__(self, fields: Fields) -> None:
        self.tasks = [_task(task) for task in fields.children("tasks/*")]

    def plan(self) -> str:
        return "; ".join(f"where the log has {' '.join(text for text, _ in task.texts)}: run" for task in self.tasks)

    def perform(self, build: Build) -> None:
        build.say("Performing Post build task...")
        result = build.result
        log = "\n".join(build.lines())
        for number, task in enumerate(self.tasks):
            groups = self._matches(build, task, log)
            if groups is None:
                build.say("Logical operation result is FALSE")
            elif task.only_good and result > Result.UNSTABLE:
                build.say(f"Skipping post build task {number} - job status is worse than unstable : {result.name}")
            else:
                self._run(build, task, groups)
            build.say(f"END OF POST BUILD TASK : {number}")

    def _matches(self, build: Build, task: Task, log: str) -> list[str] | None:
        """The groups of all patterns where they hold together, from left to right; None where they do not."""
        holds, operator, groups = False, "OR", []
        for text, following in task.texts:
            try:
                match = patterns.search(text, log)
            except SluicegateError as problem:
                raise StepFailed(problem.message) from problem
            build.say(f"{'Match found for' if match else 'Could not match'} :{text} : {bool(match)}")
            holds = (holds and match is not None) if operator == "AND" else (holds or match is not None)
            operator = following
            groups += [] if match is None else [match[0], *(group or "" for group in match.groups())]
        return groups if holds else None

    def _run(self, build: Build, task: Task, groups: Sequence[str]) -> None:
        script = task.script
        for number, group in enumerate(groups):
            script = script.replace(f"%{number}", group)
        build.say("Logical operation result is TRUE")
        build.say(f"Running script  : {script}")
        failed = run_script(build, script) != 0
        build.say(f"POST BUILD TASK : {'FAILURE' if failed else 'SUCCESS'}")
        if failed and task.escalates:
            build.say("ESCALATE FAILED POST BUILD TASK TO JOB STATUS")
            build.worsen(Result.FAILURE)


def _task(fields: Fields) -> Task:
    texts = fields.children("logTexts/*")
    return Task(
        texts=[(text.text("logText"), text.text("operator", "AND").strip()) for text in texts],
        script=fields.text("script"),
        escalates=fields.flag("EscalateStatus"),
        only_good=fields.flag("RunIfJobSuccessful"),
    )


class TextFinder:
    """hudson.plugins.textfinder.TextFinderPublisher: a text in files or in the log makes the build red or yellow."""

    label = "Jenkins Text Finder"

    def __init__(self, fields: Fields) -> None:
        finders = fields.children("textFinders/*")
        self.finders = [_finder(finder) for finder in finders] if finders else [_finder(fields)]

    def plan(self) -> str:
        return f"look for {', '.join(finder.regexp for finder in self.finders)}"

    def perform(self, build: Build) -> None:
        for finder in self.finders:
            try:
                self._look(build, finder)
            except SluicegateError as problem:
                raise StepFailed(f"[Text Finder] {problem.message}") from problem

    def _look(self, build: Build, finder: Finder) -> None:
        there = False
        if finder.console:
            build.say("[Text Finder] Scanning console output...")
            there = any(patterns.search(finder.regexp, line) for line in build.lines())
        if finder.files:
            build.say(f"[Text Finder] Looking for the pattern in the files at '{finder.files}'")
            names = reading.judged(build, finder.files)
            if not names:
                build.say(f"[Text Finder] File set '{finder.files}' is empty")
                build.worsen(Result.UNSTABLE)
                return
            there = _in_files(build, finder.regexp, names) or there
        if there != finder.good:
            build.worsen(finder.result)


def _in_files(build: Build, regexp: str, names: Sequence[str]) -> bool:
    there = False
    for name in names:
        for line in build.ground.text(name).splitlines():
            if patterns.search(regexp, line):
                build.say(f"{name}: {line}")
                there = True
    return there


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """A pattern, where to look for it, and the result where it is there (or, for a good sign, where it is not)."""

    regexp: str
    files: str
    console: bool
    good: bool
    result: Result


def _finder(fields: Fields) -> Finder:
    result = Result.UNSTABLE if fields.flag("unstableIfFound") else Result.FAILURE
    if fields.flag("notBuiltIfFound"):
        result = Result.NOT_BUILT
    if word := fields.text("buildResult").strip():
        result = Result.named(word, Result.FAILURE)
    condition = fields.text("changeCondition").strip()
    return Finder(
        regexp=fields.text("regexp"),
        files=fields.text("fileSet").strip(),
        console=fields.flag("alsoCheckConsoleOutput"),
        good=fields.flag("succeedIfFound") or condition == "MATCH_NOT_FOUND",
        result=result,
    )


class Naginator:
    """com.chikli.hudson.plugin.naginator.NaginatorPublisher: another build of the same after one that failed."""

    label = "Retry build after failure"

    def __init__(self, fields: Fields) -> None:
        self.regexp, self.checks = fields.text("regexpForRerun"), fields.flag("checkRegexp")
        self.unstable = fields.flag("rerunIfUnstable")
        self.limit = fields.number("maxSchedule", 0)
        delay = fields.child("delay")
        self.fixed = delay.number("delay", 0) if delay is not None else 0
        self.step = delay.number("increment", 0) if delay is not None else 300
        self.longest = delay.number("max", 0) if delay is not None else 3 * 3600
        fields.harmless("rerunMatrixPart", "regexpForMatrixStrategy", "regexpForMatrixParent", "noChildStrategy")
        fields.only("maxScheduleOverrideAllowed", "false")

    def plan(self) -> str:
        return f"build again after a failure, {self.limit or 'any number of'} times"

    def perform(self, build: Build) -> None:
        build.after.append(lambda: self._again(build))

    def _again(self, build: Build) -> None:
        if build.result not in (Result.FAILURE, Result.NOT_BUILT) and not (
            self.unstable and build.result is Result.UNSTABLE
        ):
            return
        if self.checks and not any(patterns.search(self.regexp, line) for line in build.lines()):
            return
        count = next((cause.build for cause in build.record.causes if cause.kind == "naginator"), 0)
        if self.limit and count >= self.limit:
            return
        delay = self.fixed or min(self.step * (count + 1) * (count + 2) // 2, self.longest or 3 * 3600)
        build.say(f"[Naginator] Another build follows in {delay} seconds")
        build.services.start_again(build, Cause(kind="naginator", build=count + 1), delay)


ELEMENTS = (
    Entry(
        tag="hudson.plugins.postbuildtask.PostbuildTask", plugin="postbuild-task", kind="publisher", make=PostbuildTask
    ),
    Entry(tag="hudson.plugins.textfinder.TextFinderPublisher", plugin="text-finder", kind="publisher", make=TextFinder),
    Entry(
        tag="com.chikli.hudson.plugin.naginator.NaginatorPublisher",
        plugin="naginator",
        kind="publisher",
        make=Naginator,
    ),
)
