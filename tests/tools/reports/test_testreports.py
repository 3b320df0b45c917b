"""Test reports as people's tools write them: what is red, unreadable or did not run never comes out as passed."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.delivery.moves.evidence import read_junit
from sluicegate.errors import UsageError
from sluicegate.tools.reports import reportfiles, testreports
from sluicegate.tools.reports.testreports import Case, Tally
from tests.parts import make_unlistable


def read(content: str | bytes, source: str = "r/t.xml") -> testreports.Report:
    return testreports.read(io.BytesIO(content.encode() if isinstance(content, str) else content), source)


def tally(content: str | bytes) -> Tally:
    return testreports.tally(read(content).suites)


def cases(content: str | bytes) -> list[Case]:
    return [case for suite in read(content).suites for case in suite.cases]


def report_of(tool: str) -> bytes:
    return (Path(__file__).parent / "samples" / f"{tool}.xml").read_bytes()


# Per tool a report of its own shape in reports/: two tests that passed, and what else the tool can say.
BY_TOOL = {
    "surefire-with-reruns": Tally(passed=2, failed=1, skipped=1),
    "pytest": Tally(passed=2, failed=1, skipped=2),
    "jest": Tally(passed=2, failed=1),
    "go": Tally(passed=2, failed=1, skipped=1),
    "ctest": Tally(passed=2, failed=1, skipped=2),
    "cargo-nextest": Tally(passed=2, failed=1),
    "catch2": Tally(passed=2, failed=1, skipped=1),
    "phpunit": Tally(passed=2, failed=1, skipped=1),
    "googletest": Tally(passed=2, failed=1, skipped=2),
}


@pytest.mark.parametrize("tool", BY_TOOL)
def test_every_tools_report_counts_as_the_tool_meant_it(tool: str) -> None:
    assert tally(report_of(tool)) == BY_TOOL[tool]


def test_a_test_that_passed_only_when_run_again_is_said() -> None:
    assert read(report_of("surefire-with-reruns")).note == "1 passed only when run again"


@pytest.mark.parametrize(
    "content",
    [
        "<testsuite name='S'><error message='no class'>trace</error><testcase name='a'/></testsuite>",
        "<testsuite name='S'><testcase name='a'/><failure message='no class'>trace</failure></testsuite>",
        "<all><testsuite name='S'><error message='no class'>trace</error></testsuite><testcase name='a'/></all>",
        "<all name='S'><error message='no class'>trace</error><testcase name='a'/></all>",
        "<testsuite><end name='S'><error message='no class'>trace</error></end><testcase name='a'/></testsuite>",
    ],
)
def test_a_failure_of_a_whole_suite_is_a_failed_test(content: str) -> None:
    assert tally(content) == Tally(passed=1, failed=1)
    (failed,) = [case for case in cases(content) if case.state == "failed"]
    assert (failed.class_name, failed.name, failed.details, failed.trace) == ("S", "<init>", "no class", "trace")


def test_failures_that_only_the_sums_speak_of_are_one_failed_test() -> None:
    assert tally("<testsuite errors='1' tests='2'><testcase name='a'/></testsuite>") == Tally(passed=1, failed=1)
    assert tally("<testsuites failures='2'/>") == Tally(failed=1)
    listed = "<testsuite failures='1'><testcase name='a'><failure/></testcase></testsuite>"
    assert tally(f"<testsuites failures='1'>{listed}</testsuites>") == Tally(failed=1), (
        "what is listed is not counted twice"
    )


@pytest.mark.parametrize(
    "marks",
    [
        'status="notrun"', 'result="suppressed"', 'result="skipped"', 'status="disabled"', 'status="Not Run"',
        'status="not_run"', 'outcome="NotExecuted"', 'status="pending"', 'executed="false"', 'disabled="true"',
    ],
)  # fmt: skip
def test_a_test_that_did_not_run_is_skipped(marks: str) -> None:
    assert tally(f"<testsuite><testcase name='a' {marks}/></testsuite>") == Tally(skipped=1)


@pytest.mark.parametrize(
    "child",
    ["<skipped/>", "<disabled/>", "<ignored/>", "<x:skipped/>", "<Skipped/>", "<skip/>", "<todo/>", "<not-run/>"],
)
def test_an_element_says_that_a_test_did_not_run(child: str) -> None:
    assert tally(f"<testsuite><testcase name='a'>{child}</testcase></testsuite>") == Tally(skipped=1)


@pytest.mark.parametrize(
    "test",
    [
        "<testcase status='notrun'><failure/></testcase>",
        "<testcase><skipped/><error/></testcase>",
        "<testcase><steps><step><failure/></step></steps></testcase>",
        "<testcase status='failed'/>",
        "<testcase result='timed-out'/>",
        "<testcase status='failed'><skipped/></testcase>",
        "<testcase><rerunFailure/></testcase>",
        "<x:testcase><x:failure/></x:testcase>",
    ],
)
def test_a_failure_wins_over_everything(test: str) -> None:
    assert tally(f"<testsuite>{test}</testsuite>") == Tally(failed=1)


def test_what_a_test_printed_is_no_result() -> None:
    printed = "<system-out><failure/></system-out><system-err><skipped/></system-err><properties><error/></properties>"
    assert tally(f"<testsuite><testcase>{printed}</testcase>{printed}</testsuite>") == Tally(passed=1)


@pytest.mark.parametrize("root", ["testsuites", "testsuite", "report", "test-run", "ns:testsuite"])
def test_tests_count_whatever_they_stand_in(root: str) -> None:
    content = f"<{root}><testcase name='a'/><group><part><testcase name='b'><error/></testcase></part></group></{root}>"
    assert tally(content) == Tally(passed=1, failed=1)
    assert tally("<testcase name='alone'/>") == Tally(passed=1)


def test_names_come_from_where_jenkins_takes_them() -> None:
    content = """<testsuites><testsuite name="S" package="p"><testcase name="a"/><testcase classname="C" name="b"/>
        </testsuite><testsuite><testcase name="x.y.c"/><testcase/></testsuite></testsuites>"""
    assert [suite.name for suite in read(content).suites] == ["p.S", "(t.xml)"]
    names = [(case.class_name, case.name) for case in cases(content)]
    assert names == [("S", "a"), ("C", "b"), ("x.y", "c"), ("(t.xml)", "(?)")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.5", 0.5), ("1,234.5", 1234.5), (" 2 ", 2.0), (".25", 0.25), ("1e-3", 0.001), ("1.5 s", 1.5),
        *((text, 0.0) for text in ("NaN", "inf", "-Infinity", "1e999", "", "abc", "-1", "9" * 5000, "٣", "1e5e5")),
    ],
)  # fmt: skip
def test_a_time_is_a_finite_number(text: str, seconds: float) -> None:
    assert [case.duration for case in cases(f"<testsuite><testcase time='{text}'/></testsuite>")] == [seconds]


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_report_is_a_failed_test_and_is_called_empty(content: bytes) -> None:
    assert [(case.class_name, case.name, case.state) for case in cases(content)] == [("r/t.xml", "[empty]", "failed")]
    assert "is empty" in read(content).note


DEEP = "<testsuite>" * 300 + "</testsuite>" * 300


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<testsuite><testcase name='a'/><testcase name='b", "unclosed token"),
        ("<testsuite><testcase name='a'/>", "no element found"),
        ("<testsuite/><testsuite/>", "junk"),
        ("no xml at all", "syntax error"),
        ("PK\3\4", "invalid token"),
        ("<!DOCTYPE x [<!ENTITY y 'z'>]><testsuite><testcase name='&y;'/></testsuite>", "DOCTYPE"),
        ("<?xml version='1.0' encoding='zlib'?><testsuite><testcase/></testsuite>", "encoding 'zlib'"),
        ("<?xml version='1.0' encoding='punycode'?><testsuite><testcase/></testsuite>", "encoding 'punycode'"),
        (DEEP, "nested deeper"),
        (
            "<Catch2TestRun><TestCase name='a'><OverallResult success='false'/></TestCase></Catch2TestRun>",
            "<TestCase>, as Boost, Catch2 and doctest write them",
        ),
    ],
)
def test_a_report_that_cannot_be_read_is_one_failed_test_with_the_reason(content: str, reason: str) -> None:
    assert [(case.name, case.state) for case in cases(content)] == [("[failed-to-read]", "failed")]
    assert reason in read(content).note
    assert reason in cases(content)[0].details


@pytest.mark.parametrize("content", ["<foo/>", "<checkstyle><file><error line='1'/></file></checkstyle>", "<Error/>"])
def test_what_is_no_report_is_left_out_and_said(content: str) -> None:
    assert read(content).suites == ()
    assert "left out" in read(content).note


@pytest.mark.parametrize(
    ("begin", "text", "encoding"),
    [
        ("", "raw \x1b[31m, \x00, \x0b and \ufffe", "utf-8"),
        (
            "<?xml version='1.1' encoding='UTF-8'?>",
            "as references &#27; &#x0; &#xFFFF; &#xD800; &#99999999999;",
            "utf-8",
        ),
        ("\n  <?xml version='1.0'?>", "blanks before the declaration", "utf-8"),
        ("<?xml version='1.0' encoding='UTF-8'?>", "é in other bytes than the declaration says", "latin-1"),
        ("<?xml version='1.0' encoding='iso-8859-1'?>", "é", "latin-1"),
        ("<?xml version='1.0' encoding='utf-16'?>", "the declaration of another file", "utf-8"),
        ("<?xml version='1.0' encoding='utf-16'?>", "é", "utf-16"),
        ("", "é", "utf-16-le"),
        ("\ufeff", "byte order mark", "utf-8"),
    ],
)
def test_characters_that_xml_cannot_carry_lose_no_test(begin: str, text: str, encoding: str) -> None:
    content = f"{begin}<testsuite><testcase name='{text}'/><testcase><failure>{text}</failure></testcase></testsuite>"
    assert tally(content.encode(encoding)) == Tally(passed=1, failed=1)


def test_good_characters_come_through_unchanged() -> None:
    content = "<testsuite><testcase name='é&#10;&#x1F600;&amp;&lt;\u4e2d'/></testsuite>"
    assert [case.name for case in cases(content)] == ["é\n\U0001f600&<\u4e2d"]


@given(st.integers(0, 40), st.sampled_from(["&#x1F600;", "&#27;", "é", "&amp;"]))
@settings(deadline=None, max_examples=60)
def test_no_character_is_lost_where_two_blocks_meet(shift: int, character: str) -> None:
    begin = "<testsuite><testcase name='a'><failure message='"
    filling = "x" * ((1 << 20) - len(begin) - shift)
    (case,) = cases(f"{begin}{filling}{character}end'/></testcase></testsuite>")
    shown = {"&#x1F600;": "\U0001f600", "&#27;": "\ufffd", "é": "é", "&amp;": "&"}[character]
    assert case.details == f"{filling}{shown}end"


class Endless(io.RawIOBase):
    """A report of as many bytes as the test wants, made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces

    def read(self, size: int = -1) -> bytes:
        return next(self.pieces, b"")


