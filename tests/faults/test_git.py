"""What happens around the delivery repo: many writers, lost answers, hooks, rewritten history, hostile files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluicegate.delivery.state import LEDGER, MAIN
from sluicegate.delivery.status import status
from sluicegate.errors import ConfigError, Conflict, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.ledger import component_path, line
from sluicegate.model.values import Actor, Record
from sluicegate.tools import door
from sluicegate.tools.git import Edit, Store
from tests.shop import CONFIG, START, Shop

ROOT = Path(__file__).parent.parent.parent
WRITERS = 16


def git(shop: Shop, *words: str) -> str:
    return subprocess.run(["git", "-C", shop.bare, *words], check=True, capture_output=True, text=True).stdout.strip()


def hook(shop: Shop, name: str, script: str) -> None:
    path = shop.bare / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# many writers


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Shop]:
    """Sixteen components, each with a few published versions, all pinned in one file."""
    names = "".join(f"  c{n}: {{repository: releases}}\n" for n in range(WRITERS))
    config = CONFIG.replace(b"components:\n", b"components:\n" + names.encode())
    shop = Shop.opened(tmp_path / "crowd", config)
    store = shop.by("hand").store
    actor = Actor(user="ci", source="test")
    built = {
        component_path(f"c{n}", f"1.0.{v}"): line(
            Record(id=f"{n}-{v}", after="", at=START, what="built", by=actor, facts={"manifest": f"{n}-{v}"})
        )
        for n in range(WRITERS)
        for v in range(9)
    }
    edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files=built)
    store.push([edit], "built\n", by=store.signature, at=START)
    yield shop
    shop.close()


def writers(shop: Shop, where: Callable[[int], str], last: int) -> list[subprocess.Popen[str]]:
    script = Path(__file__).parent / "writer.py"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return [
        subprocess.Popen(
            [sys.executable, script, where(n), f"c{n}", "0", str(last)], env=env, cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for n in range(WRITERS)
    ]  # fmt: skip


def pinned_versions(shop: Shop, component: str) -> list[str]:
    """In the order of the commits that moved the pin."""
    log = git(shop, "log", "--reverse", "--format=%s", MAIN, "--", "environments/training.yaml")
    return [s.split("=")[1].split()[0] for s in log.splitlines() if s.startswith(f"pin {component}=")]


def test_42_sixteen_writers_of_one_file_lose_nothing(crowd: Shop) -> None:
    """Half of them come by path and share a lock, half by URL with a mirror and only the push to tell them apart."""
    crowd_of = writers(crowd, lambda n: str(crowd.bare) if n % 2 else f"file://{crowd.bare}", 2)
    for number, process in enumerate(crowd_of):
        said, problem = process.communicate(timeout=100)
        assert said.split() == ["1.0.0", "1.0.1"], problem
        assert pinned_versions(crowd, f"c{number}") == ["1.0.0", "1.0.1"]
    pins = crowd.pins("training")
    assert pins == {f"c{n}": "1.0.1" for n in range(WRITERS)}
    for n in range(WRITERS):
        assert [len(crowd.story(f"c{n}", f"1.0.{v}", "pinned")) for v in range(2)] == [1, 1]


def test_42_killing_some_of_the_writers_loses_nothing_that_was_acknowledged(crowd: Shop) -> None:
    crowd_of = writers(crowd, lambda _: str(crowd.bare), 3)
    time.sleep(1.5)
    for number, process in enumerate(crowd_of):
        if number % 2:
            process.send_signal(signal.SIGKILL)
            time.sleep(0.05)
    for number, process in enumerate(crowd_of):
        said = process.communicate(timeout=100)[0].split()
        assert number % 2 or said == ["1.0.0", "1.0.1", "1.0.2"]
        pinned = pinned_versions(crowd, f"c{number}")
        assert pinned[: len(said)] == said and len(pinned) <= len(said) + 1
        for version in pinned:
            assert len(crowd.story(f"c{number}", version, "pinned")) == 1, "pin and record come together"
    assert git(crowd, "fsck", "--connectivity-only") == ""


# the remote


def test_43_a_push_whose_answer_is_lost_counts_once(live: Shop) -> None:
    """The remote's hook cuts the connection after the branches have moved."""
    hook(live, "post-receive", "kill -9 $PPID")
    live.veto("auth", "1.0.0")
    (live.bare / "hooks" / "post-receive").unlink()
    assert len(live.story("auth", "1.0.0", "veto")) == 1
    live.veto("auth", "1.0.0")
    assert len(live.story("auth", "1.0.0", "veto")) == 1


