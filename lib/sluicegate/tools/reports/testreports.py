"""Reads test reports in JUnit's format, whoever wrote them: one reader for the gates and for the runner.

The format has no standard, so it is read as Jenkins' junit plugin reads it (SuiteResult, CaseResult), with one rule on
top: nothing that is red, unreadable or did not run may come out as passed. junitparser is not used: docs/decisions/.
Longer than a module should be: the reader is one machine of states over a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from sluicegate.tools.reports import outcomes, text

DEPTH = 200
MOST_CASES = 2_000_000
LONGEST_TRACE = 100_000  # characters kept of one failure's text
FAILING = frozenset(("failure", "error", "rerunfailure", "rerunerror", "failed", "fail"))
FLAKY = frozenset(("flakyfailure", "flakyerror"))  # Surefire: it failed, then passed when it was run again
# `warning`: PHPUnit, for a class without tests and what else it does not call a pass.
NOT_RUN = frozenset(("skipped", "skip", "disabled", "ignored", "notrun", "not-run", "pending", "todo", "warning"))
SILENT = frozenset(("system-out", "system-err", "properties"))
SUITES = frozenset(("testsuite", "testsuites"))
TIME = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE]([+-]?[0-9]{1,2})(?![0-9]))?(?![0-9eE])")
ONLY_SPOKEN_OF = "it speaks of failures, but no test that failed is in it"
# Elements in a test that GLib's gtester and others put its end into.
SAYING = frozenset(("status", "result", "outcome"))
TESTS = re.compile("test|case|scenario")  # what the elements that are tests are called in other forms than JUnit's


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. `state` is passed, failed or skipped (it did not run); `duration` is in seconds, finite."""

    class_name: str
    name: str
    duration: float
    state: str
    details: str = ""
    trace: str = ""
    flaky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The tests that stand together in one element of a report."""

    name: str
    timestamp: str
    cases: tuple[Case, ...]

    @property
    def duration(self) -> float:
        return sum(case.duration for case in self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one file holds. `note` says what somebody has to know who reads only the numbers; '' for nothing."""

    suites: tuple[Suite, ...]
    note: str = ""


def tally(suites: Iterable[Suite]) -> Tally:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in suites:
        for case in suite.cases:
            counts[case.state] += 1
    return Tally(**counts)


def read(stream: BinaryIO, source: str) -> Report:
    """The tests of the report `source`, at most 512 MiB. What cannot be read is one failed test, as with Jenkins."""
    parser = _Parser(source)
    try:
        parser.feed(text.cleaned(stream))
    except text.EmptyReport:
        return unreadable(source, "is empty; the tests that should have written it may have crashed", "[empty]")
    except (text.UnfitReport, expat.ExpatError) as problem:
        return unreadable(source, f"cannot be read: {problem}")
    suites = tuple(parser.suites)
    if not suites and parser.foreign_failure:
        return unreadable(
            source, f"is no report in JUnit's form: it begins with <{parser.root}>, and tells of failures"
        )
    flaky = sum(case.flaky for suite in suites for case in suite.cases)
    return Report(
        suites=suites, note=noted(suites, parser.missing, f"{flaky} passed only when run again" * bool(flaky))
    )


def noted(suites: Iterable[Suite], missing: int, *more: str) -> str:
    """What a report that was read is said to lack; `missing` is how many tests only its sums speak of.

    They are no red: Catch2 and doctest count assertions, pytest subtests, and mocha what it does not list.
    """
    notes = (
        "" if suites else "holds no test case and is left out",
        f"its sums speak of {missing} {'tests' if missing > 1 else 'test'} that it does not hold" * (missing > 0),
    )
    return "; ".join(note for note in (*notes, *more) if note)


def unreadable(source: str, why: str, name: str = "[failed-to-read]") -> Report:
    """A report of which nothing is known: one failed test, so that the others count and nothing turns green."""
    case = Case(class_name=source, name=name, duration=0.0, state="failed", details=f"{source} {why}")
    suite = Suite(name=source, timestamp="", cases=(case,))
    return Report(suites=(suite,), note=f"{why}; it counts as one failed test")


@dataclass(slots=True, kw_only=True)
class _Mark:
    """<failure>, <error>, <skipped> and the like while it is read."""

    failing: bool
    message: str
    text: list[str] = field(default_factory=list)
    length: int = 0

    def add(self, text: str) -> None:
        if self.length < LONGEST_TRACE:
            self.text.append(text[: LONGEST_TRACE - self.length])
            self.length += len(text)


@dataclass(slots=True, kw_only=True)
class _Test:
    """<testcase> while it is read."""

    attributes: Mapping[str, str]
    state: str
    mark: _Mark | None = None
    flaky: bool = False


@dataclass(slots=True, kw_only=True)
class _Group:
    """An element outside of tests, which is a suite as soon as a test stands in it, whatever its name."""

    tag: str
    attributes: Mapping[str, str]
    in_suite: bool
    cases: list[Case] = field(default_factory=list)
    errors: list[_Mark] = field(default_factory=list)
    red: bool = False
    held: int = 0  # the tests of the groups below, and runs again
    missing: int = 0  # how many more their sums speak of


