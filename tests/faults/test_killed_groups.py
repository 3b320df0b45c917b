"""Process groups that are killed at random moments: nothing acknowledged is lost, and the two branches agree."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sluicegate.delivery.moves import pinning
from sluicegate.model.evidence import Pinned
from sluicegate.model.values import Actor
from sluicegate.tools import door
from sluicegate.tools.git import locks
from tests import forked
from tests.worlds import Shop

KILLS = int(os.environ.get("SLUICEGATE_KILLS", "50"))
VERSIONS = ("1.0.0", "1.0.1", "1.0.2", "1.0.3")


def write(shop: Shop, log: Path, first: int, location: str, begins: str) -> None:
    """Pin without end; log `begin` before the first Git process of a change that writes, its number behind the last."""
    with log.open("a", buffering=1) as lines:
        locks.OLD = 0.0  # every holder is dead at once
        door.watcher = lambda name: lines.write("begin\n") if name == begins else None
        repo = shop.opened_by(Actor(user="rita", source="writer"), location)
        for number in itertools.count(first):
            pinning.pin(repo, "auth", f"1.0.{number % 4}", "training", why=str(number))
            lines.write(f"{number}\n")


WAYS = {"moved": 0.02, "pushed": 0.08, "fetched": 0.3}
"""How the branches are moved, by one Git here, by a push, or by one from a mirror that fetched first, and for how many
seconds a change has Gits at the most."""


def kill_once(shop: Shop, log: Path, first: int, moment: random.Random, way: str) -> tuple[int, bool]:
    """Let a writer work and kill its group at a moment of some change; the next number, and whether it died inside."""
    log.write_text("")
    location = f"file://{shop.bare}" if way == "fetched" else str(shop.bare)
    begins = "git fetch" if way == "fetched" else "git unpack-objects"
    writer = forked.begin(write, Shop(shop.root), log, first, location, begins)
    changes = moment.randint(1, 6)
    while log.read_text().count("begin") < changes:
        assert writer.is_alive()
        time.sleep(0.001)
    time.sleep(moment.uniform(0, WAYS[way]))
    os.killpg(writer.pid, signal.SIGKILL)
    writer.join()
    lines = log.read_text().split()
    numbers = [int(line) for line in lines if line != "begin"]
    return (numbers[-1] + 1 if numbers else first), lines[-1] == "begin"


def pins_told(shop: Shop) -> list[tuple[str, Pinned]]:
    """Version and record of each pin of auth that the ledger tells of, in the order of their times."""
    pairs = [(version, record) for version in VERSIONS for record in shop.state.story("auth", version).of(Pinned)]
    return sorted(pairs, key=lambda pair: pair[1].at)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_groups_that_are_killed_lose_nothing_that_was_acknowledged(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(locks, "OLD", 0.0)  # every holder is dead at once
    if way == "pushed":
        hook = shop.bare / "hooks" / "post-receive"
        hook.write_text("#!/bin/sh\n")
        hook.chmod(0o755)
    for version in VERSIONS:
        shop.publish("auth", version)
    moment, following, inside = random.Random(20261126), 1, 0
    kills = -(-KILLS // len(WAYS))
    for _ in range(kills):
        following, died_inside = kill_once(shop, tmp_path / "log", following, moment, way)
        inside += died_inside
        shop.veto("auth", "1.0.0", "production")  # whoever comes next
        pin_events = pins_told(shop)
        explained = {"auth": pin_events[-1][0]} if pin_events else {}
        assert shop.pins("training") == explained, "the ledger explains the pin"
        last = int(pin_events[-1][1].why) if pin_events else 0
        assert last in (following - 1, following), "what was acknowledged is there; beyond it one change at the most"
        following = last + 1
    assert inside >= 0.4 * kills, f"only {inside} of {kills} died inside a change"
    done = subprocess.run(
        ["git", "-C", shop.bare, "fsck", "--no-dangling"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