def test_a_hundred_megabytes_of_output_need_the_memory_of_a_block() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"<testsuite><testcase name='a'><system-out>"
        for _ in range(100):
            yield b"what a test prints, a line of it\n" * 32_000
        yield b"</system-out><failure>"
        yield b"trace\n" * 200_000
        yield b"</failure></testcase><testcase name='b'/></testsuite>"

    tracemalloc.start()
    report = testreports.read(Endless(pieces()), "big.xml")  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert testreports.tally(report.suites) == Tally(passed=1, failed=1)
    assert len(report.suites[0].cases[0].trace) == testreports.LONGEST_TRACE
    assert peak < 30 << 20


def test_a_report_above_the_limit_is_a_failed_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluicegate.tools.reports.text.LARGEST", 2 << 20)
    assert "more than 2 MiB" in read("<testsuite>" + " " * (3 << 20) + "<testcase/></testsuite>").note


def test_names_are_files_folders_and_patterns_and_each_file_comes_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name in ("a/TEST-1.xml", "a/deep/TEST-2.XML", "a/notes.txt", "b.report"):
        (tmp_path / name).write_text("<testsuite/>")
    (tmp_path / "linked.xml").symlink_to("b.report")
    (tmp_path / "a" / "gone.xml").symlink_to("nowhere")
    first, second, gone, report = (
        tmp_path / name for name in ("a/TEST-1.xml", "a/deep/TEST-2.XML", "a/gone.xml", "b.report")
    )
    assert reportfiles.named([tmp_path / "a"]) == [first, second, gone], (
        "a link that leads nowhere is not left out silently"
    )
    assert reportfiles.named([tmp_path / "**" / "TEST-*"]) == [first, second]
    assert reportfiles.named([report, tmp_path / "linked.xml", tmp_path / "b.*"]) == [report]
    for missing in ("c.xml", "c/*.xml"):
        with pytest.raises(UsageError, match="there is no report"):
            reportfiles.named([tmp_path / missing])


