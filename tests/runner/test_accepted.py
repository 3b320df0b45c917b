"""A configuration that was accepted is there after whatever ends the machine; what people did by hand stays done."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.runner.accepted import Accepted
from sluicegate.runner.items import Items
from sluicegate.runner.journal import NotStored
from sluicegate.tools import door, files, process
from tests.runner.conftest import shell


def config(text: str) -> bytes:
    return shell(f"echo {text}")


@pytest.fixture(autouse=True)
def unwatched() -> Iterator[None]:
    yield
    door.watcher = None


class Home:
    """A home whose server is started, killed, and whose machine is started anew."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.path = path
        self.boot = path.with_name(f"{path.name}.boot")
        self.boot.write_text("first")
        if monkeypatch is not None:
            monkeypatch.setattr(process, "BOOT", self.boot)
        path.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        self.accepted = Accepted(self.path)
        self.items = Items(self.path, self.accepted)

    def start_machine(self) -> None:
        self.boot.write_text(uuid.uuid4().hex)
        self.start()

    def place(self, name: str) -> Path:
        return self.path / "jobs" / name / "config.xml"

    @property
    def journal(self) -> Path:
        return self.path / "configurations.journal"

    def texts(self) -> dict[str, bytes]:
        return {name: item.text() for name, item in self.items.by_name.items()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path / "home", monkeypatch)


def test_one_sync_is_what_an_accepted_configuration_waits_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.items.create("", "first", config("x"))  # opens the journal
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append("fsync"))
    monkeypatch.setattr(os, "fdatasync", lambda handle: synced.append("fdatasync"))
    home.items.create("", "new", config("x"))
    home.items.update(home.items.by_name["first"], config("y"))
    assert synced == ["fdatasync"] * 2
    home.items.update(home.items.by_name["first"], config("y"))
    assert len(synced) == 2, "what is there already is not stored again"


LOSSES: dict[str, Callable[[Path, bytes | None], object]] = {
    "kept": lambda place, old: None,
    "old": lambda place, old: place.unlink() if old is None else place.write_bytes(old),
    "empty": lambda place, old: place.write_bytes(b""),
    "torn": lambda place, old: place.write_bytes(place.read_bytes()[:40]),
    "zeros": lambda place, old: place.write_bytes(bytes(len(place.read_bytes()))),
}
"""What a power cut may leave of a file that was replaced and not synced."""


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("new", [True, False])
def test_a_power_cut_takes_nothing_that_was_accepted(home: Home, loss: str, new: bool) -> None:
    old = None if new else config("old")
    if old is not None:
        home.items.create("", "job", old)
        home.accepted.settle()
        home.items.update(home.items.by_name["job"], config("between"))
        home.items.update(home.items.by_name["job"], config("accepted"))
    else:
        home.items.create("", "job", config("accepted"))
    LOSSES[loss](home.place("job"), old)
    if loss == "old" and new:
        home.place("job").parent.rmdir()
    home.start_machine()
    assert home.texts() == {"job": config("accepted")}
    assert home.place("job").read_bytes() == config("accepted")
    assert home.journal.read_bytes() == b"", "it is on disk now"


def test_a_folder_that_a_power_cut_took_comes_back_with_what_is_in_it(home: Home) -> None:
    home.items.create("", "team", b"<com.cloudbees.hudson.plugins.folder.Folder/>")
    home.items.create("team", "job", config("x"))
    shutil.rmtree(home.path / "jobs")
    home.start_machine()
    assert set(home.texts()) == {"team", "team/job"}


def test_what_people_did_by_hand_after_it_stays_done(home: Home) -> None:
    for name in ("edited", "removed", "long-there"):
        home.items.create("", name, config("x"))
    home.accepted.settle()
    home.items.update(home.items.by_name["long-there"], config("y"))
    home.items.update(home.items.by_name["edited"], config("y"))
    home.items.create("", "made", config("x"))
    home.items.create("", "taken", config("x"))
    home.place("edited").write_bytes(config("by hand"))
    shutil.rmtree(home.place("taken").parent)
    shutil.rmtree(home.place("removed").parent)
    home.start()  # after kill -9: the machine went on, and has all that was written
    expected = {"edited": config("by hand"), "made": config("x"), "long-there": config("y")}
    assert home.texts() == expected
    # Also after a power cut: an edit is one, and a job that was there before is not made again.
    home.items.update(home.items.by_name["long-there"], config("z"))
    home.items.update(home.items.by_name["edited"], config("z"))
    home.place("edited").write_bytes(config("by hand again"))
    shutil.rmtree(home.place("long-there").parent)
    home.start_machine()
    assert home.texts() == {"edited": config("by hand again"), "made": config("x")}


