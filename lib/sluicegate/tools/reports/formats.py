"""Reads reports of test tools that have a form of their own, as the xunit plugin does by its style sheets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed
from sluicegate.tools import xml
from sluicegate.tools.reports import outcomes
from sluicegate.tools.reports.testreports import (
    LONGEST_TRACE,
    ONLY_SPOKEN_OF,
    Case,
    Report,
    Suite,
    noted,
    seconds,
    unreadable,
)

LARGEST = 128 * 1024 * 1024
CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)")
Row = tuple[str, Case]
"""The suite that a test stands in, and the test."""


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _below(element: Element, *tags: str) -> Iterator[Element]:
    """All elements of these tags below, whatever their namespace."""
    return (below for below in element.iter() if _tag(below) in tags)


def _child(element: Element, tag: str) -> str:
    return next((child.text or "" for child in element if _tag(child) == tag), "").strip()


def _case(suite: str, class_name: str, name: str, state: str, *, time: float = 0.0, details: str = "") -> Row:
    text = details.strip()
    first = text.splitlines()[0][:500] if text else ""
    trace = text[:LONGEST_TRACE] if state == "failed" else ""
    return suite, Case(
        class_name=class_name or suite, name=name or "(?)", duration=time, state=state, details=first, trace=trace
    )


def _ctest(root: Element) -> Iterator[Row]:
    """CTest's Test.xml: `Status` of each test."""
    states = {"passed": "passed", "notrun": "skipped", "disabled": "skipped"}
    for test in _below(root, "Test"):
        status = test.get("Status")
        if status is None:  # TestList names the tests once more
            continue
        measured = {
            measurement.get("name"): _child(measurement, "Value") for measurement in _below(test, "NamedMeasurement")
        }
        output = next((_child(measurement, "Value") for measurement in _below(test, "Measurement")), "")
        time = seconds(measured.get("Execution Time", ""))
        state = states.get(status.lower(), "failed")
        yield _case(root.get("BuildName") or "CTest", "", _child(test, "Name"), state, time=time, details=output)


def _cppunit(root: Element) -> Iterator[Row]:
    """CppUnit's XmlOutputter: failed and successful tests apart, named `Class::test`."""
    for test in _below(root, "FailedTest", "Test"):
        class_name, _, name = _child(test, "Name").rpartition("::")
        state = "failed" if _tag(test) == "FailedTest" else "passed"
        yield _case("CppUnit", class_name, name, state, details=_child(test, "Message"))


def _boost(root: Element) -> Iterator[Row]:
    """Boost.Test's log (`--log_format=XML --log_level=test_suite`). A fixture's fault stands outside of tests."""
    faulty = ("Error", "FatalError", "Exception", "SystemError")
    for group in _below(root, "TestLog", "TestSuite"):
        faults = [fault.text or "" for fault in group if _tag(fault) in faulty]
        if faults:
            name = group.get("name", "Boost")
            yield _case(name, name, "<init>", "failed", details="\n".join(faults))
    for suite in _below(root, "TestSuite"):
        for test in (child for child in suite if _tag(child) == "TestCase"):
            faults = [fault.text or "" for fault in _below(test, *faulty)]
            skipped = test.get("skipped", "").lower() in ("yes", "true")
            state = "failed" if faults else "skipped" if skipped else "passed"
            time = seconds(_child(test, "TestingTime")) / 1e6
            name = suite.get("name", "")
            yield _case(name, name, test.get("name", ""), state, time=time, details="\n".join(faults))