def test_a_folder_that_cannot_be_listed_is_a_red_report(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "one.xml").write_text('<testsuite><testcase name="one"/></testsuite>')
    make_unlistable(tmp_path / "r")
    for name in ("r", "r/**/*.xml", "*/**/*.xml", "r/one.xml"):
        run = read_junit([tmp_path / name])
        assert (run.passed, run.failed) == (1, 0 if name == "r/one.xml" else 1), name
    assert "cannot be read: File name too long" in read_junit([tmp_path / "r"]).notes[0]
    assert read_junit([tmp_path / "r" / "*.xml"]).failed == 0


@pytest.mark.parametrize(
    "test",
    [
        '<testcase name="a" success="false"/>', '<testcase name="a" success="False" executed="True"/>',
        '<testcase name="a" failed="true"/>', '<testcase name="a" status="ambiguous"/>',
        '<testcase name="a" skipped="true" success="no"/>', '<testcase name="a"><failed/></testcase>',
        '<testcase name="a"><fail message="no"/></testcase>',
        *(f'<testcase name="a" status="{word}"/>' for word in ("KO", "REGRESSION", "interrupted", "panicked")),
    ],
)  # fmt: skip
def test_a_test_that_says_in_another_word_that_it_failed_is_red(test: str) -> None:
    assert tally(f"<testsuite>{test}</testsuite>") == Tally(failed=1)


