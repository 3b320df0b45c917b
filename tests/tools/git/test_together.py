"""Changes of one process that wait for the same delivery repo go out in one push, and none is lost or made up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict, SluicegateError, UnknownName
from sluicegate.model.evidence import Pinned
from sluicegate.model.values import Actor
from sluicegate.tools.git import Store, locks, together
from sluicegate.tools.git.place import cache_path
from tests import forked
from tests.worlds import Shop

WRITERS = 16


def hook(shop: Shop, name: str, script: str) -> None:
    path = shop.bare / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def counted(shop: Shop, tmp_path: Path) -> Callable[[], int]:
    """auth 1.0.0 to 1.0.15 are published in a repository that counts its pushes."""
    for number in range(WRITERS):
        shop.publish("auth", f"1.0.{number}")
    log = tmp_path / "pushes"
    log.touch()
    hook(shop, "post-receive", f"echo push >> {log}")
    return lambda: log.read_text().count("push")


def git(shop: Shop, *words: str) -> str:
    return subprocess.run(["git", "-C", shop.bare, *words], check=True, capture_output=True, text=True).stdout.strip()


def pin(shop: Shop, number: int, tmp_path: Path, version: str = "") -> None:
    """Pin auth as somebody who has the delivery repo by its URL."""
    actor = Actor(user=f"writer{number}", source=f"test:{number}")
    repo = shop.opened_by(actor, f"file://{shop.bare}", tmp_path / "cache")
    with repo.store:
        pinning.pin(repo, "auth", version or f"1.0.{number}", "training", why=str(number))


def at_once(change: Callable[[int], None]) -> dict[int, Exception | None]:
    """Make changes from as many threads; what each ended with."""
    ends: dict[int, Exception | None] = {}

    def work(number: int) -> None:
        try:
            change(number)
            ends[number] = None
        except SluicegateError as problem:
            ends[number] = problem

    threads = [threading.Thread(target=work, args=[number]) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    return ends


def pinned(shop: Shop) -> Iterator[tuple[str, Pinned]]:
    for version in shop.state.versions("auth"):
        for record in shop.state.story("auth", version).of(Pinned):
            yield version, record


def forget() -> None:
    """What this machine has seen of delivery repos."""
    for seen in cache_path().glob("*.seen"):
        seen.unlink()


def the_branches_agree(shop: Shop) -> None:
    named = git(shop, "show", "--no-patch", "--format=%(trailers:key=Main-Commit,valueonly)", "ledger")
    assert named == git(shop, "rev-parse", "main")
    last = max(pinned(shop), key=lambda pair: pair[1].at)
    assert shop.pins("training") == {"auth": last[0]}


def test_sixteen_changes_that_wait_go_out_in_a_few_pushes(
    shop: Shop, counted: Callable[[], int], tmp_path: Path
) -> None:
    ends = at_once(lambda number: pin(shop, number, tmp_path))
    assert set(ends.values()) == {None}
    assert counted() <= WRITERS / 2
    assert sorted(record.by.user for _, record in pinned(shop)) == sorted(f"writer{n}" for n in range(WRITERS))
    assert len(git(shop, "log", "--format=%an", "main", "--grep", "^pin auth=").split()) == WRITERS
    the_branches_agree(shop)
    assert git(shop, "fsck", "--no-dangling", "--strict") == ""


def test_a_change_that_a_hook_refuses_takes_no_other_with_it(
    shop: Shop, counted: Callable[[], int], tmp_path: Path
) -> None:
    hook(
        shop,
        "pre-receive",
        'while read old new ref; do git log --format=%s $old..$new; done | grep "auth=1.0.7 " && exit 1; exit 0',
    )
    ends = at_once(lambda number: pin(shop, number, tmp_path))
    refused = {number: problem for number, problem in ends.items() if problem}
    assert list(refused) == [7]
    assert isinstance(refused[7], Conflict)
    assert "hook declined" in refused[7].message
    assert sorted(int(record.why) for _, record in pinned(shop)) == [n for n in range(WRITERS) if n != 7]
    the_branches_agree(shop)


def test_a_change_that_cannot_be_decided_ends_by_itself(shop: Shop, counted: Callable[[], int], tmp_path: Path) -> None:
    ends = at_once(lambda number: pin(shop, number, tmp_path, version="9.9.9" if number == 5 else ""))
    assert [number for number, problem in ends.items() if problem] == [5]
    assert isinstance(ends[5], UnknownName)
    assert len(list(pinned(shop))) == WRITERS - 1


def test_when_somebody_else_was_first_all_are_decided_again(
    shop: Shop, counted: Callable[[], int], tmp_path: Path
) -> None:
    """A commit by hand comes between the decisions and the push, once."""
    once = tmp_path / "once"
    shop.edited("jobs/note.yaml", "by: hand\n")
    theirs = git(shop, "rev-parse", "main")
    git(shop, "update-ref", "refs/heads/main", "main~1")
    hook(
        shop,
        "pre-receive",
        f"mkdir {once} 2>/dev/null && env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main {theirs}; exit 0",
    )
    forget()
    ends = at_once(lambda number: pin(shop, number, tmp_path))
    assert set(ends.values()) == {None}
    assert once.is_dir()
    assert git(shop, "show", "main:jobs/note.yaml") == "by: hand"
    assert sorted(int(record.why) for _, record in pinned(shop)) == list(range(WRITERS))
    the_branches_agree(shop)


def write(shop: Shop, log: Path, cache: Path, turn: int) -> None:
    """Pin as eight, without end."""
    first = WRITERS * (turn % 2)  # no pin is the one that stands already: that would be no change, and no record

    def work(number: int) -> None:
        repo = shop.opened_by(Actor(user=f"writer{number}", source="writer"), f"file://{shop.bare}", cache)
        for count in range(1000):
            why = f"{turn}.{number}.{count}"
            pinning.pin(repo, "auth", f"1.0.{first + 2 * number + count % 2}", "training", why=why)
            with log.open("a") as acknowledged:
                acknowledged.write(f"{why}\n")

    for number in range(8):
        threading.Thread(target=work, args=[number]).start()


def test_a_process_that_is_killed_in_the_middle_loses_nothing_that_was_acknowledged(
    shop: Shop, counted: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "OLD", 0.0)  # every holder is dead at once
    log, moment = tmp_path / "log", random.Random(20261126)
    log.touch()
    for number in range(WRITERS, 2 * WRITERS):
        shop.publish("auth", f"1.0.{number}")
    for turn in range(4):
        before = counted()
        writer = forked.begin(write, Shop(shop.root), log, tmp_path / "cache", turn)
        while counted() < before + 2:
            assert writer.is_alive()
            time.sleep(0.002)
        time.sleep(moment.uniform(0, 0.4))
        os.killpg(writer.pid, signal.SIGKILL)
        writer.join()
        shop.veto("auth", "1.0.0", "production")  # whoever comes next
        the_branches_agree(shop)
        assert {*log.read_text().split()} <= {record.why for _, record in pinned(shop)}


@pytest.fixture
def cut(shop: Shop, counted: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A push of 16 changes, of which a test takes one half away; the tags `before-...` are what was there before it."""
    monkeypatch.setattr(together, "LONGEST", 60.0)
    for branch in ("main", "ledger"):
        git(shop, "tag", f"before-{branch}", branch)
    store = Store(f"file://{shop.bare}", ("main", "ledger"), cache=tmp_path / "cache")
    line = together.line_of(store)

    def let_in() -> None:
        with store, together.turn(store):  # all others wait for it
            while line.waiting < WRITERS:
                time.sleep(0.005)

    first = threading.Thread(target=let_in)
    first.start()
    ends = at_once(lambda number: pin(shop, number, tmp_path))
    first.join()
    assert set(ends.values()) == {None}
    assert counted() == 1
    return shop


