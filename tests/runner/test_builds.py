"""Builds: environment, processes, order, downstream, discarding."""

from __future__ import annotations

import os
import re
import resource
import threading
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.errors import UsageError
from sluicegate.runner import causes, processes
from sluicegate.runner.causes import Cause
from sluicegate.runner.history import DAY, PERMALINKS, History
from sluicegate.runner.item import Item
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, build, shell, until, wait_for

RECORDED = """
BUILD_DISPLAY_NAME BUILD_ID BUILD_NUMBER BUILD_TAG BUILD_URL CI EXECUTOR_NUMBER HUDSON_COOKIE HUDSON_HOME
HUDSON_SERVER_COOKIE HUDSON_URL JENKINS_HOME JENKINS_SERVER_COOKIE JENKINS_URL JOB_BASE_NAME JOB_NAME JOB_URL
NODE_LABELS NODE_NAME WORKSPACE WORKSPACE_TMP
"""
# Two forks and a session of its own, deaf to SIGTERM, with its output elsewhere: as daemons do.
DAEMON = "(setsid sh -c \"trap '' TERM; echo \\$\\$ > {pid}; while :; do sleep 0.2; done\" >/dev/null 2>&1 &)\n"


def test_the_variables_are_those_of_a_real_jenkins(runner: Runner) -> None:
    record = build(runner, "hello", shell("env"))
    variables = dict(re.findall(r"^([A-Z_]+)=(.*)$", record.log.read_text(), re.MULTILINE))
    assert set(RECORDED.split()) <= set(variables)
    assert variables["BUILD_TAG"] == "jenkins-hello-1" and variables["BUILD_URL"] == "http://127.0.0.1:1/job/hello/1/"
    assert variables["WORKSPACE"].endswith("/workspace/hello")


def test_variables_of_the_server_stay_there_unless_they_are_named(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_PASSWORD", "never")
    monkeypatch.setenv("VAULT_ADDRESS", "never")
    monkeypatch.setenv("https_proxy", "http://user:never@proxy")
    monkeypatch.setenv("HARBOR_URL", "wanted")
    runner.pass_env = ("HARBOR_*",)
    log = build(runner, "hello", shell("env")).log.read_text()
    assert "never" not in log and "HARBOR_URL=wanted" in log and "\nHOME=" in log


def test_builds_go_on_while_a_thousand_connections_are_open(runner: Runner) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2048), before[1]))
    opened = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(1100)]
    try:
        record = build(runner, "hello", shell("echo hello"))
        assert record.result is Result.SUCCESS, record.log.read_text()
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "BASH_ENV",
        "JENKINS_HOME",
        "PS4",
        "GIT_EXEC_PATH",
        "GIT_TEMPLATE_DIR",
        "PERL5DB",
        "PYTHONHOME",
    ],
)
def test_parameters_that_programs_obey_are_refused(runner: Runner, name: str) -> None:
    definition = (
        "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions><hudson.model.StringParameterDefinition>"
        f"<name>{name}</name></hudson.model.StringParameterDefinition></parameterDefinitions>"
        "</hudson.model.ParametersDefinitionProperty></properties>"
    )
    item = runner.items.create("", "job", shell("true", more=definition))
    with pytest.raises(UsageError, match="may not be set"):
        runner.trigger(item, ADMIN, {name: "x"}, 0)