@pytest.mark.parametrize(
    "says",
    ['status="failed"', 'result="Failed"', 'aborted="true"', 'success="false"', 'errors="1.0"', 'failures="1,000"'],
)
def test_a_suite_that_says_that_it_failed_is_red_though_all_its_tests_passed(says: str) -> None:
    for content in (
        f"<testsuite {says}>{{}}</testsuite>",
        f"<testsuites {says}><testsuite>{{}}</testsuite></testsuites>",
    ):
        assert tally(content.format('<testcase name="a"/>')) == Tally(passed=1, failed=1)
        assert tally(content.format('<testcase name="a"><failure/></testcase>')) == Tally(failed=1)


@pytest.mark.parametrize(
    "says", ['skipped="1"', 'disabled="1"', 'failed="0"', 'status="passed"', 'run="1"', 'success="true"']
)
def test_a_suite_that_counts_what_did_not_run_is_not_red(says: str) -> None:
    assert tally(f'<testsuite {says}><testcase name="a"/></testsuite>') == Tally(passed=1)


def test_a_test_that_was_not_run_is_skipped() -> None:
    assert tally('<testsuite><testcase name="a" run="false"/><testcase name="b" run="true"/></testsuite>') == Tally(
        passed=1, skipped=1
    )


@pytest.mark.parametrize(
    "content",
    [
        '<test-run result="Failed" failed="1"><test-case result="Failed"><failure/></test-case></test-run>',
        '<assemblies><assembly failed="1"><collection><test result="Fail"/></collection></assembly></assemblies>',
        '<TestRun xmlns="urn:t"><Results><UnitTestResult outcome="Failed"/></Results><ResultSummary>'
        '<Counters failed="1"/></ResultSummary></TestRun>',
        '<robot><suite><test><status status="FAIL"/></test></suite><statistics><total><stat pass="0" fail="1"/></total>'
        "</statistics></robot>",
        '<testng-results failed="1"><suite><test-method status="FAIL"/></suite></testng-results>',
        '<a:test-suite xmlns:a="urn:allure"><test-cases><test-case status="broken"/></test-cases></a:test-suite>',
        '<features><scenario name="a" result="failed"/></features>',
        '<run><test name="a" success="false"/></run>',
    ],
)
def test_a_red_report_in_another_form_is_red(content: str) -> None:
    report = testreports.read(io.BytesIO(content.encode()), "r.xml")
    assert testreports.tally(report.suites) == Tally(failed=1)
    assert "is no report in JUnit's form" in report.note


