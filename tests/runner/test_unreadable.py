"""What cannot be read is not taken for nothing: the next write would make it so."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.errors import IntegrityError
from sluicegate.runner import antglob, fingerprints, records
from sluicegate.runner.history import History
from sluicegate.runner.jobxml import Retention
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from sluicegate.runner.sessions import Ended
from sluicegate.runner.steps import cppcheck, junit, warnings
from sluicegate.runner.users import Users
from sluicegate.runner.vault import Vault
from sluicegate.tools import beneath
from sluicegate.web.views import Views
from tests.parts import make_unlistable
from tests.runner.conftest import ADMIN, build, shell, wait_for

DAY = 24 * 3600


def test_builds_that_cannot_be_listed_do_not_begin_at_one_again(tmp_path: Path) -> None:
    assert History("job", tmp_path).next_number == 1
    (tmp_path / "builds").write_text("no folder")
    with pytest.raises(OSError):
        History("job", tmp_path).numbers()


def test_a_number_that_cannot_be_read_is_not_given_again(tmp_path: Path) -> None:
    history = History("job", tmp_path)
    history.set_next_number(17)
    assert history.take_number() == 17
    make_a_folder(tmp_path / "nextBuildNumber")
    with pytest.raises(IntegrityError, match="nextBuildNumber cannot be read"):
        history.take_number()


def users_of(home: Path) -> Users:
    users = Users(home, Vault(home))
    users.create("anna")
    return users


@pytest.mark.parametrize("at_logout, at_the_next", [(-2 * DAY, 60), (60, 5 * DAY)])
def test_a_clock_that_is_wrong_for_a_while_revives_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_logout: int, at_the_next: int
) -> None:
    users, now = users_of(tmp_path), time.time()
    left, other = users.sessions.new("anna"), users.sessions.new("anna")
    for cookie, wrong in ((left, at_logout), (users.sessions.new("anna", now + at_the_next), at_the_next)):
        with monkeypatch.context() as clock:
            clock.setattr(time, "time", lambda wrong=wrong: now + wrong)
            users.sessions.end(cookie)
    assert users.sessions.user(left, now + 120) is None
    assert users.sessions.user(other, now + 120) == "anna"


def test_a_session_of_a_clock_that_went_ahead_does_not_last_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = users_of(tmp_path)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 365 * 24 * 3600)
    ahead = users.sessions.new("anna")
    assert users.sessions.user(ahead) == "anna"
    monkeypatch.setattr(time, "time", lambda: now)
    assert users.sessions.user(ahead) is None


def test_sessions_that_were_ended_do_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "ended"
    Ended(path).add("a session", 2**40)
    assert Ended(path).has("a session")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="sessions that were ended cannot be read"):
        Ended(path)


def test_tokens_that_cannot_be_read_open_nothing_and_are_not_written_away(tmp_path: Path) -> None:
    users = Users(tmp_path, Vault(tmp_path))
    users.new_token("anna", "one")
    path = tmp_path / "users" / "anna" / "tokens.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(IntegrityError, match="the tokens of anna cannot be read"):
        users.new_token("anna", "two")
    assert path.read_bytes() == whole[:-9]
    users.revoke("anna", None)
    assert users.tokens("anna") == []


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def make_a_folder(path: Path) -> None:
    """Nobody can read it, not even root."""
    path.unlink()
    path.mkdir()


WAYS = pytest.mark.parametrize("spoil", [damage, make_a_folder])


@WAYS
def test_a_fingerprint_that_cannot_be_read_is_not_begun_anew(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "jobs" / "job" / "builds" / "1"
    md5 = "b1946ac92492d2347c6235b4d2611184"
    fingerprints.record(records.Record(job="job", number=1, folder=folder), {"a.txt": md5}, 0.0)
    place = fingerprints.path(tmp_path, md5)
    spoil(place)
    left = place.read_bytes() if place.is_file() else b""
    second = records.Record(job="job", number=2, folder=folder.parent / "2")
    with pytest.raises(IntegrityError, match=f"{place.name} cannot be read"):
        fingerprints.record(second, {"a.txt": md5}, 0.0)
    assert left == (place.read_bytes() if place.is_file() else b"")
    with pytest.raises(IntegrityError):
        fingerprints.read(tmp_path, md5)
    assert fingerprints.read(tmp_path, "0" * 32) is None


@WAYS
def test_a_view_that_cannot_be_read_says_so_and_is_not_made_again(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    views = Views(tmp_path)
    for name in ("fine", "spoilt"):
        views.create("", name, views.empty("hudson.model.ListView", name))
    place = tmp_path / "views" / "spoilt.xml"
    spoil(place)
    with pytest.raises(IntegrityError, match=r"spoilt\.xml cannot be read"):
        views.create("", "spoilt", views.empty("hudson.model.ListView", "spoilt"))
    fine, spoilt = views.of("")
    assert fine.description is None
    assert "cannot be read" in (spoilt.description or "")
    assert views.get("", "none") is None
    assert views.get("", "n" * 300) is None


@WAYS
def test_a_test_report_that_cannot_be_read_is_not_none(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    place = tmp_path / "junitResult.xml"
    assert junit.read(tmp_path) is None
    place.write_text("<result><suites/><duration>0.0</duration></result>")
    assert junit.read(tmp_path) == []
    spoil(place)
    with pytest.raises(IntegrityError, match=r"junitResult\.xml cannot be read"):
        junit.read(tmp_path)


def test_the_log_names_a_build_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert records.read("job", tmp_path / "1") is None
        assert not caplog.records
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "build.xml").write_text("<build><result>SUCCESS</result></build>")
        assert records.read("job", tmp_path / "1") is not None
        damage(tmp_path / "1" / "build.xml")
        assert records.read("job", tmp_path / "1") is None
    assert "1/build.xml cannot be read" in caplog.text


CPPCHECK = (
    "<org.jenkinsci.plugins.cppcheck.CppcheckPublisher><cppcheckConfig><pattern>r.xml</pattern><configSeverityEvaluation>"
    "<newFailureThreshold>0</newFailureThreshold></configSeverityEvaluation></cppcheckConfig>"
    "</org.jenkinsci.plugins.cppcheck.CppcheckPublisher>"
)
WARNINGS = (
    "<io.jenkins.plugins.analysis.core.steps.IssuesRecorder><analysisTools><io.jenkins.plugins.analysis.warnings.CppCheck>"
    "<pattern>r.xml</pattern></io.jenkins.plugins.analysis.warnings.CppCheck></analysisTools><qualityGates>"
    "<io.jenkins.plugins.analysis.core.util.QualityGate><threshold>1</threshold><type>NEW</type><status>ERROR</status>"
    "</io.jenkins.plugins.analysis.core.util.QualityGate></qualityGates>"
    "</io.jenkins.plugins.analysis.core.steps.IssuesRecorder>"
)
COVERAGE = (
    "<hudson.plugins.cobertura.CoberturaPublisher><coberturaReportFile>r/**/*.xml</coberturaReportFile>"
    "</hudson.plugins.cobertura.CoberturaPublisher>"
)
XUNIT = "<xunit><types><JUnitType><pattern>r/**/*.xml</pattern></JUnitType></types><thresholds/></xunit>"
TAP = "<org.tap4j.plugin.TapPublisher><testResults>r/**/*.xml</testResults></org.tap4j.plugin.TapPublisher>"
JUNIT = (
    "<hudson.tasks.junit.JUnitResultArchiver><testResults>r/**/*.xml</testResults>"
    "</hudson.tasks.junit.JUnitResultArchiver>"
)
GOOD = {COVERAGE: '<coverage line-rate="1"/>', TAP: "1..1\\nok 1 - a"}


@WAYS
@pytest.mark.parametrize(
    ("publisher", "name"), [(CPPCHECK, cppcheck.KEPT), (WARNINGS, warnings.KEPT)], ids=["cppcheck", "warnings"]
)
def test_issues_are_not_old_because_those_of_before_cannot_be_read(
    runner: Runner, publisher: str, name: str, spoil: Callable[[Path], None]
) -> None:
    error = '<error severity="error" id="one" msg="m"><location file="a.c" line="1"/></error>'
    report = f"<results><errors>{error}</errors></results>"
    item = runner.items.create("", "checked", shell(f"echo '{report}' > r.xml", publishers=publisher))
    results = []
    for number in (1, 2, 3):
        runner.trigger(item, ADMIN, None, 0)
        record = wait_for(item, number)
        results.append(record.result)
        if number == 1:
            spoil(record.folder / name)
    assert results == [Result.SUCCESS, Result.FAILURE, Result.SUCCESS]
    second = item.history.get(2)
    assert second is not None
    assert f"{name} cannot be read" in second.log.read_text()


@pytest.mark.parametrize("publisher", [COVERAGE, XUNIT, TAP, JUNIT], ids=["coverage", "xunit", "tap", "junit"])
def test_reports_in_a_folder_that_cannot_be_read_are_missed(runner: Runner, publisher: str) -> None:
    level = "$(printf '%0250d' 1)"
    deep = f"cd r; for _ in $(seq 17); do mkdir {level}; cd -P {level}; done"
    good = GOOD.get(publisher, '<testsuite name="s"><testcase name="ok"/></testsuite>')
    record = build(runner, "tests", shell(f"mkdir r; printf '{good}\\n' > r/one.xml; ({deep})", publishers=publisher))
    assert record.result is (Result.UNSTABLE if publisher == JUNIT else Result.FAILURE)
    assert "a folder that cannot be read (File name too long)" in record.log.read_text()


def test_a_folder_that_is_excluded_need_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_text("")
    make_unlistable(tmp_path)
    assert len(antglob.find(tmp_path, "**/*.xml").refused) == 1
    assert antglob.find(tmp_path, "**/*.xml", "dd*/**").refused == {}
    assert len(antglob.find(tmp_path, "**/*.xml", "dd*/*").refused) == 1
    assert antglob.find(tmp_path, "*.xml").refused == {}


LEVEL = "$(printf '%0250d' 1)"
DEEP = f"for _ in $(seq 17); do mkdir {LEVEL}; cd -P {LEVEL}; done"
"""Its way is longer than any call to the system takes: nobody can list it, not even root."""
ARCHIVER = "<hudson.tasks.ArtifactArchiver><artifacts>r/**</artifacts></hudson.tasks.ArtifactArchiver>"
HTML = (
    "<htmlpublisher.HtmlPublisher><reportTargets><htmlpublisher.HtmlPublisherTarget><reportName>r</reportName>"
    "<reportDir>r</reportDir><reportFiles>one.html</reportFiles></htmlpublisher.HtmlPublisherTarget></reportTargets>"
    "</htmlpublisher.HtmlPublisher>"
)
MARKS = "<hudson.tasks.Fingerprinter><targets>r/**</targets></hudson.tasks.Fingerprinter>"
ROBOT = (
    "<hudson.plugins.robot.RobotPublisher><outputPath>r</outputPath><outputFileName>output.xml</outputFileName>"
    "<otherFiles><string>**/*.png</string></otherFiles><unstableThreshold>0</unstableThreshold><passThreshold>0</passThreshold>"
    "</hudson.plugins.robot.RobotPublisher>"
)
OUTPUT = '<robot><statistics><total><stat pass="1" fail="0">All Tests</stat></total></statistics></robot>'


@pytest.mark.parametrize("publisher", [ARCHIVER, HTML, MARKS, ROBOT], ids=["archive", "html", "marks", "robot"])
def test_what_is_taken_along_is_not_silently_less(runner: Runner, publisher: str) -> None:
    made = f"mkdir r; echo '{OUTPUT}' > r/output.xml; echo one > r/one.html"
    well = build(runner, "well", shell(made, publishers=publisher))
    assert well.result is Result.SUCCESS, well.log.read_text()
    record = build(runner, "deep", shell(f"{made}; (cd r; {DEEP})", publishers=publisher))
    assert record.result is Result.FAILURE
    assert "a folder that cannot be read (File name too long)" in record.log.read_text()


def test_an_archiver_keeps_what_it_can_read_and_names_what_it_cannot(runner: Runner) -> None:
    record = build(runner, "deep", shell(f"mkdir r; echo one > r/one; (cd r; {DEEP})", publishers=ARCHIVER))
    assert (record.archive / "r" / "one").read_text() == "one\n"
    assert "ERROR: what matches cannot be read: " in record.log.read_text()


def test_a_link_out_of_the_workspace_is_left_out_and_said(runner: Runner) -> None:
    record = build(runner, "link", shell("mkdir r; echo one > r/one; ln -s /etc/passwd r/two", publishers=ARCHIVER))
    assert record.result is Result.SUCCESS
    assert "WARNING: 'r/two' is a link out of the workspace and is left out" in record.log.read_text()


def test_a_folder_that_cannot_be_listed_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_text("")
    make_unlistable(tmp_path)
    for asked in (lambda: list(beneath.names(tmp_path)), lambda: antglob.matching(tmp_path, "**/*.xml")):
        with pytest.raises(IntegrityError, match="cannot be read: File name too long"):
            asked()
    assert list(beneath.names(tmp_path / "none")) == []


@pytest.mark.parametrize(
    "wrapper, publisher, result",
    [("PreBuildCleanup", "", "FAILURE"), ("", "", "FAILURE"), ("", "<notFailBuild>true</notFailBuild>", "SUCCESS")],
)
def test_a_workspace_that_cannot_be_emptied_is_no_empty_one(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, wrapper: str, publisher: str, result: str
) -> None:
    """As where a container has left files of root: what the next build makes of them nobody would know."""
    unlink = os.unlink

    def refusing(name: str, *, dir_fd: int | None = None) -> None:
        if name == "old":
            raise PermissionError(1, "Operation not permitted", name)
        unlink(name, dir_fd=dir_fd)

    sweep = "hudson.plugins.ws__cleanup"
    more = f"<buildWrappers><{sweep}.{wrapper}/></buildWrappers>" if wrapper else ""
    after = "" if wrapper else f"<{sweep}.WsCleanup>{publisher}</{sweep}.WsCleanup>"
    monkeypatch.setattr(os, "unlink", refusing)
    workspace = runner.workspaces.root / "job"
    workspace.mkdir(parents=True)
    (workspace / "old").write_text("x")
    record = build(runner, "job", shell("ls", more=more, publishers=after))
    log = record.log.read_text()
    assert record.result is not None and record.result.name == result
    assert f"Cannot delete workspace: {workspace} is not empty: {workspace}/old cannot be removed" in log
    assert "[WS-CLEANUP] done" not in log and ("+ ls" in log) == (not wrapper)


def test_an_old_build_that_cannot_be_discarded_is_told_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    history = History("job", tmp_path)
    for number in range(1, 5):
        record = records.Record(job="job", number=number, folder=history.builds / str(number))
        history.begin(record)
        history.finish(record, Result.SUCCESS if number == 4 else Result.FAILURE)
    rmdir = os.rmdir

    def refusing(name: str, *, dir_fd: int | None = None) -> None:
        if name == "1":
            raise PermissionError(1, "Operation not permitted", name)
        rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", refusing)
    history.discard(Retention(builds=1), 0)
    assert history.numbers() == [1, 4]
    assert "job #1 is not discarded: [Errno 1] Operation not permitted" in caplog.text