def _nunit(root: Element) -> Iterator[Row]:
    """NUnit 2 (`executed`, `success`) and NUnit 3 (`result`)."""
    good = {"success", "passed", "warning"}
    left_out = {"ignored", "skipped", "inconclusive", "notrunnable", "explicit"}
    for test in _below(root, "test-case"):
        result = (test.get("result") or ("success" if test.get("success") == "True" else "failure")).lower()
        skipped = result in left_out or test.get("executed") == "False"
        state = "skipped" if skipped else "passed" if result in good else "failed"
        class_name, _, name = test.get("name", "").rpartition(".")
        fault = "\n".join(
            _child(failure, tag) for failure in _below(test, "failure") for tag in ("message", "stack-trace")
        )
        time = seconds(test.get("time") or test.get("duration") or "")
        yield _case("NUnit", test.get("classname") or class_name, name, state, time=time, details=fault)


def _dotnet(root: Element) -> Iterator[Row]:
    """xUnit.net, versions 1 and 2."""
    states = {"pass": "passed", "skip": "skipped", "notrun": "skipped"}
    for test in _below(root, "test"):
        state = states.get(test.get("result", "").lower(), "failed")
        fault = "\n".join(
            _child(failure, tag) for failure in _below(test, "failure") for tag in ("message", "stack-trace")
        )
        name, class_name = test.get("method") or test.get("name") or "", test.get("type", "")
        yield _case("xUnit.net", class_name, name, state, time=seconds(test.get("time", "")), details=fault)


def _mstest(root: Element) -> Iterator[Row]:
    """Visual Studio's .trx: `outcome` of each result; the class stands in the definition of the test."""
    classes = {
        test.get("id", ""): next((method.get("className", "") for method in _below(test, "TestMethod")), "")
        for test in _below(root, "UnitTest")
    }
    left_out = {"notexecuted", "inconclusive", "pending", "notrunnable", "disconnected"}
    for result in _below(root, "UnitTestResult"):
        outcome = result.get("outcome", "failed").lower()
        good = outcome in ("passed", "passedbutrunaborted", "warning", "completed")
        state = "passed" if good else "skipped" if outcome in left_out else "failed"
        fault = "\n".join(
            _child(error_info, tag) for error_info in _below(result, "ErrorInfo") for tag in ("Message", "StackTrace")
        )
        time = _clock(result.get("duration"))
        class_name = classes.get(result.get("testId", ""), "").partition(",")[0]
        yield _case("MSTest", class_name, result.get("testName", ""), state, time=time, details=fault)


def _check(root: Element) -> Iterator[Row]:
    """Check's XML log (CK_XML_LOG_FILE_NAME)."""
    for suite in _below(root, "suite"):
        for test in _below(suite, "test"):
            state = "passed" if test.get("result") == "success" else "failed"
            time, name = seconds(_child(test, "duration")), _child(suite, "title")
            yield _case(name, name, _child(test, "id"), state, time=max(0.0, time), details=_child(test, "message"))


def _gtester(root: Element) -> Iterator[Row]:
    """GLib's gtester: one element a test path."""
    for test in _below(root, "testcase"):
        status = next(iter(_below(test, "status")), None)
        result = status.get("result", "success") if status is not None else "success"
        skipped = test.get("skipped") == "1"
        state = "skipped" if skipped else "passed" if result == "success" else "failed"
        class_name, _, name = test.get("path", "").strip("/").rpartition("/")
        fault = "\n".join(error.text or "" for error in _below(test, "error"))
        yield _case("gtester", class_name.replace("/", "."), name, state, details=fault)


def _unittest(root: Element) -> Iterator[Row]:
    """UnitTest++."""
    for test in _below(root, "test"):
        faults = [failure.get("message", "") for failure in _below(test, "failure")]
        suite, time = test.get("suite", ""), seconds(test.get("time", ""))
        state = "failed" if faults else "passed"
        yield _case(suite, suite, test.get("name", ""), state, time=time, details="\n".join(faults))


def _aunit(root: Element) -> Iterator[Row]:
    """AUnit: failed and successful tests apart, named `Class.test`."""
    for group in root:
        for test in (child for child in group if _tag(child) == "Test"):
            class_name, dot, name = _child(test, "Name").partition(".")
            state = "failed" if _tag(group) == "FailedTests" else "passed"
            yield _case("AUnit", class_name if dot else "", name or class_name, state, details=_child(test, "Message"))