@pytest.mark.parametrize(
    "content",
    [
        '<testng-results failed="0"><suite><test-method status="PASS"/></suite></testng-results>',
        '<robot><test><kw><status status="FAIL"/></kw><status status="PASS"/></test><stat fail="0"/></robot>',
        '<checkstyle><file><error severity="warning"/></file></checkstyle>',
        '<test-suite><test-cases><test-case status="passed"/><test-case status="canceled"/></test-cases></test-suite>',
        "<html><body>404</body></html>",
    ],
)
def test_what_is_no_report_of_failures_is_left_out_and_said(content: str) -> None:
    report = testreports.read(io.BytesIO(content.encode()), "r.xml")
    assert (report.suites, report.note) == ((), "holds no test case and is left out")


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ('status="hook_error"', "failed"), ('status="cleanup_error"', "failed"), ('Status="Failed"', "failed"),
        ('result="failing"', "failed"), ('outcome="Unexpected Success"', "failed"), ('status="timed out"', "failed"),
        ('status="untested_pending"', "skipped"), ('status="did not run"', "skipped"), ('status="unrun"', "skipped"),
        ('status="xfailed"', "skipped"), ('result="expected failure"', "skipped"), ('status="Skipped: why"', "skipped"),
        ('status="No errors"', "passed"), ('status="0 failures"', "passed"), ('result="completed"', "passed"),
        ('status="xpassed"', "passed"),
    ],
)  # fmt: skip
def test_a_word_is_known_in_all_its_forms(says: str, state: str) -> None:
    assert tally(f"<testsuite><testcase name='a' {says}/></testsuite>") == Tally(**{state: 1})


@pytest.mark.parametrize(
    ("child", "state"),
    [
        ('<status exit-status="256" n-forks="1" result="failed"/>', "failed"), ('<status result="success"/>', "passed"),
        ('<result outcome="skipped"/>', "skipped"), ("<warning>No tests found in class A</warning>", "skipped"),
        ("<warning/><failure/>", "failed"),
    ],
)  # fmt: skip
def test_an_element_in_a_test_says_how_it_ended(child: str, state: str) -> None:
    assert tally(f"<testsuite><testcase name='a'>{child}</testcase></testsuite>") == Tally(**{state: 1})


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ('<testsuite tests="5">{}{}{}</testsuite>', 2),
        (
            '<testsuites tests="5"><testsuite tests="2">{}</testsuite><testsuite tests="1">{}</testsuite></testsuites>',
            3,
        ),
        ('<testsuites><testsuite tests="2">{}</testsuite><testsuite tests="2">{}{}{}</testsuite></testsuites>', 1),
        (
            '<testsuites tests="3"><testsuite tests="2">{}<testsuite tests="1">{}</testsuite></testsuite></testsuites>',
            1,
        ),
        ('<testsuite tests="1,002.0">{}</testsuite>', 1001),
        ('<testsuites tests="1"><testsuite tests="2">{}{}</testsuite></testsuites>', 0),
        ('<testsuite tests="many">{}</testsuite>', 0),
        ('<testsuite tests="1,">{}</testsuite>', 0),
        ('<testsuite>{}<properties><property tests="7"/></properties></testsuite>', 0),
    ],
)
def test_tests_that_only_the_sums_speak_of_are_said(content: str, missing: int) -> None:
    report = read(content.replace("{}", '<testcase name="a"/>'))
    assert testreports.tally(report.suites) == Tally(passed=content.count("{}"))
    tests = "tests" if missing > 1 else "test"
    assert report.note == (f"its sums speak of {missing} {tests} that it does not hold" if missing else "")


def test_a_suite_that_could_not_begin_is_no_missing_test() -> None:
    assert read('<testsuite tests="1" errors="1"><error/></testsuite>').note == ""


def test_a_report_without_the_tests_of_its_sums_is_left_out_and_says_both() -> None:
    report = read('<testsuites tests="2" skipped="2"><testsuite tests="2" skipped="2"/></testsuites>')
    assert report.suites == ()
    assert report.note == ("holds no test case and is left out; its sums speak of 2 tests that it does not hold")
