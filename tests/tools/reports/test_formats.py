"""Reports of tools with a form of their own: the same three tests, one good, one bad, one that did not run."""

from __future__ import annotations

import io

import pytest

from sluicegate.tools.reports import formats
from sluicegate.tools.reports.testreports import Tally, tally

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
    "AUnitJunitHudsonTestType": """<TestRun><Statistics><Tests>2</Tests></Statistics><SuccessfulTests><Test>
<Name>S.a</Name></Test></SuccessfulTests><FailedTests><Test><Name>b</Name><FailureType>Assertion</FailureType><Message>why</Message>
</Test></FailedTests></TestRun>""",
    "EmbUnitType": """<TestRun><suite><Test id="1"><Name>a</Name></Test><FailedTest id="2"><Name>b</Name><Location>
<File>x.c</File><Line>3</Line></Location><Message>why</Message></FailedTest></suite><Statistics><Tests>2</Tests>
</Statistics></TestRun>""",
    "FPCUnitJunitHudsonTestType": """<TestResults><TestListing><TestSuite Name="s" ElapsedTime="00:00:01.500">
<Test Name="a" Result="OK" ElapsedTime="00:00:01.500"/><Test Name="b" Result="Failed"><Message>why</Message></Test>
<Test Name="c" Result="Ignored"/></TestSuite></TestListing></TestResults>""",
    "TUSARJunitHudsonTestType": """<tusar><tests><testsuite name="s"><testcase testname="a" time="1.5"/>
<testcase testname="b" fulltestname="n.S"><failure message="why"/></testcase>
<testcase testname="c"><skipped/></testcase></testsuite></tests></tusar>""",
    "CppTestJunitHudsonTestType": """<ResultsSession><Exec><ExecViols><ExecViol testId="2"><Thr><ThrPart detMsg="why"/>
</Thr></ExecViol></ExecViols></Exec><ExecutedTestsDetails><Total><Project><TestSuite name="s"><TestSuite name="S">
<Test id="1" name="S::a" pass="1" time="0:00:01.5"/><Test id="2" name="S::b" pass="0"/></TestSuite></TestSuite>
</Project></Total></ExecutedTestsDetails></ResultsSession>""",
}
SKIPS = {
    "CppUnitJunitHudsonTestType",
    "CheckType",
    "UnitTestJunitHudsonTestType",
    "AUnitJunitHudsonTestType",
    "EmbUnitType",
    "CppTestJunitHudsonTestType",
}
"""Forms that do not know tests which did not run."""


def test_every_reader_has_a_report_here() -> None:
    assert REPORTS.keys() | {"ValgrindJunitHudsonTestType"} == formats.READERS.keys()


@pytest.mark.parametrize("kind", sorted(REPORTS))
def test_a_tools_own_report_is_counted(kind: str) -> None:
    report = formats.read(kind, io.BytesIO(REPORTS[kind].encode()), "report.xml")
    assert tally(report.suites) == Tally(passed=1, failed=1, skipped=0 if kind in SKIPS else 1)
    cases = {case.name: case for suite in report.suites for case in suite.cases}
    assert cases["b"].state == "failed" and cases["b"].details == "why"
    assert cases["a"].duration in (0.0, 1.5)


@pytest.mark.parametrize("content", [b"", b"<Site", b"<other/>", b"<!DOCTYPE x><Site/>"])
def test_what_is_no_such_report_is_one_failed_test(content: bytes) -> None:
    assert tally(formats.read("CTestType", io.BytesIO(content), "x.xml").suites).failed == 1


VALGRIND = """<valgrindoutput><pid>7</pid><tool>memcheck</tool><args><vargv><exe>valgrind</exe>
<arg>--xml-file=out/{name}.xml</arg></vargv><argv><exe>./program</exe></argv></args>{errors}</valgrindoutput>"""
ERROR = """<error><kind>Leak_DefinitelyLost</kind><xwhat><text>40 bytes are lost</text><leakedbytes>40</leakedbytes>
</xwhat><stack><frame><ip>0x1</ip><fn>main</fn><file>a.c</file><line>3</line></frame></stack></error>"""


@pytest.mark.parametrize(("errors", "state"), [("", "passed"), (ERROR * 2, "failed")])
def test_a_run_of_valgrind_is_one_test(errors: str, state: str) -> None:
    content = VALGRIND.format(name="checks", errors=errors).encode()
    report = formats.read("ValgrindJunitHudsonTestType", io.BytesIO(content), "x.xml")
    (suite,) = report.suites
    (case,) = suite.cases
    assert (suite.name, case.name, case.state) == ("valgrind-memcheck", "checks", state)
    assert state == "passed" or (case.details == "40 bytes are lost" and "main (a.c:3)" in case.trace)


