"""What several change at once is all kept, and who reads waits for no disk: jobs, builds, views."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sluicegate.runner import records
from sluicegate.runner.accepted import Accepted
from sluicegate.runner.history import History
from sluicegate.runner.items import Items
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.shelf import Shelf
from sluicegate.tools import door
from sluicegate.web.views import Views


def test_a_list_does_not_wait_until_a_new_job_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(tmp_path, Accepted(tmp_path))
    items.create("", "one", b"<project/>")
    syncing, go_on = threading.Event(), threading.Event()
    sync = os.fdatasync

    def slow(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(20)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    maker = threading.Thread(target=items.create, args=("", "two", b"<project/>"))
    maker.start()
    assert syncing.wait(20)
    listed: list[list[str]] = []
    reader = threading.Thread(target=lambda: listed.append([item.name for item in items.children("")]), daemon=True)
    reader.start()
    reader.join(10)
    assert listed == [["one"]]  # and not yet the job that is nowhere for certain
    go_on.set()
    maker.join(20)
    assert [item.name for item in items.children("")] == ["one", "two"]


@pytest.mark.parametrize("content", [b"<project/>", b"<project><disabled>true</disabled></project>"])
def test_a_job_that_is_posted_over_a_link_of_a_persons_is_in_the_home_again(tmp_path: Path, content: bytes) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere.xml"
    items = Items(home, Accepted(home))
    job = items.create("", "one", b"<project/>")
    place = job.folder / "config.xml"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    items.update(job, content)
    assert not place.is_symlink() and job.text() == content
    assert elsewhere.read_bytes() == b"<project/>"  # what the link led to is nobody's business here


def test_a_job_whose_removal_was_cut_off_is_gone_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = Items(tmp_path)
    for name in ("doomed", ".deleted.5.mine"):
        items.create("", name, b"<project/>")

    def killed(place: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patches:
        patches.setattr("sluicegate.tools.beneath.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            items.delete(items.by_name["doomed"])
    assert set(Items(tmp_path).by_name) == {".deleted.5.mine"}
    assert os.listdir(tmp_path / "jobs") == [".deleted.5.mine"]


def test_a_description_that_comes_as_a_build_ends_does_not_take_its_result_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History("one", tmp_path / "one")
    record = Record(job="one", number=1, folder=history.builds / "1")
    history.begin(record)
    ending = threading.Thread(target=history.finish, args=(record, Result.SUCCESS))

    def end_meanwhile(call: str) -> None:
        if call == "rename build.xml" and not ending.ident:
            ending.start()
            ending.join(0.5)

    monkeypatch.setattr(door, "watcher", end_meanwhile)
    history.describe(record, "the one for the customer")
    ending.join(20)
    kept = records.read("one", record.folder)
    assert kept is not None and (kept.result, kept.description) == (Result.SUCCESS, "the one for the customer")


def test_jobs_that_come_into_a_view_together_are_all_in_it(tmp_path: Path) -> None:
    views = Views(tmp_path)
    views.create("", "ours", views.empty("hudson.model.ListView", "ours"))
    view = views.get("", "ours")
    assert view is not None
    names = [f"job-{number}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: views.include(view, name, True), names))
    changed = views.get("", "ours")
    assert changed is not None and sorted(changed.jobs) == sorted(names)


def a_job_with_builds(folder: Path, count: int) -> History:
    for number in range(1, count + 1):
        (folder / "builds" / str(number)).mkdir(parents=True)
        (folder / "builds" / str(number) / "build.xml").write_text("<build><result>SUCCESS</result></build>")
    return History(folder.name, folder)


def test_what_a_job_shows_of_its_builds_is_read_from_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, read = a_job_with_builds(tmp_path / "one", 150), records.read
    taken: list[str] = []
    monkeypatch.setattr(records, "read", lambda job, folder: taken.append(folder.name) or read(job, folder))
    for _ in range(3):
        assert [record.number for record in history.newest(100)] == [*range(150, 50, -1)]
    assert len(taken) == 100


def test_builds_in_memory_are_few_for_all_jobs_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluicegate.runner.history.SHELF", Shelf(most=30))
    jobs = [a_job_with_builds(tmp_path / f"job-{number}", 12) for number in range(5)]
    for _ in range(2):
        assert all(len(job.newest()) == 12 for job in jobs)
        assert sum(len(job._cache) for job in jobs) <= 30


def test_a_configuration_that_is_posted_as_it_was_is_not_read_anew(tmp_path: Path) -> None:
    items = Items(tmp_path, Accepted(tmp_path))
    item = items.create("", "one", b"<project><description>a</description></project>")
    config = item.config
    items.update(item, b"<project><description>a</description></project>")
    assert item.config is config
    items.update(item, b"<project><description>b</description></project>")
    assert item.config.description == "b"


def test_a_configuration_that_is_posted_as_it_was_mends_what_was_done_to_its_file(tmp_path: Path) -> None:
    items = Items(tmp_path, Accepted(tmp_path))
    content = b"<project><description>a</description></project>"
    item = items.create("", "one", content)
    place = item.folder / "config.xml"
    for by_hand in (b"<project><description>by hand</description></project>", b"<project", None):
        place.unlink() if by_hand is None else place.write_bytes(by_hand)
        items.update(item, content)
        assert (place.read_bytes(), item.config.description) == (content, "a")
