"""The delivery repo among writers that die, servers that refuse and files that people have broken."""

from __future__ import annotations

import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.delivery.answers.status import status
from sluicegate.delivery.book.pins import read_pins
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.resume import resume
from sluicegate.delivery.changes.sync import sync
from sluicegate.delivery.moves import evidence, pinning
from sluicegate.delivery.moves.promote import promote
from sluicegate.errors import Conflict, IntegrityError, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Veto
from sluicegate.model.story import Story
from sluicegate.model.values import Actor, Pin
from sluicegate.tools import door, git, process
from sluicegate.tools.git import Store
from tests import forked
from tests.worlds import PassingDrivers, World, build, check_consistent, edit, pinned


def write(place: str, number: int, changes: int, log: Path) -> None:
    """Change both branches so often, each time by what stands there; log what was acknowledged."""
    with Store(place, (MAIN, LEDGER)) as store:
        repo = DeliveryRepo(store, PassingDrivers(), actor=Actor(user=f"writer{number}", source=f"test:{number}"))
        for turn in range(changes):

            def decide(state: State, draft: Draft, turn: int = turn) -> None:
                count = len([*state.story("auth", "1.0.0").of(Veto)])
                draft.note("auth", "1.0.0", Veto(env="production", why=f"{number}.{turn}", of=str(count)))
                draft.pin("integration", "auth", Pin(component="auth", version=f"1.0.{count}"))

            repo.change(decide, f"{number}.{turn}")
            with log.open("a") as stream:
                stream.write(f"{number}.{turn}\n")


ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("delivery") / "base")


@pytest.fixture
def world(base: World, tmp_path: Path) -> World:
    """Version 1.0.0 of both components is in production."""
    return base.copy(tmp_path / "world")


@pytest.fixture
def repo(world: World) -> Iterator[DeliveryRepo]:
    with world.repo() as opened:
        yield opened


def bare(world: World) -> Path:
    return world.folder / "delivery.git"