def take_back(shop: Shop, branch: str) -> None:
    git(shop, "update-ref", f"refs/heads/{branch}", f"before-{branch}")
    forget()


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("branch", ["main", "ledger"])
def test_whoever_comes_next_completes_a_push_of_several_changes(
    cut: Shop, tmp_path: Path, branch: str, far: bool
) -> None:
    pins, ledger_tree = git(cut, "show", "main:environments/training.yaml"), git(cut, "rev-parse", "ledger^{tree}")
    take_back(cut, branch)
    location = f"file://{cut.bare}" if far else str(cut.bare)
    repo = cut.opened_by(Actor(user="olle", source="far"), location, tmp_path / "another-cache")
    with repo.store:
        pinning.hold(repo, "auth", "training", until=None, why="the fair")
    assert git(cut, "rev-parse", "ledger~1^{tree}") == ledger_tree
    assert git(cut, "show", "main~1:environments/training.yaml") == pins
    assert len(list(pinned(cut))) == WRITERS


@pytest.mark.parametrize("far", [False, True])
def test_what_was_committed_by_hand_since_stays_when_main_is_completed(cut: Shop, tmp_path: Path, far: bool) -> None:
    pins = git(cut, "show", "main:environments/training.yaml")
    take_back(cut, "main")
    cut.edited("jobs/note.yaml", "by: hand\n")
    location = f"file://{cut.bare}" if far else str(cut.bare)
    repo = cut.opened_by(Actor(user="olle", source="far"), location, tmp_path / "another-cache")
    with repo.store:
        pinning.hold(repo, "auth", "training", until=None, why="the fair")
    assert git(cut, "show", "main~1:environments/training.yaml") == pins
    assert git(cut, "show", "main:jobs/note.yaml") == "by: hand"


def test_a_ledger_that_was_rewound_into_such_a_push_is_a_conflict(cut: Shop, tmp_path: Path) -> None:
    git(cut, "update-ref", "refs/heads/ledger", "ledger~3")
    forget()
    with pytest.raises(Conflict, match="was rewound"):
        cut.veto("auth", "1.0.0")
