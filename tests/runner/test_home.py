"""A home that a real Jenkins wrote (jenkins-home/, version 2.568): what it holds is there, and goes on here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.runner import fingerprints, leftqueue
from sluicegate.runner.queue import Queue
from sluicegate.runner.scm import history
from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, wait_for

SAMPLE = Path(__file__).parent / "jenkins-home"
ITEM = """<hudson.model.Queue_-BuildableItem><actions><hudson.model.CauseAction><causeBag class="linked-hash-map">
<entry><hudson.model.Cause_-UserIdCause><userId>anna</userId></hudson.model.Cause_-UserIdCause><int>1</int></entry>
</causeBag></hudson.model.CauseAction>{more}</actions><id>{id}</id>
<task class="hudson.model.FreeStyleProject">{job}</task>
<inQueueSince>1795396860499</inQueueSince></hudson.model.Queue_-BuildableItem>"""
SECRET = """<hudson.model.ParametersAction><parameters><hudson.model.PasswordParameterValue><name>S</name>
<value>{x}</value></hudson.model.PasswordParameterValue></parameters></hudson.model.ParametersAction>"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLE, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def opened(home: Path) -> Iterator[Runner]:
    runner = Runner(home)
    yield runner
    runner.stop()


def test_its_jobs_and_folders_are_there_and_their_files_untouched(home: Path, opened: Runner) -> None:
    assert {item.full_name for item in opened.items.jobs()} >= {"hello", "params", "up", "down", "team/inner"}
    assert opened.items.job("team") is None
    for name in ("hello", "params", "timed"):
        kept, sample = (place / "jobs" / name / "config.xml" for place in (home, SAMPLE))
        assert kept.read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("job", ["hello", "params", "up", "down", "slow", "unstable"])
def test_its_builds_have_their_results_and_permalinks(job: str, opened: Runner) -> None:
    history = opened.items.needed(job).history
    for number in history.numbers():
        folder = SAMPLE / "jobs" / job / "builds" / str(number)
        text = (folder / "build.xml").read_text().replace("version='1.1'", "version='1.0'")
        written = ElementTree.fromstring(text.encode())
        record = history.get(number)
        assert record is not None and record.result is not None
        assert (record.result.name, str(record.duration)) == (written.findtext("result"), written.findtext("duration"))
        assert record.log.read_bytes() == (folder / "log").read_bytes()
    lines = (SAMPLE / "jobs" / job / "builds" / "permalinks").read_text().split("\n")
    links = {name: int(number) for name, _, number in (line.partition(" ") for line in lines if line)}
    assert {name: number for name, number in history.links().items() if number > 0} == {
        name: number for name, number in links.items() if number > 0
    }


def texts(content: str) -> set[tuple[str, str]]:
    """Every element of an XML by its way and its text."""
    pairs: set[tuple[str, str]] = set()
    waiting = [("", ElementTree.fromstring(content.partition("?>")[2]))]
    for way, element in waiting:
        pairs.add((f"{way}/{element.tag}", (element.text or "").strip()))
        waiting += [(f"{way}/{element.tag}", child) for child in element]
    return pairs


def test_its_records_are_written_back_with_nothing_lost_and_nothing_added(opened: Runner) -> None:
    records = [record for job in opened.items.jobs() for record in job.history.newest(100)]
    assert len(records) == 10
    for record in records:
        assert texts(record.to_xml()) == texts((record.folder / "build.xml").read_text()), record.folder


def test_its_artifacts_and_fingerprints_are_there(home: Path, opened: Runner) -> None:
    record = opened.items.needed("hello").history.get(1)
    assert record is not None
    names = sorted(path.relative_to(record.archive).as_posix() for path in record.archive.rglob("*") if path.is_file())
    assert names == ["out/with space.txt", "out/year.txt"]
    mark = fingerprints.read(home, fingerprints.of_blocks([(record.archive / "out/year.txt").read_bytes()]))
    assert mark is not None and mark.file_name == "year.txt"


def test_its_numbers_go_on(opened: Runner) -> None:
    opened.start()
    item = opened.items.needed("hello")
    number = item.history.next_number
    assert number == int((SAMPLE / "jobs/hello/nextBuildNumber").read_text())
    opened.trigger(item, ADMIN, None, 0)
    assert wait_for(item, number).number == number and item.history.get(1) is not None