class _Parser:
    """Makes suites of expat's events, and keeps nothing of what tests printed: a report may have 100 MB of it."""

    def __init__(self, source: str) -> None:
        self.file = source.rpartition("/")[2]
        self.suites: list[Suite] = []
        self.count = 0
        self.missing = 0
        self.root = ""
        self.foreign_failure = False  # which counts only where no test is: what is around tests is read as Jenkins does
        # Everything that is open, outermost first. Below a silent element only the depth is counted.
        self.path: list[_Group | _Test | _Mark | None] = [_Group(tag="", attributes={}, in_suite=False)]
        self.silence = 0
        self.expat = expat.ParserCreate()
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.StartDoctypeDeclHandler = self.refuse_doctype

    def feed(self, texts: Iterator[str]) -> None:
        for piece in texts:
            self.expat.Parse(piece, False)
        self.expat.Parse("", True)
        self.end("")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.path) + self.silence > DEPTH:
            raise text.UnfitReport(f"it is nested deeper than {DEPTH} levels")
        local_name = tag.rpartition(":")[2]
        name = local_name.lower()
        self.root = self.root or tag
        if self.silence or name in SILENT:
            self.silence += 1
            return
        if local_name == "TestCase":  # which says in other words how it ended
            raise text.UnfitReport(
                "its tests are <TestCase>, as Boost, Catch2 and doctest write them in forms of their own; have them"
                " write JUnit's"
            )
        test = self._test()
        if name.startswith(("flaky", "rerun")):  # a run that the sums may count
            self._group().held += 1
        if name == "testcase":
            self.path.append(_Test(attributes=attributes, state=outcomes.state(attributes)))
        elif name in FAILING or (name in NOT_RUN and test):
            self.path.append(_Mark(failing=name in FAILING, message=attributes.get("message", "")))
            self.expat.CharacterDataHandler = self.text  # unset otherwise: what tests print would be most of the work
        elif test:
            if name in SAYING and outcomes.state(attributes) != "passed":
                self._close_mark(_Mark(failing=outcomes.state(attributes) == "failed", message=""), test)
            test.flaky |= name in FLAKY
            self.silence += name in FLAKY
            if name not in FLAKY:
                self.path.append(None)
        else:
            self.foreign_failure |= outcomes.counts_failures(attributes) or (
                TESTS.search(name) is not None and outcomes.state(attributes) == "failed"
            )
            group = self._group()
            inside = group.in_suite or name in SUITES
            self.path.append(_Group(tag=name, attributes=attributes, in_suite=inside))

    def text(self, text: str) -> None:
        marks = [entry for entry in self.path if isinstance(entry, _Mark)]
        if not self.silence:
            marks[-1].add(text)

    def end(self, _tag: str) -> None:
        if self.silence:
            self.silence -= 1
            return
        entry = self.path.pop()
        if isinstance(entry, _Mark):
            if not any(isinstance(outer, _Mark) for outer in self.path):
                self.expat.CharacterDataHandler = None
            self._close_mark(entry, self._test())
        elif isinstance(entry, _Test):
            self._close_test(entry)
        elif isinstance(entry, _Group):
            self._close_group(entry)

    def refuse_doctype(self, *_: object) -> None:
        raise text.UnfitReport("it has a document type declaration (DOCTYPE), which is not read")

    def _test(self) -> _Test | None:
        return next((entry for entry in reversed(self.path) if isinstance(entry, _Test)), None)

    def _group(self) -> _Group:
        return next(entry for entry in reversed(self.path) if isinstance(entry, _Group))

    def _close_mark(self, mark: _Mark, test: _Test | None) -> None:
        if test is None:
            self._group().errors.append(mark)
        elif mark.failing and (test.mark is None or not test.mark.failing):
            test.state, test.mark = "failed", mark
        elif not mark.failing and test.state == "passed":
            test.state, test.mark = "skipped", mark

    def _close_test(self, test: _Test) -> None:
        self.count += 1
        if self.count > MOST_CASES:
            raise text.UnfitReport(f"it holds more than {MOST_CASES} tests")
        group = self._group()
        name = test.attributes.get("name", "")
        class_name = test.attributes.get("classname") or group.attributes.get("name")
        if class_name is None and "." in name:
            class_name, _, name = name.rpartition(".")
        group.cases.append(
            Case(
                class_name=class_name or f"({self.file})",
                name=name or "(?)",
                duration=seconds(test.attributes.get("time", "")),
                state=test.state,
                details=test.mark.message if test.mark else "",
                trace="".join(test.mark.text) if test.mark else "",
                flaky=test.flaky and test.state == "passed",
            )
        )
        group.red |= test.state == "failed" or test.flaky

    def _close_group(self, group: _Group) -> None:
        """Make a suite of the group; a failure of the group itself is a failed test `<init>`, as with Jenkins."""
        name = group.attributes.get("name") or f"({self.file})"
        known = group.tag in SUITES or bool(group.cases)
        errors = group.errors if known or group.in_suite or len(self.path) == 1 else []
        if known and outcomes.declares_red(group.attributes) and not (errors or group.red):
            errors = [_Mark(failing=True, message=ONLY_SPOKEN_OF)]
        group.cases += [
            Case(
                class_name=name, name="<init>", duration=0.0, state="failed", details=error.message,
                trace="".join(error.text),
            )
            for error in errors
        ]  # fmt: skip
        held = len(group.cases) + group.held
        missing = max(group.missing, outcomes.counted(group.attributes.get("tests", "")) - held if known else 0)
        if self.path:
            above = self._group()
            above.red |= group.red or bool(errors)
            above.held += held
            above.missing += missing
        self.missing = missing
        if group.cases:
            package = group.attributes.get("package", "")
            full_name = f"{package}.{name}" if package and "name" in group.attributes else name
            stamp = group.attributes.get("timestamp", "")
            self.suites.append(Suite(name=full_name, timestamp=stamp, cases=tuple(group.cases)))


def seconds(text: str) -> float:
    """A test's time as Jenkins reads it: `1,234.5` has thousands, what is no finite number is 0."""
    number = TIME.match(text.replace(",", ""))
    return float(f"{number[1]}e{number[2] or 0}") if number else 0.0
