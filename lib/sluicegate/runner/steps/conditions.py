"""Run conditions (run-condition plugin): what has to be true for a conditional step or publisher to run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, cast

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.model.numbers import LONG, decimal
from sluicegate.runner import antglob, reading, tokens
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.runner.steps.shell import run_script
from sluicegate.tools import beneath, patterns

CORE = "org.jenkins_ci.plugins.run_condition.core."
LOGIC = "org.jenkins_ci.plugins.run_condition.logic."
SHELL = "org.jenkins_ci.plugins.run_condition.contributed.ShellCondition"
TRUE = re.compile("1|y|yes|t|true|on|run")
CAUSES = {
    "USER_CAUSE": "user",
    "REMOTE_CAUSE": "remote",
    "SCM_CAUSE": "scm",
    "TIMER_CAUSE": "timer",
    "UPSTREAM_CAUSE": "upstream",
}
"""The plugin's word -> our kind of cause; what other words mean never starts a build here."""
OTHER_CAUSES = ("CLI_CAUSE", "FS_CAUSE", "URL_CAUSE", "IVY_CAUSE", "SCRIPT_CAUSE", "BUILDRESULT_CAUSE")
COMPARATORS: dict[str, Callable[[float, float], bool]] = {
    "LessThan": lambda left, right: left < right,
    "GreaterThan": lambda left, right: left > right,
    "EqualTo": lambda left, right: left == right,
    "NotEqualTo": lambda left, right: left != right,
    "LessThanOrEqualTo": lambda left, right: left <= right,
    "GreaterThanOrEqualTo": lambda left, right: left >= right,
}


class Condition(Protocol):
    """Decides while the build runs. Raises StepFailed when it cannot be decided."""

    def holds(self, build: Build) -> bool:
        """Whether it is true now."""

    def plan(self) -> str:
        """The condition in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition as its words and its decision."""

    words: str
    decide: Callable[[Build], bool]

    def holds(self, build: Build) -> bool:
        return self.decide(build)

    def plan(self) -> str:
        return self.words


def read(fields: Fields, path: str = "condition") -> Condition:
    """The condition below `path`. Raises UsageError when there is none."""
    conditions = fields.parts("condition", path)
    if not conditions:
        raise UsageError(f"<{fields.tag}> has no <{path}> that is understood")
    return cast(Condition, conditions[0])


def _always(fields: Fields) -> Rule:
    return Rule(words="always", decide=lambda build: True)


def _never(fields: Fields) -> Rule:
    return Rule(words="never", decide=lambda build: False)


def _boolean(fields: Fields) -> Rule:
    token = fields.text("token")
    return Rule(
        words=f"'{token}' is true",
        decide=lambda build: bool(TRUE.fullmatch(tokens.expand(build, token).strip().lower())),
    )


def _strings(fields: Fields) -> Rule:
    left, right, folded = fields.text("arg1"), fields.text("arg2"), fields.flag("ignoreCase")

    def same(build: Build) -> bool:
        left_value, right_value = tokens.expand(build, left), tokens.expand(build, right)
        return left_value.lower() == right_value.lower() if folded else left_value == right_value

    return Rule(words=f"'{left}' is '{right}'", decide=same)


def _expression(fields: Fields) -> Rule:
    """A regular expression that the whole label must match (java.lang.String.matches)."""
    expression, label = fields.text("expression"), fields.text("label")

    def matches(build: Build) -> bool:
        try:
            return patterns.matches(tokens.expand(build, expression), tokens.expand(build, label))
        except SluicegateError as problem:
            raise StepFailed(problem.message) from problem

    return Rule(words=f"'{label}' matches {expression}", decide=matches)


def _file(fields: Fields) -> Rule:
    name, base = fields.text("file"), _base(fields)

    def exists(build: Build) -> bool:
        place, wanted = base(build), os.path.normpath(tokens.expand(build, name))
        if place == build.record.archive:  # which no command of a build sees
            kept = beneath.names(place)
            return any(f"{one}/".startswith(f"{wanted}/") for one in kept)
        return reading.is_there(build, place / wanted)

    return Rule(words=f"the file {name} exists", decide=lambda build: bool(name) and exists(build))


def _files(fields: Fields) -> Rule:
    includes, excludes, base = fields.text("includes"), fields.text("excludes"), _base(fields)

    def match(build: Build) -> bool:
        if base(build) == Path(build.env["JENKINS_HOME"]) and build.services.confines():
            raise StepFailed("the Jenkins home is not looked through: builds are kept from it")
        return bool(antglob.matching(base(build), tokens.expand(build, includes), tokens.expand(build, excludes)))

    return Rule(words=f"files match {includes}", decide=match)


def _base(fields: Fields) -> Callable[[Build], Path]:
    """The folder that names are relative to (BaseDirectory)."""
    child = fields.child("baseDir")
    name = child.tag.rpartition("$")[2] if child is not None else "Workspace"
    if name == "Workspace":
        return lambda build: build.workspace
    if name == "JenkinsHome":
        return lambda build: Path(build.env["JENKINS_HOME"])
    if name == "ArtifactsDir":
        return lambda build: build.record.archive
    raise UsageError(f"<{fields.tag}>: this runner does not know the base directory {name}")


def _shell(fields: Fields) -> Rule:
    command = fields.text("command")
    fields.harmless("unstableReturn", "configuredLocalRules")
    head = (command.strip().splitlines() or [""])[0]
    return Rule(words=f"the script '{head}' succeeds", decide=lambda build: run_script(build, command) == 0)