def test_43_a_hook_that_rejects_is_a_conflict_with_its_words_and_nothing_changes(live: Shop) -> None:
    hook(live, "pre-receive", 'echo "no pins on fridays"; exit 1')
    with live.unchanged(), pytest.raises(Conflict, match="no pins on fridays"):
        live.veto("auth", "1.0.0")


def test_43_a_hook_that_rejects_one_branch_leaves_the_other_alone_too(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    hook(live, "update", 'test "$1" != refs/heads/ledger')
    with live.unchanged(), pytest.raises(Conflict):
        live.promote("training", auth="2.0.0")


def mirrored(shop: Shop) -> Store:
    return Store(f"file://{shop.bare}", (MAIN, LEDGER), cache=shop.root / "mirror")


def test_43_history_rewritten_by_force_is_taken_as_it_is_now(live: Shop) -> None:
    with mirrored(live) as store:
        old = store.tips()
        tree = git(live, "rev-parse", "main^{tree}")
        fresh = git(live, "-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", "-m", "rewritten", tree)
        git(live, "update-ref", "refs/heads/main", fresh)
        assert store.tips() == {**old, MAIN: fresh}
        git(live, "gc", "-q", "--prune=now")
        edit = Edit(branch=MAIN, base=old[MAIN], files={"a": b"a"})
        with pytest.raises(SluicegateError):
            store.push([edit], "on what is gone", by=store.signature, at=START)
    assert git(live, "rev-parse", "main") == fresh
    live.veto("auth", "1.0.0")


@pytest.mark.parametrize("branch", [MAIN, LEDGER])
@pytest.mark.parametrize("by_url", [True, False])
def test_43_a_deleted_branch_is_told_and_not_made_anew(live: Shop, branch: str, by_url: bool) -> None:
    with mirrored(live) as store:
        if by_url:
            store.tips()
            live.by("reader").store.close()
            live.repos["https://ci.example.com/job/rita/0/"] = live.opened_by(
                Actor(user="rita", source="x"), f"file://{live.bare}", live.root / "mirror"
            )
        git(live, "update-ref", "-d", f"refs/heads/{branch}")
        with pytest.raises(UsageError, match="not a delivery repo: it lacks"):
            live.veto("auth", "1.0.0")
        assert branch not in git(live, "branch", "--format=%(refname:short)").split()


def test_a_branch_deleted_while_deciding_is_not_made_anew(live: Shop) -> None:
    def delete(name: str) -> None:
        if name == "git push":
            door.watcher = None
            git(live, "update-ref", "-d", "refs/heads/ledger")

    door.watcher = delete
    with pytest.raises(SluicegateError):
        live.veto("auth", "1.0.0")
    assert git(live, "branch", "--format=%(refname:short)").split() == [MAIN]


def test_a_remote_that_is_gone_is_unavailable(live: Shop) -> None:
    with mirrored(live) as store:
        store.tips()
        live.close()
        live.bare.rename(live.root / "away.git")
        with pytest.raises(RemoteUnavailable, match="could not be fetched"):
            store.tips()
        (live.root / "away.git").rename(live.bare)


@pytest.mark.parametrize("location", ["-oProxyCommand=touch x", "ext::sh -c id", "--upload-pack=x", "ext::x/y"])
def test_45_a_location_that_is_an_option_or_a_command_is_refused(location: str) -> None:
    with pytest.raises(UsageError, match="not taken as a delivery repo"):
        Store(location, (MAIN, LEDGER))


def test_45_a_password_in_the_url_is_not_shown(tmp_path: Path) -> None:
    with (
        Store("http://ci:hunter2@127.0.0.1:9/x.git", (MAIN, LEDGER), cache=tmp_path) as store,
        pytest.raises(RemoteUnavailable) as caught,
    ):
        store.tips()
    assert "hunter2" not in str(caught.value) and "****" in str(caught.value)


# hostile pin files; 44 of the list


PINS = "environments/training.yaml"


def mistake(shop: Shop, content: bytes, match: str) -> None:
    shop.edited(PINS, content)
    with shop.unchanged(), pytest.raises(ConfigError, match=match):
        shop.promote("training", auth="1.0.0")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"auth: 1.0.0\n<<<<<<< HEAD\nportal: 1.0.0\n=======\n>>>>>>> x\n", r"training\.yaml:2: a merge marker"),
        (b"auth: 1.0.0\nportal:\n\tversion: 1\n", r"training\.yaml:3: a tab"),
        (b"auth: 1.0.0\n# c\nauth: 2.0.0\n", r"training\.yaml:3: the key 'auth' stands twice \(first in line 1\)"),
        (b"auth: &a 1.0.0\nportal: *a\n", r"training\.yaml:1: .*alias"),
        (b"auth: !!python/object/apply:os.system [id]\n", r"training\.yaml:1: the tag"),
        (b"auth: !x 1.0.0\n", r"training\.yaml:1: the tag"),
        (b"a: &a [1]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", r"training\.yaml:2: .*alias"),
        (b"<<: {auth: 1.0.0}\n", r"training\.yaml"),
        (b"[auth, portal]\n", r"training\.yaml:1: expected a mapping"),
        (b"auth: [1.0.0]\n", r"training\.yaml:1: expected a version"),
        (b"auth:\n", r"training\.yaml:1: the version is empty"),
        (b"auth: {version: 1.0.0, hold: {untill: 2026-01-01}}\n", r"training\.yaml:1: unknown key 'untill'"),
        (b"auth: {version: 1.0.0, hold: {until: soon}}\n", r"training\.yaml:1: 'until' is 'soon'"),
        (b"auth: 1.0.0\nprotal: 1.0.0\n", r"'protal'"),
        (b"auth: \xff\xfe\n", r"not UTF-8 at byte 6"),
        (b"\xff\xfea\x00u\x00", r"not UTF-8"),
        (b"auth: 1.0.0\x00\n", r"training\.yaml"),
        (b"auth: 'x\n", r"training\.yaml"),
        (b"? {a: b}\n: 1\n", r"a key must be a plain text"),
        (b"--- {auth: 1}\n--- {auth: 2}\n", r"training\.yaml"),
    ],
)
def test_44_a_broken_pin_file_is_a_mistake_with_its_line_and_nothing_changes(
    live: Shop, content: bytes, match: str
) -> None:
    mistake(live, content, match)