def test_what_waited_there_waits_here_and_ids_go_on(home: Path) -> None:
    items = ITEM.format(id=15, job="team/inner", more="") + ITEM.format(id=14, job="hello", more="")
    items += ITEM.format(id=16, job="gone", more="") + ITEM.format(id=17, job="up", more=SECRET)
    state = (home / "queue.xml").read_text().replace("<items/>", f"<items>{items}</items>")
    (home / "queue.xml").write_text(state.replace("<long>13</long>", "<long>18</long>"))
    runner = Runner(home)
    assert not (home / "queue.xml").exists() and (home / "queue.xml.bak").exists()
    runner.stop()
    waiting = Queue(home).items()
    assert [(item.job, item.causes[0].user) for item in waiting] == [("hello", "anna"), ("team/inner", "anna")]
    assert all(item.id >= 18 for item in waiting)


PASSWORD = """<project><quietPeriod>900</quietPeriod><properties><hudson.model.ParametersDefinitionProperty>
<parameterDefinitions><hudson.model.PasswordParameterDefinition><name>S</name><defaultValue>x</defaultValue>
</hudson.model.PasswordParameterDefinition></parameterDefinitions></hudson.model.ParametersDefinitionProperty>
</properties><builders/></project>"""


def left_behind(home: Path) -> list[tuple[str, int]]:
    """What a server that stopped has waiting: a job of a folder with its parameters, and one with a password."""
    runner = Runner(home)
    runner.items.create("", "sealed", PASSWORD.encode())
    runner.trigger(runner.items.needed("team/inner"), ADMIN, None, 900, (history.forcing("5" * 40),))
    runner.items.create("", "texts", PASSWORD.replace("Password", "Text").encode())
    runner.trigger(runner.items.needed("texts"), ADMIN, {"S": "a\n<b>"}, 900)
    runner.trigger(runner.items.needed("sealed"), ADMIN, {"S": "hush"}, 900)
    runner.stop()
    return [(item.job, item.id) for item in Queue(home).items()]


def test_what_waits_here_is_left_for_a_jenkins_in_its_own_form(home: Path) -> None:
    waiting = left_behind(home)
    text = (home / "queue.xml").read_text()
    assert "hush" not in text and "sealed" not in text
    items, next_id = leftqueue.take(home)
    assert [(item.job, item.causes) for item in items] == [("team/inner", ADMIN), ("texts", ADMIN)]
    assert {parameter.name: parameter.value for parameter in items[1].parameters}["S"] == "a\n<b>"
    assert [item.actions for item in items] == [(history.forcing("5" * 40),), ()]
    assert next_id > max(number for _, number in waiting)
    root = ElementTree.fromstring(text.partition("?>")[2])
    assert [task.get("class") for task in root.iterfind("items/*/task")] == ["hudson.model.FreeStyleProject"] * 2
    # The fields of hudson.model.Queue.BuildableItem and those above it: without one of them it is "stuck" at once.
    fields = ["actions", "id", "task", "inQueueSince", "buildableStartMilliseconds", "isPending"]
    assert [[field.tag for field in item] for item in root.iterfind("items/*")] == [fields] * 2


def test_what_no_jenkins_took_waits_on_under_its_own_number(home: Path) -> None:
    waiting = left_behind(home)
    for _ in range(2):
        runner = Runner(home)
        assert [(item.job, item.id) for item in runner.queue.items()] == waiting
        assert not (home / "queue.xml").exists()
        runner.stop()


@pytest.mark.parametrize("stopped", [False, True], ids=["killed", "stopped"])
def test_what_a_jenkins_took_is_not_built_again(home: Path, stopped: bool) -> None:
    left_behind(home)
    empty = (SAMPLE / "queue.xml").read_bytes()
    (home / "queue.xml").rename(home / "queue.xml.bak")  # as a Jenkins does when it has read it
    if stopped:
        (home / "queue.xml").write_bytes(empty)
    runner = Runner(home)
    assert [item.job for item in runner.queue.items()] == ["sealed"]
    runner.stop()