def test_an_abort_ends_double_forked_children(runner: Runner, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    item = runner.items.create("", "slow", shell(DAEMON.format(pid=pid_file) + "sleep 60"))
    runner.trigger(item, ADMIN, {}, 0)
    until(lambda: pid_file.exists() and pid_file.read_text().strip())
    pid = int(pid_file.read_text())
    assert processes.alive(pid)
    began = time.monotonic()
    assert runner.abort(item.history.running[1], "Aborted by anna")
    record = wait_for(item)
    assert time.monotonic() - began < 10
    assert record.result is not None and record.result.name == "ABORTED"
    assert "Aborted by anna\nFinished: ABORTED\n" in record.log.read_text()
    assert not processes.alive(pid)


@pytest.mark.parametrize("how", ["abort", "server"])
@pytest.mark.parametrize("command", ["sleep 60", ""])
def test_a_stop_in_the_moment_after_a_build_has_started_is_heeded(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, how: str, command: str
) -> None:
    moment, stopped, take = threading.Event(), threading.Event(), runner.workspaces.take

    def held(name: str, custom: str = "", *, strict: bool = False) -> Path:
        moment.set()
        assert stopped.wait(20)
        return take(name, custom, strict=strict)

    monkeypatch.setattr(runner.workspaces, "take", held)
    item = runner.items.create("", "slow", shell(command) if command else b"<project/>")
    runner.trigger(item, ADMIN, {}, 0)
    assert moment.wait(20)
    if how == "abort":
        assert runner.abort(item.history.running[1], "Aborted by anna")
        stopped.set()
    else:
        stopping = threading.Thread(target=runner.stop)
        stopping.start()
        until(lambda: not runner.allowed(next(iter(runner.queue.left.values()))))
        stopped.set()
        stopping.join()
    record = wait_for(item)
    assert record.result is not None and record.result.name == "ABORTED"
    assert f"Aborted {'by anna' if how == 'abort' else 'because the server stops'}\n" in record.log.read_text()
    assert not runner.abort(record, "Aborted by olle")


@pytest.mark.parametrize(
    ("step", "field", "said"),
    [("ArtifactArchiver", "artifacts", "Archiving artifacts"), ("Fingerprinter", "targets", "Recording fingerprints")],
)
def test_a_stop_ends_the_search_for_many_patterns(runner: Runner, step: str, field: str, said: str) -> None:
    patterns = ",".join(f"**/*{number}x*/*" for number in range(60_000))
    publisher = f"<hudson.tasks.{step}><{field}>{patterns}</{field}></hudson.tasks.{step}>"
    item = runner.items.create("", "many", shell("touch $(seq 1000)", publishers=publisher))
    runner.trigger(item, ADMIN, {}, 0)
    log = item.folder / "builds" / "1" / "log"
    until(lambda: log.exists() and said in log.read_text())
    began = time.process_time()
    assert runner.abort(item.history.running[1], "Aborted by anna")
    record = wait_for(item)
    assert record.result is not None and record.result.name == "ABORTED"
    assert time.process_time() - began < 5, "the search went on"


def test_what_a_finished_build_leaves_behind_is_ended(runner: Runner, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = (
        DAEMON.format(pid=pid_file).replace("trap '' TERM; ", "") + f"while ! test -s {pid_file}; do sleep 0.05; done"
    )
    build(runner, "leaves", shell(command))
    assert not processes.alive(int(pid_file.read_text()))


def test_a_process_with_another_build_id_is_left_alone(runner: Runner, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = (
        "export BUILD_ID=dontKillMe\n"
        + DAEMON.format(pid=pid_file)
        + f"while ! test -s {pid_file}; do sleep 0.05; done"
    )
    build(runner, "service", shell(command))
    pid = int(pid_file.read_text())
    assert processes.alive(pid)
    os.kill(pid, 9)


def test_a_background_child_that_holds_the_output_does_not_hold_the_build(runner: Runner) -> None:
    began = time.monotonic()
    record = build(runner, "holds", shell("sleep 60 & echo done"))
    assert time.monotonic() - began < 8
    assert "Process leaked file descriptors" in record.log.read_text()


def test_a_downstream_job_starts_with_the_chain_of_causes(runner: Runner) -> None:
    after = "<hudson.tasks.BuildTrigger><childProjects>down</childProjects></hudson.tasks.BuildTrigger>"
    down = runner.items.create("", "down", shell("true"))
    record = build(runner, "up", shell("true", publishers=after))
    assert "Triggering a new build of down\nFinished: SUCCESS" in record.log.read_text()
    cause = wait_for(down).causes[0]
    assert (cause.kind, cause.project, cause.build, cause.url) == ("upstream", "up", 1, "job/up/")
    assert cause.causes[0].user == "admin"


def test_a_failed_build_starts_nothing(runner: Runner) -> None:
    after = "<hudson.tasks.BuildTrigger><childProjects>down</childProjects></hudson.tasks.BuildTrigger>"
    down = runner.items.create("", "down", shell("true"))
    build(runner, "up", shell("false", publishers=after))
    assert not runner.queue.of_job("down") and down.history.last() is None


@pytest.mark.parametrize(("threshold", "starts"), [("SUCCESS", False), ("UNSTABLE", True), ("FAILURE", True)])
def test_a_yellow_build_starts_only_what_takes_yellow(runner: Runner, threshold: str, starts: bool) -> None:
    after = (
        "<hudson.tasks.BuildTrigger><childProjects>down</childProjects>"
        f"<threshold><name>{threshold}</name></threshold></hudson.tasks.BuildTrigger>"
    )
    down = runner.items.create("", "down", shell("true"))
    yellow = shell("exit 3", publishers=after).replace(b"</command>", b"</command><unstableReturn>3</unstableReturn>")
    record = build(runner, "up", yellow)
    assert record.result is Result.UNSTABLE
    assert ("Triggering a new build of down\n" in record.log.read_text()) is starts
    if starts:
        assert wait_for(down).causes[0].project == "up"
    else:
        assert not runner.queue.of_job("down") and down.history.last() is None


def test_a_reverse_trigger_starts_its_job(runner: Runner) -> None:
    trigger = (
        "<triggers><jenkins.triggers.ReverseBuildTrigger><upstreamProjects>up, other</upstreamProjects>"
        "<threshold><name>UNSTABLE</name></threshold></jenkins.triggers.ReverseBuildTrigger></triggers>"
    )
    down = runner.items.create("", "down", shell("true", more=trigger))
    build(runner, "up", shell("true"))
    assert wait_for(down).causes[0].project == "up"


@pytest.mark.parametrize(("threshold", "starts"), [("SUCCESS", False), ("UNSTABLE", True)])
def test_a_yellow_build_starts_only_the_reverse_trigger_that_takes_yellow(
    runner: Runner, threshold: str, starts: bool
) -> None:
    trigger = (
        "<triggers><jenkins.triggers.ReverseBuildTrigger><upstreamProjects>up</upstreamProjects>"
        f"<threshold><name>{threshold}</name></threshold></jenkins.triggers.ReverseBuildTrigger></triggers>"
    )
    runner.items.create("", "down", shell("true", more=trigger))
    record = build(
        runner, "up", shell("exit 3").replace(b"</command>", b"</command><unstableReturn>3</unstableReturn>")
    )
    assert record.result is Result.UNSTABLE
    assert ("Triggering a new build of down\n" in record.log.read_text()) is starts


def test_old_builds_are_discarded_but_not_the_kept_and_the_last_good(runner: Runner) -> None:
    rotate = (
        "<properties><jenkins.model.BuildDiscarderProperty><strategy class='hudson.tasks.LogRotator'>"
        "<numToKeep>2</numToKeep></strategy></jenkins.model.BuildDiscarderProperty></properties>"
    )
    item = runner.items.create("", "rotates", shell("test $BUILD_NUMBER = 1", more=rotate))
    for number in range(1, 5):
        runner.trigger(item, ADMIN, {}, 0)
        wait_for(item, number)
    until(lambda: item.history.numbers() == [1, 3, 4])


def aged(runner: Runner, fields: str, days: tuple[int, ...]) -> Item:
    """A job with one build for each age in days, all red but the first, each with an artifact."""
    item = runner.items.create("", "old", shell("true"))
    now = int(time.time() * 1000)
    for number, age in enumerate(days, start=1):
        record = Record(job="old", number=number, folder=item.history.builds / str(number), timestamp=now - age * DAY)
        item.history.begin(record)
        record.archive.mkdir()
        (record.archive / "file").touch()
        record.keep = number == 2
        item.history.finish(record, Result.SUCCESS if number == 1 else Result.FAILURE)
    runner.items.update(
        item, shell("exit 1", more=f"<logRotator class='hudson.tasks.LogRotator'>{fields}</logRotator>")
    )
    ended = threading.Event()  # the build itself may be among those that its end discards
    runner.on_end = lambda _: ended.set()
    runner.trigger(item, ADMIN, {}, 0)
    assert ended.wait(20)
    return item


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ("<daysToKeep>2</daysToKeep><numToKeep>-1</numToKeep>", [1, 2, 5, 6]),
        ("<daysToKeep>4</daysToKeep><numToKeep>2</numToKeep>", [1, 2, 5, 6]),
        ("<daysToKeep>-1</daysToKeep><numToKeep>0</numToKeep>", [1, 2]),
        ("<daysToKeep>-1</daysToKeep><numToKeep>-1</numToKeep>", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_builds_are_discarded_by_number_and_by_days(runner: Runner, fields: str, left: list[int]) -> None:
    item = aged(runner, fields, (9, 8, 5, 3, 1))
    until(lambda: item.history.numbers() == left)


@pytest.mark.parametrize(
    "field", ["artifactNumToKeep>2</artifactNumToKeep", "artifactDaysToKeep>2</artifactDaysToKeep"]
)
def test_artifacts_of_old_builds_go_and_the_builds_stay(runner: Runner, field: str) -> None:
    item = aged(runner, f"<{field}>", (9, 8, 5, 3, 1))
    until(lambda: not (item.history.builds / "4" / "archive").exists())
    whole = [number for number in item.history.numbers() if (item.history.builds / str(number) / "archive").exists()]
    assert (item.history.numbers(), whole) == ([1, 2, 3, 4, 5, 6], [1, 2, 5])


def test_a_log_that_never_ends_is_cut_and_says_so(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluicegate.runner.build.LONGEST_LOG", 1000)
    record = build(runner, "loud", shell("set +x; head -c 5000 /dev/zero | tr '\\0' x; echo end; exit 3"))
    log = record.log.read_text()
    assert len(log) < 1500 and "longer than 1000 bytes: the rest is left out" in log
    assert log.endswith("marked build as failure\nFinished: FAILURE\n")


def test_one_job_does_not_run_twice_at_a_time_unless_it_says_so(runner: Runner) -> None:
    item = runner.items.create("", "single", shell("sleep 0.5"))
    runner.trigger(item, ADMIN, {}, 0)
    until(lambda: item.history.running)
    second = runner.trigger(item, ADMIN, {}, 0)
    assert runner.why(second)[1].startswith("Build #1 is already in progress")
    both = runner.items.create("", "both", shell("sleep 0.5", more="<concurrentBuild>true</concurrentBuild>"))
    wait_for(item, 2)
    runner.trigger(both, ADMIN, {}, 0)
    until(lambda: both.history.running)
    runner.trigger(both, ADMIN, {}, 0)
    until(lambda: len(both.history.running) == 2)
    assert len({record.workspace for record in both.history.running.values()}) == 2
    wait_for(both, 1)
    wait_for(both, 2)


def test_equal_triggers_merge_while_they_wait_and_keep_both_causes(runner: Runner) -> None:
    item = runner.items.create("", "waits", shell("true", quiet=60))
    first = runner.trigger(item, ADMIN)
    second = runner.trigger(item, (Cause(kind="timer"),))
    assert first is second
    assert [cause.kind for cause in first.causes] == ["user", "timer"]


def test_a_second_start_with_a_shorter_delay_shortens_the_wait(runner: Runner) -> None:
    item = runner.items.create("", "waits", shell("true", quiet=600))
    first = runner.trigger(item, ADMIN)
    assert runner.trigger(item, ADMIN, delay=900) is first and first.ready_at / 1000 < time.time() + 700
    assert runner.trigger(item, ADMIN, delay=0) is first
    assert len(wait_for(item).causes) == 3


def test_what_a_jenkins_wrote_beyond_our_fields_is_kept(runner: Runner) -> None:
    from sluicegate.runner import records

    record = build(runner, "hello", shell("true"))
    path = record.folder / "build.xml"
    path.write_text(path.read_text().replace("</build>", "<hudsonVersion>2.568.2</hudsonVersion></build>"))
    again = records.read("hello", record.folder)
    assert again is not None
    again.save()
    assert "<hudsonVersion>2.568.2</hudsonVersion>" in path.read_text()


def test_a_build_record_is_read_back_as_it_was_written(runner: Runner) -> None:
    from sluicegate.runner import records

    record = build(runner, "hello", shell("true"))
    again = records.read("hello", record.folder)
    assert again is not None and again.to_xml() == record.to_xml()
    assert (record.folder.parent.parent / "nextBuildNumber").read_text() == "2\n"
    assert "lastStableBuild 1" in (record.folder.parent / "permalinks").read_text()


def test_a_record_of_a_real_jenkins_is_understood() -> None:
    from sluicegate.runner import records

    folder = Path(__file__).parent / "jenkins-home" / "jobs" / "down" / "builds" / "1"
    record = records.read("down", folder)
    assert record is not None and record.result is not None and record.result.name == "SUCCESS"
    assert record.causes[0].project == "up" and record.causes[0].causes[0].user == "admin"


def test_a_permalink_of_a_deleted_build_names_the_one_before(tmp_path: Path) -> None:
    history = History("job", tmp_path)
    for number, result in ((1, Result.SUCCESS), (2, Result.FAILURE), (3, Result.SUCCESS)):
        record = Record(job="job", number=number, folder=history.builds / str(number))
        history.begin(record)
        history.finish(record, result)
    history.delete(3)
    for reader in (history, History("job", tmp_path)):  # on disk as well
        named = {link: record and record.number for link in PERMALINKS for record in (reader.resolve(link),)}
        assert (named["lastStableBuild"], named["lastCompletedBuild"], named["lastFailedBuild"]) == (1, 2, 2)


def test_a_count_of_causes_that_no_build_can_have_is_cut() -> None:
    cause = "<hudson.triggers.TimerTrigger_-TimerTriggerCause/>"
    entries = f"<causeBag><entry>{cause}<int>2</int></entry><entry>{cause}<int>1000000</int></entry></causeBag>"
    read = causes.read(ElementTree.fromstring(f"<hudson.model.CauseAction>{entries}</hudson.model.CauseAction>"))
    assert [cause.kind for cause in read] == ["timer"] * 102


def test_permalinks_that_a_jenkins_left_out_are_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, result in ((1, Result.FAILURE), (2, Result.SUCCESS), (3, Result.SUCCESS)):
        folder = tmp_path / "builds" / str(number)
        folder.mkdir(parents=True)
        Record(job="job", number=number, folder=folder, result=result).save(durable=False)
    (tmp_path / "builds" / "permalinks").write_text("lastCompletedBuild 3\nlastStableBuild 3\nlastSuccessfulBuild 3\n")
    links = History("job", tmp_path).links()
    assert (links["lastFailedBuild"], links["lastUnstableBuild"], links["lastStableBuild"]) == (1, -1, 3)
    monkeypatch.setattr(History, "_search_links", lambda *_: pytest.fail("all builds are read again"))
    assert History("job", tmp_path).links() == links


def test_permalinks_do_not_know_a_result_that_the_disk_did_not_take(tmp_path: Path) -> None:
    history = History("job", tmp_path)
    record = Record(job="job", number=1, folder=history.builds / "1")
    history.begin(record)
    (history.builds / "permalinks").mkdir()  # as where there is no room for them
    with pytest.raises(OSError):
        history.finish(record, Result.SUCCESS)
    (history.builds / "permalinks").rmdir()
    history.finish(record, Result.FAILURE)
    assert history.color() == "red" and history.resolve("lastSuccessfulBuild") is None


def test_a_build_that_ended_as_the_server_died_is_found_by_its_permalinks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    runner = Runner(home)
    item = runner.items.create("", "job", shell("true"))
    runner.trigger(item, ADMIN, None, 0)
    waiting = runner.queue.take(runner)
    assert waiting is not None
    record = item.history.running[1]
    item.history.begin(record)
    item.history.links()
    (item.history.builds / "permalinks").write_text("".join(f"{name} -1\n" for name in PERMALINKS))
    replace(record, result=Result.SUCCESS).save()  # and then it is killed
    runner.queue.journal.close()
    runner.home.release()
    again = Runner(home)
    try:
        found = again.items.needed("job").history.resolve("lastSuccessfulBuild")
        assert found is not None and found.number == 1 and again.items.needed("job").color == "blue"
    finally:
        again.stop()