def _embunit(root: Element) -> Iterator[Row]:
    """Embedded Unit's XMLOutputter: an element for each suite, named like it."""
    for suite in (child for child in root if _tag(child) != "Statistics"):
        for test in (child for child in suite if _tag(child) in ("Test", "FailedTest")):
            state = "failed" if _tag(test) == "FailedTest" else "passed"
            yield _case(_tag(suite), "", _child(test, "Name"), state, details=_child(test, "Message"))


def _fpcunit(root: Element) -> Iterator[Row]:
    """FPCUnit: `Result` of each test."""
    states = {"OK": "passed", "Ignored": "skipped"}
    for suite in _below(root, "TestSuite"):
        for test in (child for child in suite if _tag(child) == "Test"):
            fault = "\n".join(_child(test, tag) for tag in ("Message", "ExceptionMessage"))
            state, name = states.get(test.get("Result", ""), "failed"), suite.get("Name", "")
            yield _case(name, name, test.get("Name", ""), state, time=_clock(test.get("ElapsedTime")), details=fault)


def _valgrind(root: Element) -> Iterator[Row]:
    """Valgrind (`--xml=yes`): one test a report, named for its file or its program; errors and a crash fail it."""
    files = (argument.text or "" for argument in root.iterfind("args/vargv/arg"))
    file = next((argument.partition("=")[2] for argument in files if argument.startswith("--xml-file=")), "")
    program = (root.findtext("args/argv/exe") or root.findtext("pid") or "").strip()
    name = file.rpartition("/")[2].partition(".")[0] or program
    faults = [f"ended by {_child(signal, 'signame')}" for signal in root.iterfind("fatal_signal")]
    for error in root.iterfind("error"):
        faults += [child.text or "" for child in error if _tag(child) in ("what", "auxwhat")]
        faults += [child.text or "" for child in error.iterfind("xwhat/text")]
        for frame in error.iterfind("stack/frame"):
            place = ":".join(filter(None, (_child(frame, "file"), _child(frame, "line"))))
            faults.append(f"    at {_child(frame, 'fn') or _child(frame, 'ip')} ({place or _child(frame, 'obj')})")
    suite = f"valgrind-{_child(root, 'tool')}"
    yield _case(suite, suite, name, "failed" if faults else "passed", details="\n".join(faults))


def _tusar(root: Element) -> Iterator[Row]:
    """TUSAR: like JUnit's form, with other names."""
    for suite in root.iterfind("tests/testsuite"):
        for test in suite.iterfind("testcase"):
            faults = [child for child in test if _tag(child) in ("error", "failure")]
            class_name = test.get("fulltestname") or test.get("filepath") or ""
            state = "failed" if faults else "skipped" if test.find("skipped") is not None else "passed"
            details = "\n".join(f"{fault.get('message') or ''}\n{fault.text or ''}" for fault in faults)
            time = seconds(test.get("time") or "")
            yield _case(suite.get("name", ""), class_name, test.get("testname", ""), state, time=time, details=details)


def _cpptest(root: Element) -> Iterator[Row]:
    """Parasoft C++test: the tests with `pass`, their faults by `testId`; without details the faults alone."""
    faults = list(root.iterfind("Exec/ExecViols/ExecViol"))
    if root.find("ExecutedTestsDetails") is None:
        seen = {fault.get("testCaseId"): fault for fault in reversed(faults)}
        for fault in reversed(seen.values()):
            class_name, _, name = (fault.get("testName") or "").partition("::")
            state = "passed" if fault.get("cat") == "6" else "failed"
            yield _case("C++test", class_name, name, state, details=_thrown(fault) if state == "failed" else "")
        return
    for suite in _below(root, "TestSuite"):
        for test in (child for child in suite if _tag(child) == "Test"):
            name = suite.get("name", "")
            details = "\n".join(_thrown(fault) for fault in faults if fault.get("testId") == test.get("id"))
            state, time = "passed" if test.get("pass") == "1" else "failed", _clock(test.get("time"))
            short = test.get("name", "").removeprefix(f"{name}::")
            yield _case(name, name, short, state, time=time, details=details if state == "failed" else "")