def test_44_a_huge_pin_file_is_refused_before_it_is_parsed(live: Shop) -> None:
    started = time.monotonic()
    mistake(live, b"# " + b"x" * 100_000_000 + b"\n", "more than the 5000000")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- "])
def test_44_a_pin_file_nested_without_end_is_a_mistake_and_no_crash(tmp_path: Path, opening: bytes) -> None:
    """In a process of its own: what overflows the stack ends the process."""
    path = tmp_path / "deep.yaml"
    path.write_bytes(b"auth: " + opening * 200_000 + b"\n" if opening != b"- " else opening * 200_000)
    code = (
        "import sys; from sluicegate.tools import yamltext; from sluicegate.errors import ConfigError\n"
        "try: yamltext.read(open(sys.argv[1], 'rb').read(), 'deep.yaml')\n"
        "except ConfigError as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0 and "deep.yaml" in done.stdout, done.stderr[-300:]


def test_44_crlf_and_a_byte_order_mark_are_read_and_survive(live: Shop) -> None:
    live.edited(PINS, b"\xef\xbb\xbf# ours\r\nauth: 1.0.0  # soon 2\r\nportal: 1.0.0\r\n")
    assert live.pins("training") == {"auth": "1.0.0", "portal": "1.0.0"}
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0")
    content = live.state.file(PINS)
    assert content == b"\xef\xbb\xbf# ours\r\nauth: 2.0.0  # soon 2\r\nportal: 1.0.0\r\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"production: green\nstaging: green\n", "one group plays two environments"),
        (b"production: red\nstaging: green\n", r"servers\.yaml:1: 'production: red'"),
        (b"staging: green\n", "does not say which group plays 'production'"),
        (b"<<<<<<< HEAD\n", r"servers\.yaml:1: a merge marker"),
    ],
)
def test_44_a_broken_servers_file_is_a_mistake(live: Shop, content: bytes, match: str) -> None:
    live.edited("servers.yaml", content)
    with live.unchanged(), pytest.raises(ConfigError, match=match):
        live.swap()


def test_44_a_broken_configuration_names_every_mistake_at_once(live: Shop) -> None:
    broken = CONFIG.replace(b"needs: [auth]", b"needs: [oauth]").replace(b"deploy: {driver: fake}", b"deplyo: {}", 1)
    live.edited("sluicegate.yaml", broken)
    with pytest.raises(ConfigError) as caught:
        status(live.state)
    assert "deplyo" in str(caught.value)
