"""Reads reports of test tools that have a form of their own, as the xunit plugin does by its style sheets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed
from sluicegate.tools import xml
from sluicegate.tools.reports import LONGEST_TRACE, Case, Report, Suite, seconds, unreadable

LARGEST = 128 * 1024 * 1024
CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)")
Row = tuple[str, Case]
"""The suite that a test stands in, and the test."""


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _below(element: Element, *tags: str) -> Iterator[Element]:
    """All elements of these tags below, whatever their namespace."""
    return (one for one in element.iter() if _tag(one) in tags)


def _child(element: Element, tag: str) -> str:
    return next((one.text or "" for one in element if _tag(one) == tag), "").strip()


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
        measured = {one.get("name"): _child(one, "Value") for one in _below(test, "NamedMeasurement")}
        output = next((_child(one, "Value") for one in _below(test, "Measurement")), "")
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
    """Boost.Test's log (`--log_format=XML --log_level=test_suite`)."""
    for suite in _below(root, "TestSuite"):
        for test in (one for one in suite if _tag(one) == "TestCase"):
            faults = [one.text or "" for one in _below(test, "Error", "FatalError", "Exception", "SystemError")]
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
        fault = "\n".join(_child(one, tag) for one in _below(test, "failure") for tag in ("message", "stack-trace"))
        time = seconds(test.get("time") or test.get("duration") or "")
        yield _case("NUnit", test.get("classname") or class_name, name, state, time=time, details=fault)


def _dotnet(root: Element) -> Iterator[Row]:
    """xUnit.net, versions 1 and 2."""
    states = {"pass": "passed", "skip": "skipped", "notrun": "skipped"}
    for test in _below(root, "test"):
        state = states.get(test.get("result", "").lower(), "failed")
        fault = "\n".join(_child(one, tag) for one in _below(test, "failure") for tag in ("message", "stack-trace"))
        name, class_name = test.get("method") or test.get("name") or "", test.get("type", "")
        yield _case("xUnit.net", class_name, name, state, time=seconds(test.get("time", "")), details=fault)


def _mstest(root: Element) -> Iterator[Row]:
    """Visual Studio's .trx: `outcome` of each result; the class stands in the definition of the test."""
    classes = {
        test.get("id", ""): next((one.get("className", "") for one in _below(test, "TestMethod")), "")
        for test in _below(root, "UnitTest")
    }
    left_out = {"notexecuted", "inconclusive", "pending", "notrunnable", "disconnected"}
    for result in _below(root, "UnitTestResult"):
        outcome = result.get("outcome", "failed").lower()
        good = outcome in ("passed", "passedbutrunaborted", "warning", "completed")
        state = "passed" if good else "skipped" if outcome in left_out else "failed"
        fault = "\n".join(_child(one, tag) for one in _below(result, "ErrorInfo") for tag in ("Message", "StackTrace"))
        clock = CLOCK.match(result.get("duration", ""))
        time = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) if clock else 0.0
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
        fault = "\n".join(one.text or "" for one in _below(test, "error"))
        yield _case("gtester", class_name.replace("/", "."), name, state, details=fault)


def _unittest(root: Element) -> Iterator[Row]:
    """UnitTest++."""
    for test in _below(root, "test"):
        faults = [one.get("message", "") for one in _below(test, "failure")]
        suite, time = test.get("suite", ""), seconds(test.get("time", ""))
        state = "failed" if faults else "passed"
        yield _case(suite, suite, test.get("name", ""), state, time=time, details="\n".join(faults))


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
    if not suites:
        return Report(suites=(), note="holds no test case and is left out")
    return Report(suites=tuple(Suite(name=name, timestamp="", cases=tuple(cases)) for name, cases in suites.items()))
