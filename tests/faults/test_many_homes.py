"""Sixteen homes, each with a clone or none, write one delivery repo without a pause: none fails for being second."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from sluicegate.delivery.book import repo as book
from sluicegate.delivery.moves import pinning
from sluicegate.model.evidence import Pinned
from sluicegate.model.values import Actor
from sluicegate.tools.git import Store
from sluicegate.tools.git.place import LINE, cache_path
from tests import forked
from tests.worlds import Shop

HOMES, PINS = 16, 3


def write(together: Barrier, shop: Shop, location: str, log: Path, number: int, patience: float) -> None:
    """Pin without a pause; a change that was beaten gives up after so many seconds."""
    book.PATIENCE = patience
    repo = shop.opened_by(Actor(user=f"writer{number}", source=f"test:{number}"), location)
    together.wait(60)
    with log.open("a", buffering=1) as acknowledged:
        for turn in range(PINS):
            why = f"{number}.{turn}"
            pinning.pin(repo, "auth", f"1.0.{2 * number + turn % 2}", "training", why=why)
            acknowledged.write(f"{why}\n")


@pytest.fixture(scope="module")
def everything(opened: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened.copied(tmp_path_factory.mktemp("homes")) as shop:
        for number in range(2 * HOMES):
            shop.publish("auth", f"1.0.{number}")
        yield shop


@pytest.fixture
def published(everything: Shop, tmp_path: Path) -> Iterator[Shop]:
    """Each home has two versions of auth to pin."""
    with everything.copied(tmp_path) as shop:
        yield shop


def at_once(shop: Shop, location: Callable[[int], str], *, patience: float, **env: str) -> list[str]:
    """Let all homes write; what was acknowledged, in its order."""
    log, homes = shop.root / "acknowledged", shop.root / "homes"
    log.touch()
    together = forked.FORKS.Barrier(HOMES)
    writers = [
        forked.begin(
            write, together, Shop(shop.root), location(number), log, number, patience,
            XDG_CACHE_HOME=str(homes / str(number)), **env,
        )
        for number in range(HOMES)
    ]  # fmt: skip
    for writer in writers:
        writer.join(250)
    assert [writer.exitcode for writer in writers] == [0] * HOMES
    return log.read_text().split()


def nothing_is_lost(shop: Shop, acknowledged: list[str]) -> None:
    told = [record.why for n in range(2 * HOMES) for record in shop.state.story("auth", f"1.0.{n}").of(Pinned)]
    everything = {f"{number}.{turn}" for number in range(HOMES) for turn in range(PINS)}
    assert {*acknowledged} == everything
    assert Counter(told) == Counter(everything)


def clone(shop: Shop, number: int) -> str:
    """A clone that stands for the delivery repo, as a build has it."""
    place = shop.root / f"clone{number}"
    subprocess.run(["git", "clone", "--quiet", shop.bare, place], check=True)
    return str(place)


@pytest.mark.parametrize("way", ["clones", "urls"])
def test_on_one_machine_all_stand_in_one_line_and_nobody_is_second(published: Shop, way: str) -> None:
    """With no patience at all a single lost race would end a writer."""
    place = f"file://{published.bare}"
    acknowledged = at_once(published, lambda n: clone(published, n) if way == "clones" else place, patience=-1)
    nothing_is_lost(published, acknowledged)
    had = Counter(why.partition(".")[0] for why in acknowledged[: HOMES * PINS // 2])
    assert len(had) == HOMES, f"when half was done, only these had had a turn: {had}"


@pytest.fixture
def over_ssh(published: Shop) -> dict[str, str]:
    """What makes Git take a shell on this machine for ssh."""
    program = published.root / "ssh"
    program.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    program.chmod(0o755)
    return {"GIT_SSH_COMMAND": str(program), "GIT_SSH_VARIANT": "simple"}


def test_at_a_server_none_fails_for_being_second(published: Shop, over_ssh: dict[str, str]) -> None:
    acknowledged = at_once(published, lambda n: f"ssh://server{published.bare}", patience=60, **over_ssh)
    nothing_is_lost(published, acknowledged)


@pytest.mark.parametrize("fault", ["a file in its place", "a full disk", "no place for us"])
def test_where_no_line_can_be_made_each_home_has_its_own(
    published: Shop, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    line = published.bare / LINE
    shutil.rmtree(line)
    if fault == "a file in its place":
        line.touch()
    elif fault == "no place for us":
        monkeypatch.setattr("os.open", refusing(line, errno.EACCES))
    else:
        monkeypatch.setattr("os.open", refusing(line, errno.ENOSPC))
    pinning.pin(published.by("rita"), "auth", "1.0.0", "training", why="")
    assert published.pins("training") == {"auth": "1.0.0"}
    assert list(cache_path().glob("*.line"))


def refusing(folder: Path, number: int) -> Callable[..., int]:
    """`os.open` that fails for what lies in a folder."""
    real = os.open

    def open_file(path: str | bytes | os.PathLike[str], *rest: int, **options: int) -> int:
        if Path(os.fsdecode(path)).parent == folder:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *rest, **options)

    return open_file


NOBODY = 65534
THEIRS = 54321  # a group that both are in


@pytest.fixture
def group_shared(published: Shop) -> Iterator[Shop]:
    """The delivery repo in a folder that another user may come to, shared with a group."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with published.copied(Path(folder)) as shop:
            subprocess.run(["git", "-C", shop.bare, "config", "core.sharedRepository", "group"], check=True)
            subprocess.run(["chgrp", "-R", str(THEIRS), shop.bare], check=True)
            subprocess.run(["chmod", "-R", "g+rwX", shop.bare], check=True)
            subprocess.run(["find", shop.bare, "-type", "d", "-exec", "chmod", "g+s", "{}", "+"], check=True)
            yield shop