def _thrown(fault: Element) -> str:
    return "\n".join(part.get("detMsg") or part.get("clName") or "" for part in _below(fault, "ThrPart"))


def _clock(text: str | None) -> float:
    """The seconds of `H:MM:SS.fff`, 0 for anything else."""
    clock = CLOCK.match(text or "")
    return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) if clock else 0.0


READERS: Mapping[str, tuple[Callable[[Element], Iterator[Row]], tuple[str, ...]]] = {
    "CTestType": (_ctest, ("Site",)),
    "CppUnitJunitHudsonTestType": (_cppunit, ("TestRun",)),
    "BoostTestJunitHudsonTestType": (_boost, ("TestLog", "BoostTest")),
    "NUnitJunitHudsonTestType": (_nunit, ("test-results", "test-run")),
    "XUnitDotNetTestType": (_dotnet, ("assemblies", "assembly")),
    "MSTestJunitHudsonTestType": (_mstest, ("TestRun",)),
    "CheckType": (_check, ("testsuites",)),
    "GTesterJunitHudsonTestType": (_gtester, ("gtester", "gtest")),
    "UnitTestJunitHudsonTestType": (_unittest, ("unittest-results",)),
    "AUnitJunitHudsonTestType": (_aunit, ("TestRun",)),
    "EmbUnitType": (_embunit, ("TestRun",)),
    "FPCUnitJunitHudsonTestType": (_fpcunit, ("TestResults",)),
    "ValgrindJunitHudsonTestType": (_valgrind, ("valgrindoutput",)),
    "TUSARJunitHudsonTestType": (_tusar, ("tusar",)),
    "CppTestJunitHudsonTestType": (_cpptest, ("ResultsSession",)),
}
"""The xunit plugin's class of a tool -> what reads its reports, and the elements that these begin with."""


def read(kind: str, stream: BinaryIO, source: str) -> Report:
    """The tests of a report of this kind, at most 128 MiB. What cannot be read is one failed test."""
    reader, roots = READERS[kind]
    content = stream.read(LARGEST + 1)
    if not content.strip():
        return unreadable(source, "is empty; the tests that should have written it may have crashed", "[empty]")
    try:
        root = xml.parse(content, limit=LARGEST, source=source)
    except Malformed as problem:
        return unreadable(source, f"cannot be read: {problem.message}")
    if _tag(root) not in roots:
        return unreadable(source, f"begins with <{_tag(root)}>, expected <{'> or <'.join(roots)}>")
    suites: dict[str, list[Case]] = {}
    for suite, case in reader(root):
        suites.setdefault(suite, []).append(case)
    # A host that crashed, a set-up or tear-down that failed: the run is red, and none of its tests.
    red = any(case.state == "failed" for cases in suites.values() for case in cases)
    if not red and any(outcomes.declares_red(element.attrib) for element in (root, *root)):
        suite, case = _case(_tag(root), "", "<init>", "failed", details=ONLY_SPOKEN_OF)
        suites.setdefault(suite, []).append(case)
    read_suites = tuple(Suite(name=name, timestamp="", cases=tuple(cases)) for name, cases in suites.items())
    levels = (root,), tuple(root), tuple(root.iterfind("*/*"))
    sums = (sum(outcomes.counted(element.get("total", "")) for element in level) for level in levels)
    total = next(filter(None, sums), 0)
    return Report(suites=read_suites, note=noted(read_suites, total - sum(map(len, suites.values()))))
