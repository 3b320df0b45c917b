"""Reports of tools with a form of their own: the same three tests, one good, one bad, one that did not run."""

from __future__ import annotations

import io

import pytest

from sluicegate.tools import otherreports
from sluicegate.tools.reports import Tally, tally

REPORTS = {
    "CTestType": """<Site BuildName="linux"><Testing><TestList><Test>./a</Test></TestList>
<Test Status="passed"><Name>a</Name><Results><NamedMeasurement name="Execution Time"><Value>1.5</Value>
</NamedMeasurement></Results></Test><Test Status="failed"><Name>b</Name><Results><Measurement><Value>why
more</Value></Measurement></Results></Test><Test Status="notrun"><Name>c</Name></Test></Testing></Site>""",
    "CppUnitJunitHudsonTestType": """<TestRun><FailedTests><FailedTest id="2"><Name>S::b</Name><Message>why</Message>
</FailedTest></FailedTests><SuccessfulTests><Test id="1"><Name>S::a</Name></Test></SuccessfulTests></TestRun>""",
    "BoostTestJunitHudsonTestType": """<TestLog><TestSuite name="all"><TestSuite name="s"><TestCase name="a">
<TestingTime>1500000</TestingTime></TestCase><TestCase name="b"><Error>why</Error></TestCase>
<TestCase name="c" skipped="yes"/></TestSuite></TestSuite></TestLog>""",
    "NUnitJunitHudsonTestType": """<test-results><test-suite><results>
<test-case name="n.S.a" executed="True" success="True" time="1.5"/>
<test-case name="n.S.b" executed="True" success="False"><failure><message>why</message></failure></test-case>
<test-case name="n.S.c" executed="False"/></results></test-suite></test-results>""",
    "XUnitDotNetTestType": """<assemblies><assembly><collection><test type="S" method="a" time="1.5" result="Pass"/>
<test type="S" method="b" result="Fail"><failure><message>why</message></failure></test>
<test type="S" method="c" result="Skip"/></collection></assembly></assemblies>""",
    "MSTestJunitHudsonTestType": """<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
<UnitTestResult testId="1" testName="a" outcome="Passed" duration="00:00:01.5"/><UnitTestResult testName="b"
outcome="Failed"><Output><ErrorInfo><Message>why</Message></ErrorInfo></Output></UnitTestResult>
<UnitTestResult testName="c" outcome="NotExecuted"/></Results><TestDefinitions><UnitTest id="1">
<TestMethod className="n.S, n" name="a"/></UnitTest></TestDefinitions></TestRun>""",
    "CheckType": """<testsuites xmlns="http://check.sourceforge.net/ns"><suite><title>s</title><test result="success">
<id>a</id><duration>1.5</duration></test><test result="failure"><id>b</id><message>why</message></test></suite>
</testsuites>""",
    "GTesterJunitHudsonTestType": """<gtester><testbinary path="x"><testcase path="/s/a"><status result="success"/>
</testcase><testcase path="/s/b"><error>why</error><status result="failed"/></testcase>
<testcase path="/s/c" skipped="1"/></testbinary></gtester>""",
    "UnitTestJunitHudsonTestType": """<unittest-results><test suite="s" name="a" time="1.5"/><test suite="s" name="b">
<failure message="why"/></test></unittest-results>""",
}
SKIPS = {"CppUnitJunitHudsonTestType", "CheckType", "UnitTestJunitHudsonTestType"}
"""Forms that do not know tests which did not run."""


def test_every_reader_has_a_report_here() -> None:
    assert REPORTS.keys() == otherreports.READERS.keys()


@pytest.mark.parametrize("kind", sorted(REPORTS))
def test_a_tools_own_report_is_counted(kind: str) -> None:
    report = otherreports.read(kind, io.BytesIO(REPORTS[kind].encode()), "report.xml")
    assert tally(report.suites) == Tally(passed=1, failed=1, skipped=0 if kind in SKIPS else 1)
    cases = {case.name: case for suite in report.suites for case in suite.cases}
    assert cases["b"].state == "failed" and cases["b"].details == "why"
    assert cases["a"].duration in (0.0, 1.5)


@pytest.mark.parametrize("content", [b"", b"<Site", b"<other/>", b"<!DOCTYPE x><Site/>"])
def test_what_is_no_such_report_is_one_failed_test(content: bytes) -> None:
    assert tally(otherreports.read("CTestType", io.BytesIO(content), "x.xml").suites).failed == 1