def as_user(user: int, group: int, home: Path, work: Callable[[], None]) -> int:
    """Start a process of another user that does the work; its number."""
    home.mkdir()
    os.chown(home, user, group)
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setgroups([THEIRS])
        os.setgid(group)
        os.setuid(user)
        os.umask(0o022)
        os.environ |= {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
        os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        os.environ |= {f"GIT_COMMITTER_{what}": f"user{user}" for what in ("NAME", "EMAIL")}
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


@pytest.mark.root
def test_two_users_of_a_repository_that_a_group_shares_stand_in_one_line(
    group_shared: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "PATIENCE", -1)

    def writer(number: int) -> None:
        repo = group_shared.opened_by(Actor(user=f"writer{number}", source=f"test:{number}"))
        for turn in range(8):
            pinning.pin(repo, "auth", f"1.0.{2 * number + turn % 2}", "training", why=f"{number}.{turn}")

    users = [(0, 0), (NOBODY, NOBODY)]
    children = [
        as_user(user, group, group_shared.root / f"home{user}", partial(writer, number))
        for number, (user, group) in enumerate(users)
    ]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    told = {record.why for n in range(4) for record in group_shared.state.story("auth", f"1.0.{n}").of(Pinned)}
    assert told == {f"{number}.{turn}" for number in range(2) for turn in range(8)}
    assert os.listdir(group_shared.bare / LINE) == ["turn"]
    assert [path for user, _ in users for path in (group_shared.root / f"home{user}").rglob("*.line")] == []


@pytest.mark.root
def test_a_killed_user_of_the_group_stands_in_nobodys_way(group_shared: Shop) -> None:
    def hold() -> None:
        with Store(str(group_shared.bare), ("main", "ledger")) as store, store.lock(since=1):
            (group_shared.root / "home65534" / "held").touch()
            time.sleep(100)

    def wait() -> None:
        with Store(str(group_shared.bare), ("main", "ledger")) as store, store.lock(since=2):
            pass

    holder = as_user(NOBODY, NOBODY, group_shared.root / "home65534", hold)
    while not (group_shared.root / "home65534" / "held").exists():
        time.sleep(0.01)
    waiting = as_user(NOBODY, NOBODY, group_shared.root / "waiting", wait)
    while len(os.listdir(group_shared.bare / LINE)) < 2:
        time.sleep(0.01)
    for child in (waiting, holder):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with Store(str(group_shared.bare), ("main", "ledger")) as store, store.lock() as came:
        assert came
        assert os.listdir(group_shared.bare / LINE) == ["turn"]