@pytest.mark.parametrize("part", ["config.xml", "."])
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("doubted", [True, False])
def test_a_link_that_a_person_put_in_its_place_stays_and_stops_nobody(
    home: Home, part: str, new: bool, doubted: bool
) -> None:
    home.items.create("", "a", config("one"))
    if not new:
        home.accepted.settle()
        home.items.update(home.items.by_name["a"], config("two"))
    home.items.create("", "b", config("other"))
    replaced = home.place("a").parent / part
    elsewhere = home.path.with_name("elsewhere")
    replaced.rename(elsewhere)
    replaced.symlink_to(elsewhere)
    before = {file: file.read_bytes() for file in home.path.parent.rglob("config.xml") if file.is_file()}
    if doubted:
        home.accepted._doubted.add(home.place("a"))
    home.items.delete(home.items.by_name["b"])
    assert not home.accepted.journal.lines
    home.start_machine()
    assert replaced.is_symlink()
    del before[home.place("b")]
    assert before == {file: file.read_bytes() for file in home.path.parent.rglob("config.xml") if file.is_file()}


def test_what_was_deleted_or_renamed_does_not_come_back_by_a_power_cut(home: Home) -> None:
    for name in ("gone", "before"):
        home.items.create("", name, config(name))
    home.items.delete(home.items.by_name["gone"])
    home.items.rename(home.items.by_name["before"], "after")
    assert home.journal.read_bytes() == b""
    home.start_machine()
    assert home.texts() == {"after": config("before")}


def test_a_torn_last_line_was_never_accepted_and_harms_no_other(home: Home) -> None:
    for name in ("first", "second"):
        home.items.create("", name, config(name))
    lines = home.journal.read_bytes()
    shutil.rmtree(home.path / "jobs")
    home.journal.write_bytes(lines[:-30])
    home.start_machine()
    assert home.texts() == {"first": config("first")}
    assert b"second" in home.journal.with_name("configurations.journal.damaged").read_bytes()


@pytest.mark.parametrize(
    "line",
    [
        b'{"file": "jobs/../../x/config.xml", "content": "<project/>"}',
        b'{"file": "/x/config.xml", "content": "<project/>"}',
        b'{"file": "secrets/config.xml", "content": "<project/>"}',
        b'{"file": "jobs/x/log", "content": "x"}',
        b"[]",
        b'{"file": 7}',
    ],
)
def test_a_line_that_is_no_configuration_is_put_aside(home: Home, line: bytes) -> None:
    home.journal.write_bytes(line + b"\n")
    before = sorted(home.path.parent.rglob("*"))
    home.start_machine()
    assert not home.items.by_name
    assert line in home.journal.with_name("configurations.journal.damaged").read_bytes()
    assert {place.name for place in set(home.path.parent.rglob("*")) - set(before)} == {
        "configurations.journal.damaged"
    }


@pytest.mark.parametrize(
    "content",
    [b"<project><x>\xc3\xa4</x></project>", b"<?xml version='1.0' encoding='latin-1'?><project><x>\xe4</x></project>"],
)
def test_bytes_come_back_as_they_were(home: Home, content: bytes) -> None:
    home.items.create("", "job", content)
    shutil.rmtree(home.path / "jobs")
    home.start_machine()
    assert home.texts() == {"job": content}


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_a_disk_that_fails_at_any_call_loses_and_invents_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    for nth in range(40):
        home = Home(tmp_path / str(nth), monkeypatch)
        home.items.create("", "old", config("old"))
        calls = iter(range(1000))

        def failing(name: str, nth: int = nth, calls: Iterator[int] = calls) -> None:
            if next(calls) == nth:
                raise OSError(fault, os.strerror(fault))

        door.watcher = failing
        expected = {"old": config("old")}

        def store(name: str, text: str, home: Home = home) -> None:
            item = home.items.by_name.get(name)
            home.items.update(item, config(text)) if item else home.items.create("", name, config(text))

        for name, text in (("new", "new"), ("old", "y"), ("", ""), ("old", "z"), ("last", "last")):
            with contextlib.suppress(NotStored, OSError):
                if name:
                    store(name, text)
                    expected[name] = config(text)
                else:
                    home.accepted.settle()
        door.watcher = None
        assert home.texts() == expected, nth
        for start in (home.start, home.start_machine):
            start()
            assert home.texts() == expected, nth