def _status(fields: Fields) -> Rule:
    worst = Result.named(fields.text("worstResult/name"))
    best = Result.named(fields.text("bestResult/name"))
    for name in ("ordinal", "color", "completeBuild"):
        fields.harmless(f"worstResult/{name}", f"bestResult/{name}")
    return Rule(words=f"the result is {best.name} to {worst.name}", decide=lambda build: best <= build.result <= worst)


def _cause(fields: Fields) -> Rule:
    word, alone = fields.text("buildCause", "USER_CAUSE").strip(), fields.flag("exclusiveCause")
    if word not in CAUSES and word not in OTHER_CAUSES:
        raise UsageError(f"<{fields.tag}>: this runner does not know the cause {word}")

    def caused(build: Build) -> bool:
        kinds = [cause.kind for cause in build.record.causes]
        return kinds == [CAUSES.get(word, "")] if alone else CAUSES.get(word, "") in kinds

    return Rule(words=f"started by {word}", decide=caused)


def _numerical(fields: Fields) -> Rule:
    left, right = fields.text("lhs"), fields.text("rhs")
    child = fields.child("comparator")
    name = child.tag.rpartition("$")[2] if child is not None else "EqualTo"
    if name not in COMPARATORS:
        raise UsageError(f"<{fields.tag}>: this runner does not know the comparison {name}")
    compare = COMPARATORS[name]
    return Rule(
        words=f"{left} {name} {right}",
        decide=lambda build: compare(_number(tokens.expand(build, left)), _number(tokens.expand(build, right))),
    )


def _number(text: str) -> float:
    number = decimal(text.strip(), least=-LONG, most=LONG)
    if number is None:
        raise StepFailed(f"'{text}' is not a number")
    return number


def _time(fields: Fields) -> Rule:
    from_minute = fields.number("earliestHours", 0) * 60 + fields.number("earliestMinutes", 0)
    to_minute = fields.number("latestHours", 23) * 60 + fields.number("latestMinutes", 59)
    of_build = fields.flag("useBuildTime")

    def within(build: Build) -> bool:
        now = _moment(build, of_build)
        return from_minute <= now.hour * 60 + now.minute <= to_minute

    words = f"between {from_minute // 60:02}:{from_minute % 60:02} and {to_minute // 60:02}:{to_minute % 60:02}"
    return Rule(words=words, decide=within)


def _day(fields: Fields) -> Rule:
    selector = fields.child("daySelector")
    of_build = fields.flag("useBuildTime")
    name = selector.tag.rpartition("$")[2] if selector is not None else "Weekday"
    days = {"Weekday": {0, 1, 2, 3, 4}, "Weekend": {5, 6}}.get(name)
    if selector is not None and name == "SelectDays":
        # java.util.Calendar counts from Sunday, 1; Python from Monday, 0.
        chosen = [
            (day_fields.number("day", 0), day_fields.flag("selected")) for day_fields in selector.children("days/*")
        ]
        days = {(day - 2) % 7 for day, selected in chosen if selected}
    if days is None:
        raise UsageError(f"<{fields.tag}>: this runner does not know the days {name}")
    wanted = days
    return Rule(words=f"on {name}", decide=lambda build: _moment(build, of_build).weekday() in wanted)


def _moment(build: Build, of_build: bool) -> datetime:
    return datetime.fromtimestamp(build.record.timestamp / 1000) if of_build else datetime.now()


def _node(fields: Fields) -> Rule:
    nodes = fields.texts("allowedNodes/string")
    return Rule(
        words=f"on the node {' or '.join(nodes)}",
        decide=lambda build: bool({"master", "built-in", build.env["NODE_NAME"]} & set(nodes)),
    )


def _not(fields: Fields) -> Rule:
    inner = read(fields)
    return Rule(words=f"not ({inner.plan()})", decide=lambda build: not inner.holds(build))


def _operands(fields: Fields) -> list[Condition]:
    return [read(container) for container in fields.children("conditions/*")]


def _and(fields: Fields) -> Rule:
    operands = _operands(fields)
    words = " and ".join(operand.plan() for operand in operands)
    return Rule(words=f"({words})", decide=lambda build: all(operand.holds(build) for operand in operands))


def _or(fields: Fields) -> Rule:
    operands = _operands(fields)
    words = " or ".join(operand.plan() for operand in operands)
    return Rule(words=f"({words})", decide=lambda build: any(operand.holds(build) for operand in operands))


KINDS = {
    f"{CORE}AlwaysRun": _always,
    f"{CORE}NeverRun": _never,
    f"{CORE}BooleanCondition": _boolean,
    f"{CORE}StringsMatchCondition": _strings,
    f"{CORE}ExpressionCondition": _expression,
    f"{CORE}FileExistsCondition": _file,
    f"{CORE}FilesMatchCondition": _files,
    f"{CORE}StatusCondition": _status,
    f"{CORE}CauseCondition": _cause,
    f"{CORE}NumericalComparisonCondition": _numerical,
    f"{CORE}TimeCondition": _time,
    f"{CORE}DayCondition": _day,
    f"{CORE}NodeCondition": _node,
    SHELL: _shell,
    f"{LOGIC}Not": _not,
    f"{LOGIC}And": _and,
    f"{LOGIC}Or": _or,
}
ELEMENTS = tuple(Entry(tag=tag, plugin="run-condition", kind="condition", make=make) for tag, make in KINDS.items())
