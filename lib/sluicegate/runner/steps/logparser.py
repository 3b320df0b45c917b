"""hudson.plugins.logparser.LogParserPublisher: rules that call lines of the log errors and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluicegate.errors import SluicegateError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools import patterns

RULE = re.compile(r"\s*(\w+)\s+/(.*)/\s*")

MINUTE = 60.0


class LogParser:
    """The first rule that finds its expression in a line decides what the line is (LogParserWriter)."""

    label = "Console output (build log) parsing"

    def __init__(self, fields: Fields) -> None:
        self.yellow, self.red = fields.flag("unstableOnWarning"), fields.flag("failBuildOnError")
        self.of_project = fields.flag("useProjectRule")
        self.project, self.globally = fields.text("projectRulePath").strip(), fields.text("parsingRulesPath").strip()
        fields.harmless("showGraphs")

    def plan(self) -> str:
        return f"judge the log by {self.project if self.of_project else self.globally}"

    def perform(self, build: Build) -> None:
        rules = self._rules(build)
        counts = {"error": 0, "warning": 0}
        try:
            for line in build.lines():
                level = next((level for level, expression in rules if patterns.search(expression, line)), "")
                if level in counts:
                    counts[level] += 1
        except SluicegateError as problem:
            raise StepFailed(problem.message) from problem
        build.say(f"Log parser: {counts['error']} errors, {counts['warning']} warnings")
        if counts["error"] and self.red:
            build.worsen(Result.FAILURE)
        elif counts["warning"] and self.yellow:
            build.worsen(Result.UNSTABLE)

    def _rules(self, build: Build) -> list[tuple[str, str]]:
        try:
            if self.of_project:
                lines = build.ground.text(build.expand(self.project)).splitlines()
            else:  # anywhere on the machine: what the build itself could read
                argv = ["cat", "--", build.expand(self.globally)]
                answer = build.ask(argv, cwd=build.workspace, env=build.variables, timeout=MINUTE)
                if answer.status:
                    raise StepFailed(f"the log parser's rules cannot be read: {answer.error_text}")
                lines = answer.text.splitlines()
        except OSError as problem:
            raise StepFailed(f"the log parser's rules cannot be read: {problem}") from problem
        return list(_read(lines))


def _read(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if (rule := RULE.fullmatch(line)) is not None:
            level = rule[1].lower()
            yield {"warn": "warning"}.get(level, level), rule[2]


ELEMENTS = (
    Entry(tag="hudson.plugins.logparser.LogParserPublisher", plugin="log-parser", kind="publisher", make=LogParser),
)