def test_a_file_whose_sync_failed_is_written_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.items.create("", "job", config("x"))

    def failing(name: str) -> None:
        if name == "sync config.xml":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    door.watcher = failing
    with pytest.raises(OSError):
        home.accepted.settle()
    door.watcher = None
    assert home.journal.read_bytes(), "nobody knows what is on disk"
    written: list[Path] = []
    real = files.replace
    monkeypatch.setattr(
        files, "replace", lambda place, *rest, **more: written.append(place) or real(place, *rest, **more)
    )
    home.accepted.settle()
    assert home.place("job") in written and home.journal.read_bytes() == b""


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.integers(0, 3), st.integers(0, 5)),
        st.tuples(st.just("delete"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("settle"), st.just(0), st.just(0)),
        st.tuples(st.just("cut"), st.integers(0, 3), st.sampled_from(list(LOSSES))),
    ),
    max_size=14,
)


@given(ACTIONS)
def test_whatever_happens_the_home_says_what_was_accepted(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, object]]
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    with pytest.MonkeyPatch.context() as monkeypatch:
        home, expected, synced = Home(folder / "home", monkeypatch), {}, {}
        for verb, number, value in actions:
            name = f"job-{number}"
            item = home.items.by_name.get(name)
            if verb == "store":
                home.items.update(item, config(str(value))) if item else home.items.create("", name, config(str(value)))
                expected[name] = config(str(value))
            elif verb == "delete" and item is not None:
                home.items.delete(item)
                del expected[name]
                synced = dict(expected)
            elif verb == "settle":
                home.accepted.settle()
                synced = dict(expected)
            elif verb == "cut":
                if name in expected and expected[name] != synced.get(name):
                    LOSSES[str(value)](home.place(name), synced.get(name))
                home.start_machine()
                synced = dict(expected)
            assert home.texts() == expected
    shutil.rmtree(folder)


@pytest.mark.root
def test_a_disk_as_a_power_cut_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the device below a file system is what a power cut at that moment leaves: what was synced."""
    device, copy = tmp_path / "device", tmp_path / "copy"
    with device.open("wb") as stream:
        stream.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(device)], check=True)
    for folder in ("live", "after"):
        (tmp_path / folder).mkdir()
    subprocess.run(["mount", "-o", "loop", str(device), str(tmp_path / "live")], check=True)
    try:
        home = Home(tmp_path / "live" / "home", monkeypatch)
        for number in range(20):
            home.items.create("", f"job-{number}", config("x"))
        home.accepted.settle()
        for number in range(0, 20, 2):
            home.items.update(home.items.by_name[f"job-{number}"], config("y"))
            home.items.create("", f"new-{number}", config("z"))
        home.items.delete(home.items.by_name["job-3"])
        home.items.rename(home.items.by_name["job-5"], "renamed")
        home.items.update(home.items.by_name["job-7"], config("last"))
        expected = home.texts()
        shutil.copyfile(device, copy)
        home.accepted.journal.close()
    finally:
        subprocess.run(["umount", str(tmp_path / "live")], check=True)
    subprocess.run(["mount", "-o", "loop", str(copy), str(tmp_path / "after")], check=True)
    try:
        home.path = tmp_path / "after" / "home"
        home.start_machine()
        found = home.texts()
        home.accepted.journal.close()
    finally:
        subprocess.run(["umount", str(tmp_path / "after")], check=True)
    assert found == expected