def test_a_cpptest_report_without_details_has_its_faults() -> None:
    faults = '<ExecViol testCaseId="1" testName="S::a" cat="6"/>'
    faults += '<ExecViol testCaseId="2" testName="S::b" cat="1"><ThrPart detMsg="why"/></ExecViol>' * 2
    content = f"<ResultsSession><Exec><ExecViols>{faults}</ExecViols></Exec></ResultsSession>".encode()
    report = formats.read("CppTestJunitHudsonTestType", io.BytesIO(content), "x.xml")
    cases = [(case.class_name, case.name, case.state) for suite in report.suites for case in suite.cases]
    assert cases == [("S", "a", "passed"), ("S", "b", "failed")]


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("MSTestJunitHudsonTestType", '<TestRun><Results>{}</Results><ResultSummary outcome="Failed"/></TestRun>'),
        ("MSTestJunitHudsonTestType", '<TestRun><Results>{}</Results><ResultSummary outcome="Aborted"/></TestRun>'),
        ("NUnitJunitHudsonTestType", '<test-run result="Failed" failed="0">{}</test-run>'),
        ("NUnitJunitHudsonTestType", '<test-results errors="1" failures="0">{}</test-results>'),
        ("XUnitDotNetTestType", '<assemblies><assembly errors="1" failed="0">{}</assembly></assemblies>'),
    ],
)
def test_a_run_that_failed_as_a_whole_is_red_though_all_its_tests_passed(kind: str, report: str) -> None:
    good = {
        "MSTestJunitHudsonTestType": '<UnitTestResult testName="a" outcome="Passed"/>',
        "NUnitJunitHudsonTestType": '<test-case name="S.a" result="Success"/>',
        "XUnitDotNetTestType": '<test type="S" method="a" result="Pass"/>',
    }[kind]
    for tests, passed in ((good, 1), ("", 0)):
        suites = formats.read(kind, io.BytesIO(report.format(tests).encode()), "report.xml").suites
        assert tally(suites) == Tally(passed=passed, failed=1)
        assert suites[-1].cases[-1].name == "<init>"


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        (
            "BoostTestJunitHudsonTestType",
            "<TestLog><Exception>set-up</Exception><TestSuite name='s'>{}</TestSuite></TestLog>",
        ),
        ("BoostTestJunitHudsonTestType", "<TestLog><TestSuite name='s'><Error>set-up</Error>{}</TestSuite></TestLog>"),
    ],
)
def test_a_fault_outside_of_tests_is_a_failed_test(kind: str, report: str) -> None:
    suites = formats.read(kind, io.BytesIO(report.format("<TestCase name='a'/>").encode()), "x.xml").suites
    assert tally(suites) == Tally(passed=1, failed=1)
    assert [case.details for suite in suites for case in suite.cases if case.name == "<init>"] == ["set-up"]


def test_a_program_that_crashed_below_valgrind_failed() -> None:
    signal = "<fatal_signal><signo>6</signo><signame>SIGABRT</signame></fatal_signal>"
    content = VALGRIND.format(name="checks", errors=signal).encode()
    ((case,),) = (suite.cases for suite in formats.read("ValgrindJunitHudsonTestType", io.BytesIO(content), "x").suites)
    assert (case.state, case.details) == ("failed", "ended by SIGABRT")


def test_a_word_that_fpcunit_does_not_know_is_no_pass() -> None:
    content = b'<TestResults><TestSuite Name="s"><Test Name="a" Result="Crashed"/></TestSuite></TestResults>'
    assert tally(formats.read("FPCUnitJunitHudsonTestType", io.BytesIO(content), "x").suites) == Tally(failed=1)


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("NUnitJunitHudsonTestType", '<test-run total="3"><test-case name="S.a" result="Passed"/></test-run>'),
        (
            "XUnitDotNetTestType",
            '<assemblies><assembly total="2"><test type="S" method="a" result="Pass"/></assembly><assembly total="1"/>'
            "</assemblies>",
        ),
        (
            "MSTestJunitHudsonTestType",
            '<TestRun><Results><UnitTestResult testName="a" outcome="Passed"/></Results><ResultSummary>'
            '<Counters total="3" executed="3"/></ResultSummary></TestRun>',
        ),
    ],
)
def test_tests_that_only_the_sums_speak_of_are_said(kind: str, report: str) -> None:
    read = formats.read(kind, io.BytesIO(report.encode()), "x.xml")
    assert tally(read.suites) == Tally(passed=1)
    assert read.note == "its sums speak of 2 tests that it does not hold"