def run_git(world: World, *words: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(["git", "-C", bare(world), *words], input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def tips(world: World) -> list[str]:
    return run_git(world, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads").splitlines()


def sluicegate(
    location: object, *words: str, env: dict[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """The command line as a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sluicegate", "-C", str(location), *words],
        env={**os.environ, **(env or {})}, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL,
        **options,  # type: ignore[call-overload]
    )  # fmt: skip


def hook(world: World, name: str, script: str) -> None:
    path = bare(world) / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# Line 42: many writers


def test_42_sixteen_writers_on_one_line_lose_nothing_though_some_are_killed(world: World, tmp_path: Path) -> None:
    changes, log = 4, tmp_path / "acknowledged"
    log.touch()
    writers = [forked.begin(write, str(bare(world)), number, changes, log) for number in range(16)]
    while len(log.read_text().splitlines()) < 12:
        time.sleep(0.01)
    for writer in writers[:4]:
        writer.kill()
    for writer in writers:
        writer.join(100)
    assert {writer.exitcode for writer in writers[4:]} == {0}
    acknowledged = log.read_text().split()
    assert len(acknowledged) >= 12 * changes
    with world.repo() as repo:
        state = repo.state()
        story = [*state.story("auth", "1.0.0").of(Veto)]
        written = [veto.why for veto in story]
        assert set(acknowledged) <= set(written)
        assert len(written) == len(set(written))
        assert [veto.of for veto in story] == [str(number) for number in range(len(story))], (
            "order in the book is order of effect"
        )
        assert pinned(state, "integration")["auth"] == f"1.0.{len(story) - 1}"
    assert run_git(world, "fsck", "--connectivity-only", "--no-dangling") == ""


def test_42_writers_of_different_files_both_win(world: World, repo: DeliveryRepo) -> None:
    with world.repo() as other_repo:
        other_repo.state()
        pinning.hold(repo, "auth", "staging", until=None, why="one")
        pinning.hold(other_repo, "portal", "integration", until=None, why="two")
    state = repo.state()
    assert state.pins("staging")["auth"].hold is not None
    assert state.pins("integration")["portal"].hold is not None


def test_42_a_lock_whose_holder_was_killed_is_free(world: World) -> None:
    holder = (
        "import sys, time; from sluicegate.tools.git import Store\n"
        f"with Store({str(bare(world))!r}, ('main', 'ledger')) as s, s.lock() as came:\n"
        "    print(came, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    with world.repo() as repo, repo.store.lock(seconds=0.1) as came:
        assert not came
    process.kill()
    process.wait()
    with world.repo() as repo, repo.store.lock(seconds=5) as came:
        assert came


# Line 43: servers that refuse, answers that are lost


@pytest.fixture(params=["push", "update-ref"])
def moved_by(request: pytest.FixtureRequest, world: World) -> str:
    """What moves the branches: a push where the repository has a hook, one Git of ours where it has none."""
    if request.param == "push":
        hook(world, "post-receive", "true")
    return str(request.param)


def test_43_a_push_whose_answer_is_lost_counts_once(
    world: World, repo: DeliveryRepo, monkeypatch: pytest.MonkeyPatch, moved_by: str
) -> None:
    run = process.run

    def losing(argv: list[str], **options: object) -> process.Completed:
        done = run(argv, **options)  # type: ignore[arg-type]
        if argv[1] == moved_by:
            return process.Completed(
                argv=tuple(argv), status=128, stdout=b"", stderr=b"fatal: the remote end hung up unexpectedly"
            )
        return done

    monkeypatch.setattr(process, "run", losing)
    pinning.hold(repo, "auth", "integration", until=None, why="once")
    assert run_git(world, "log", "--format=%s", MAIN).splitlines().count("hold auth in integration") == 1


def test_43_a_push_that_died_before_the_server_is_remote_and_changes_nothing(
    world: World, repo: DeliveryRepo, monkeypatch: pytest.MonkeyPatch, moved_by: str
) -> None:
    run, before = process.run, tips(world)

    def dead(argv: list[str], **options: object) -> process.Completed:
        if argv[1] in (moved_by, "ls-remote"):
            return process.Completed(
                argv=tuple(argv), status=128, stdout=b"", stderr=b"fatal: unable to access: Could not resolve host"
            )
        return run(argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "run", dead)
    with pytest.raises(RemoteUnavailable, match="Could not resolve host"):
        pinning.hold(repo, "auth", "integration", until=None, why="never")
    assert tips(world) == before


def test_43_a_hook_that_rejects_is_a_conflict_with_its_words(world: World, repo: DeliveryRepo) -> None:
    hook(world, "pre-receive", "echo 'the change freeze lasts until Monday' >&2; exit 1")
    before = tips(world)
    with pytest.raises(Conflict, match="the change freeze lasts until Monday"):
        pinning.hold(repo, "auth", "integration", until=None, why="x")
    assert tips(world) == before


def test_43_a_hook_that_rejects_one_branch_keeps_both_as_they_were(world: World, repo: DeliveryRepo) -> None:
    hook(world, "update", f'[ "$1" != refs/heads/{MAIN} ] || {{ echo "main is protected" >&2; exit 1; }}')
    before = tips(world)
    with pytest.raises(Conflict, match="main is protected"):
        promote(repo, {"auth": "1.0.0", "portal": "1.0.0"}, "staging")
        pinning.hold(repo, "auth", "integration", until=None, why="x")
    assert tips(world) == before


def test_43_history_rewritten_by_force_between_read_and_push_is_a_conflict(world: World, repo: DeliveryRepo) -> None:
    forced = []

    def rewrite(name: str) -> None:
        if name == "git unpack-objects" and not forced:
            forced.append(name)
            tree = run_git(world, "rev-parse", f"{MAIN}^{{tree}}")
            commit = run_git(
                world, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", tree, stdin=b"anew"
            )
            run_git(world, "update-ref", f"refs/heads/{MAIN}", commit)

    door.watcher = rewrite
    with pytest.raises(Conflict, match=r"the history of .main. in .* was rewound"):
        pinning.hold(repo, "auth", "integration", until=None, why="after the rewrite")
    assert forced
    assert run_git(world, "log", "--format=%s", MAIN).splitlines() == ["anew"]


def test_43_a_ledger_branch_that_was_deleted_is_said_and_not_begun_anew(world: World, repo: DeliveryRepo) -> None:
    run_git(world, "update-ref", "-d", f"refs/heads/{LEDGER}")
    with pytest.raises(UsageError, match="lacks the branch 'ledger'"):
        pinning.hold(repo, "auth", "integration", until=None, why="x")
    assert [line.split()[1] for line in tips(world)] == [f"refs/heads/{MAIN}"]


def test_43_a_ledger_branch_deleted_between_read_and_push_is_not_brought_back_short(
    world: World, repo: DeliveryRepo
) -> None:
    def delete(name: str) -> None:
        if name == "git unpack-objects":
            subprocess.run(["git", "-C", bare(world), "update-ref", "-d", f"refs/heads/{LEDGER}"], check=True)

    door.watcher = delete
    try:
        with pytest.raises(SluicegateError):
            pinning.hold(repo, "auth", "integration", until=None, why="x")
    finally:
        door.watcher = None
    assert [line.split()[1] for line in tips(world)] == [f"refs/heads/{MAIN}"]


def test_43_a_garbage_collection_of_the_server_in_between_loses_nothing(world: World, repo: DeliveryRepo) -> None:
    def collect(name: str) -> None:
        if name == "git update-ref":
            door.watcher = None
            subprocess.run(["git", "-C", bare(world), "gc", "--quiet", "--prune=now"], check=True)

    door.watcher = collect
    try:
        pinning.hold(repo, "auth", "integration", until=None, why="x")
    finally:
        door.watcher = None
    assert repo.state().pins("integration")["auth"].hold is not None
    assert run_git(world, "fsck", "--connectivity-only", "--no-dangling") == ""


TORN = {
    "half": b'{"id": "5c1f", "at": "2026-11-23T09:00:00Z", "what": "ve',
    "a-merge": b"<<<<<<< HEAD",
    "null": b"null",
}


def story_with(world: World, repo: DeliveryRepo, *lines: bytes) -> Story:
    """Put lines before those of a version's story and all of them again, turned round, behind; the story before."""
    path = ledgerfiles.component_path("auth", "1.0.0")
    state = repo.state()
    good = state.ledger_file(path) or b""
    content = b"\n".join([*lines, *reversed(good.splitlines()), good])
    by = git.Signature(name="olle", email="olle@example.com")
    change = git.Edit(branch=LEDGER, base=state.tips[LEDGER], files={path: content})
    repo.store.push((change,), "a bad merge\n", by=by, at=state.now)
    return state.story("auth", "1.0.0")


def test_43_a_line_of_the_ledger_that_a_merge_doubled_or_moved_changes_nothing(
    world: World, repo: DeliveryRepo
) -> None:
    before = story_with(world, repo)
    assert repo.state().story("auth", "1.0.0") == before


@pytest.mark.parametrize("torn", sorted(TORN))
def test_43_nothing_is_decided_on_a_story_with_a_torn_line(world: World, repo: DeliveryRepo, torn: str) -> None:
    story_with(world, repo, TORN[torn])
    before, hosts = tips(world), world.on_host("int")
    acts = (
        lambda: sync(repo, "integration"),
        lambda: deploy(repo, "integration"),
        lambda: promote(repo, {"auth": "1.0.0"}, "staging"),
        lambda: evidence.veto(repo, "auth", "1.0.0", "", lift=False, why="x"),
        lambda: pinning.pin(repo, "auth", "1.0.0", "staging", why="x"),
        lambda: status(repo.state()),
    )
    for act in acts:
        with pytest.raises(IntegrityError, match=r"components/auth/1\.0\.0\.jsonl:1 of the ledger: this line is no"):
            act()
    assert (tips(world), world.on_host("int")) == (before, hosts)


@pytest.mark.parametrize("file", ["newest", "its-own"])
def test_43_nothing_is_deployed_on_a_history_with_a_torn_line(world: World, repo: DeliveryRepo, file: str) -> None:
    state = repo.state()
    path = next(iter(state.annals.chronicle("integration").files))
    content = (state.ledger_file(path) or b"")[:-20] + b"\n"
    by = git.Signature(name="olle", email="olle@example.com")
    if file == "its-own":  # a file beside those that the index knows
        path, content = "environments/integration/2024-01-1.jsonl", TORN["half"] + b"\n"
    change = git.Edit(branch=LEDGER, base=state.tips[LEDGER], files={path: content})
    repo.store.push((change,), "torn\n", by=by, at=state.now)
    before, hosts = tips(world), world.on_host("int")
    for act in (lambda: sync(repo, "integration"), lambda: deploy(repo, "integration")):
        with pytest.raises(IntegrityError, match=rf"{path}:\d+ of the ledger: this line is no record"):
            act()
    assert (tips(world), world.on_host("int")) == (before, hosts)


def test_43_what_should_be_a_file_and_is_a_folder_is_not_taken_for_nothing(world: World, repo: DeliveryRepo) -> None:
    state = repo.state()
    by = git.Signature(name="olle", email="olle@example.com")
    files = {"environments/integration.yaml": None, "environments/integration.yaml/auth": b"1.0.0\n"}
    change = git.Edit(branch=MAIN, base=state.tips[MAIN], files=files)
    repo.store.push((change,), "a folder\n", by=by, at=state.now)
    with pytest.raises(IntegrityError, match=r"'environments/integration.yaml' is a folder, and should be a file"):
        sync(repo, "integration")


# Line 44: what people and merges leave in pin files

BROKEN = {
    "merge-markers": (
        b"auth: 1.0.0\n<<<<<<< HEAD\nportal: 1.0.0\n=======\nportal: 2.0.0\n>>>>>>> theirs\n",
        ":2: a merge",
    ),
    "a-tab": (b"auth: 1.0.0\n\tportal: 1.0.0\n", ":2: a tab"),
    "a-tab-after-the-colon": (b"auth: 1.0.0\nportal:\t{version:\t1.0.0\n", ":"),
    "duplicate-keys": (b"auth: 1.0.0\nportal: 1.0.0\nauth: 2.0.0\n", ":3: the key 'auth' stands twice"),
    "an-alias": (b"auth: &a 1.0.0\nportal: *a\n", ":"),
    "a-python-tag": (b"auth: !!python/object/apply:os.system ['true']\n", ":1: the tag"),
    "an-own-tag": (b"auth: !secret 1.0.0\n", ":1: the tag"),
    "a-merge-key": (b"auth: 1.0.0\n<<: {portal: 2.0.0}\n", ":"),
    "a-list": (b"- auth\n- portal\n", ":1: expected a mapping"),
    "an-empty-version": (b"auth:\nportal: 1.0.0\n", ":1: the version is empty"),
    "an-unknown-component": (b"auth: 1.0.0\nprotal: 1.0.0\n", "no component is called 'protal'"),
    "no-utf8": (b"auth: 1.0.0\nportal: \xff\xfe\n", "not UTF-8 at byte 20"),
    "utf-16": ("auth: 1.0.0\n".encode("utf-16"), "not UTF-8 at byte 0"),
    "a-null-byte": (b"auth: 1.0.0\nportal: 1\x000\n", ":"),
    "an-open-brace": (b"auth: 1.0.0\nportal: {version: 1.0.0\n", ":"),
    "two-documents": (b"auth: 1.0.0\n---\nportal: 1.0.0\n", ":"),
    "a-bomb": (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nauth: *c\n", ":"),
    "deep-nesting": (b"auth: " + b"[" * 100_000, ":1: nested deeper than 50"),
    "deep-nesting-of-lists": (b"- " * 100_000, ":1: nested deeper than 50"),
    "deep-nesting-of-keys": (b"? " * 100_000, ":1: nested deeper than 50"),
    "deep-nesting-below-a-line": (b"auth: 1.0.0\nportal:\n" + b"[" * 100_000, ":3: nested deeper than 50"),
    "deep-nesting-line-by-line": (b"auth:\n" + b" [\n" * 100_000, ":51: nested deeper than 50"),
    "deep-nesting-by-indentation": (b"".join(b" " * n + b"a:\n" for n in range(2000)), ":51: nested deeper than 50"),
    "many-bytes": (b"# " + b"x" * 100_000_000 + b"\nauth: 1.0.0\n", "is more than the 5000000"),
    "a-line-break-in-a-version": (b'auth: "1.0\\n0"\nportal: 1.0.0\n', ":1: the version"),
    "a-hold-that-is-a-text": (b"auth: {version: 1.0.0, hold: yes}\n", ":1: 'hold' must be a mapping"),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_44_a_broken_pin_file_is_a_usage_error_with_its_line(world: World, repo: DeliveryRepo, case: str) -> None:
    content, message = BROKEN[case]
    edit(repo, "environments/integration.yaml", content)
    before, hosts = tips(world), world.on_host("int")
    for act in (lambda: sync(repo, "integration"), lambda: pinning.unpin(repo, "auth", "integration", why="")):
        with pytest.raises(UsageError) as caught:
            act()
        assert "environments/integration.yaml" in caught.value.message
        assert message in caught.value.message
        assert len(caught.value.message) < 1000
    assert tips(world) == before
    assert world.on_host("int") == hosts


KEPT = {
    "crlf": b"# ours\r\nauth: 1.0.0  # why\r\n\r\nportal: 1.0.0\r\n",
    "bom": b"\xef\xbb\xbf# ours\nauth: 1.0.0\nportal: 1.0.0\n",
    "no-last-line-break": b"portal: 1.0.0\nauth: 1.0.0",
    "flow": b"{auth: 1.0.0, portal: 1.0.0}\n",
    "quoted": b'"auth": \'1.0.0\' # a comment\nportal: "1.0.0"\n',
    "block": b"auth:\n  version: 1.0.0\n  hold:\n    why: a fair\n    by: rita\nportal: 1.0.0\n",
    "document-start": b"---\nauth: 1.0.0\nportal: 1.0.0\n",
    "document-end": b"auth: 1.0.0\nportal: 1.0.0\n...\n",
    "a-folded-version": b"auth: >-\n  1.0.0\nportal: 1.0.0\n",
}


@pytest.mark.parametrize("case", sorted(KEPT))
def test_44_an_odd_but_right_pin_file_is_edited_and_reads_back(world: World, repo: DeliveryRepo, case: str) -> None:
    edit(repo, "environments/integration.yaml", KEPT[case])
    world.publish(repo, "portal", "1.1.0")
    pinning.pin(repo, "portal", "1.1.0", "integration", why="")
    content = repo.state().file("environments/integration.yaml") or b""
    pins = read_pins(content, "x.yaml")
    assert {name: pin.version for name, pin in pins.items()} == {"auth": "1.0.0", "portal": "1.1.0"}
    for comment in (b"# ours", b"# why", b"# a comment"):
        assert (comment in content) == (comment in KEPT[case])
    if case == "crlf":
        assert content.count(b"\r\n") == content.count(b"\n")


def test_44_a_shape_that_a_line_cannot_be_taken_out_of_is_left_as_it_is(world: World, repo: DeliveryRepo) -> None:
    edit(repo, "environments/integration.yaml", KEPT["flow"])
    before = tips(world)
    with pytest.raises(UsageError, match="in a shape that cannot be edited"):
        pinning.unpin(repo, "portal", "integration", why="")
    assert tips(world) == before


@pytest.mark.parametrize("case", sorted({*KEPT} - {"flow"}))
def test_44_a_pin_is_taken_out_of_an_odd_file(repo: DeliveryRepo, case: str) -> None:
    edit(repo, "environments/integration.yaml", KEPT[case])
    pinning.unpin(repo, "portal", "integration", why="")
    assert pinned(repo.state(), "integration") == {"auth": "1.0.0"}


def test_44_versions_stay_the_text_that_they_are(repo: DeliveryRepo) -> None:
    content = b"a: 1.10\nb: 12:30\nc: 0x10\nd: 1e3\ne: yes\nf: 2026-11-23\ng: ~\nh: null\ni: 010\n"
    pins = read_pins(content, "x.yaml")
    assert [pin.version for pin in pins.values()] == [
        "1.10",
        "12:30",
        "0x10",
        "1e3",
        "yes",
        "2026-11-23",
        "~",
        "null",
        "010",
    ]


# Line 45: hostile places


@pytest.mark.parametrize(
    "location",
    ["-x", "--upload-pack=touch hurt", "ext::sh -c 'touch hurt'", "fd::17", "transport::address", "-", "::"],
)
def test_45_a_hostile_location_is_refused_and_nothing_runs(tmp_path: Path, location: str) -> None:
    done = sluicegate(location, "status", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["ext::sh -c 'touch %s'", "-u%s", "fd::%s"])
def test_45_a_hostile_origin_of_a_clone_is_refused(world: World, tmp_path: Path, url: str) -> None:
    clone, hurt = tmp_path / "clone", tmp_path / "hurt"
    subprocess.run(["git", "clone", "-q", bare(world), clone], check=True, capture_output=True)
    subprocess.run(["git", "-C", clone, "config", "remote.origin.url", url % hurt], check=True)
    done = sluicegate(clone, "status")
    assert done.returncode in (2, 5), done.stderr
    assert "Traceback" not in done.stderr
    assert not hurt.exists()


@pytest.mark.parametrize(
    "url", ["ssh://-oProxyCommand=touch%20{hurt}/x", "http://127.0.0.1:1/x.git", "git://127.0.0.1:1/x"]
)
def test_45_a_url_that_leads_nowhere_is_remote_and_asks_nothing(tmp_path: Path, url: str) -> None:
    hurt = tmp_path / "hurt"
    done = sluicegate(url.format(hurt=hurt), "status", timeout=60)
    assert done.returncode in (2, 5), done.stderr
    assert "Traceback" not in done.stderr
    assert not hurt.exists()


def test_45_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    done = sluicegate("http://ci:secret-word@127.0.0.1:1/x.git", "status")
    assert done.returncode == 5
    assert "secret-word" not in done.stdout + done.stderr


def test_45_hooks_and_settings_in_a_clone_are_not_run_by_reading_or_writing(world: World, tmp_path: Path) -> None:
    clone, hurt = tmp_path / "clone", tmp_path / "hurt"
    subprocess.run(["git", "clone", "-q", bare(world), clone], check=True, capture_output=True)
    for name in ("post-checkout", "pre-commit", "pre-push", "reference-transaction", "post-index-change"):
        path = clone / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {hurt}\n")
        path.chmod(0o755)
    with Store(str(clone), (MAIN, LEDGER)) as store:
        opened = DeliveryRepo(store, world.drivers, actor=Actor(user="rita", source="test"))
        pinning.hold(opened, "auth", "integration", until=None, why="x")
        assert opened.state().pins("integration")["auth"].hold is not None
    with world.repo() as repo:
        assert repo.state().pins("integration")["auth"].hold is not None
    assert not hurt.exists()


@pytest.mark.parametrize("name", ["-x", "../evil", "a b", "a/b", "a\nb", "é"])
def test_45_a_hostile_name_of_an_environment_is_refused(repo: DeliveryRepo, name: str) -> None:
    with pytest.raises(UsageError):
        pinning.hold(repo, "auth", name, until=None, why="x")
    with pytest.raises(UsageError):
        pinning.hold(repo, name, "integration", until=None, why="x")


# The process' surroundings


BARE_SURROUNDINGS = {
    "no-home": {"HOME": None, "XDG_CACHE_HOME": None},
    "an-empty-home": {"HOME": ""},
    "plain-c": {"LANG": "C", "LC_ALL": "C"},
    "no-terminal": {"TERM": None},
}


@pytest.mark.parametrize("case", sorted(BARE_SURROUNDINGS))
def test_42_commands_work_in_bare_surroundings(world: World, tmp_path: Path, case: str) -> None:
    env = {name: value for name, value in os.environ.items() if name not in BARE_SURROUNDINGS[case]}
    env |= {name: value for name, value in BARE_SURROUNDINGS[case].items() if value is not None}
    env |= {"GIT_COMMITTER_NAME": "Åsa", "GIT_COMMITTER_EMAIL": "asa@example.com", "TMPDIR": str(tmp_path)}
    for words in (["hold", "auth", "--in", "integration", "--why", "für Åsa"], ["status"], ["history"]):
        done = subprocess.run(
            [sys.executable, "-m", "sluicegate", "-C", str(bare(world)), *words],
            env=env, capture_output=True, check=False, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
    with world.repo() as repo:
        hold = repo.state().pins("integration")["auth"].hold
        assert hold is not None
        assert hold.by == "Åsa"
        assert hold.why == "für Åsa"


def test_42_an_open_umask_leaves_no_file_that_others_may_write(world: World, tmp_path: Path) -> None:
    script = (
        "import os, sys; os.umask(0); from sluicegate.cli.main import run;"
        f" sys.exit(run(['-C', {str(bare(world))!r}, 'hold', 'auth', '--in', 'integration']))"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
    cached_files = [*(tmp_path / "cache").rglob("*")]
    assert cached_files
    assert [p for p in cached_files if p.is_file() and stat.S_IMODE(p.stat().st_mode) & 0o022] == []
    assert stat.S_IMODE((tmp_path / "cache" / "sluicegate").stat().st_mode) == 0o700


def test_45_a_cache_folder_that_somebody_else_laid_out_is_refused(
    repo: DeliveryRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("TMPDIR", raising=False)
    owner = os.getuid() + 4711
    try:
        with monkeypatch.context() as patch:
            patch.setattr("os.getuid", lambda: owner)
            with pytest.raises(UsageError, match="somebody else's"):
                pinning.hold(repo, "auth", "integration", until=None, why="x")
    finally:
        Path(f"/tmp/sluicegate-cache-{owner}").rmdir()


def test_44_an_argument_that_is_no_text_is_a_usage_error(world: World) -> None:
    words = [sys.executable, "-m", "sluicegate", "-C", str(bare(world)), "hold", "auth", "--in", "integration"]
    done = subprocess.run([*map(os.fsencode, words), b"--why", b"f\xfcr"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not UTF-8" in done.stderr


def test_42_a_closed_stdout_ends_a_command_without_a_traceback(world: World) -> None:
    words = f"exec {sys.executable} -m sluicegate -C {bare(world)}"
    for command in ("status", "history", "status --json", "--help", "--version"):
        done = subprocess.run(["sh", "-c", f"{words} {command} >&-"], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, command
        assert "Exception ignored" not in done.stderr, command


HANGING_SYNC = """
import pickle, sys, time
from pathlib import Path
from sluicegate import wiring
from sluicegate.cli.start import main
from sluicegate.tools import door
from tests.worlds import PassingDrivers

place, outside, hangs = sys.argv[1:]
drivers = PassingDrivers()
hosts, drivers.releases.files = pickle.loads(Path(outside).read_bytes())
for name, files in hosts.items():
    drivers.hosts[name].files = files

def hang(name):
    if name == "FakeDeployer install":
        Path(hangs).touch()
        time.sleep(60)

wiring.EntryPointDrivers = lambda: drivers
door.watcher = hang
sys.argv = ["sluicegate", "-C", place, "sync", "integration"]
main()
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_48_an_interrupted_sync_says_so_and_can_be_resumed(world: World, tmp_path: Path, name: str, code: int) -> None:
    """The deployer hangs; the signal comes; then `resume` finishes it."""
    with world.repo() as repo:
        world.publish(repo, "auth", "2.0.0")
    hangs, outside = tmp_path / "hangs", tmp_path / "outside"
    hosts = {host: fake.files for host, fake in world.drivers.hosts.items()}
    outside.write_bytes(pickle.dumps((hosts, world.drivers.releases.files)))
    words = [sys.executable, "-c", HANGING_SYNC, str(bare(world)), str(outside), str(hangs)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(hangs)
        process.send_signal(getattr(signal, name))
        _, output = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == code, output
    assert "Traceback" not in output
    assert "sluicegate: interrupted\n  try: sluicegate resume" in output
    with world.repo() as repo:
        assert [resumed.outcome for resumed in resume(repo)] == ["finished"]
        check_consistent(world, repo.state())
        assert world.on_host("int")["auth"] == "2.0.0"
