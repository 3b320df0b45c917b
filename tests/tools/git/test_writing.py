"""Commits that are put together here are what Git would have made, and branches are moved as a push moves them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.errors import Conflict, SluicegateError
from sluicegate.tools import door
from sluicegate.tools.git import Beaten, Edit, Signature, Store

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
OLLE = Signature(name="olle", email="olle@example.com")
FILES: dict[str, bytes | None] = {"a": b"1", "a.b": b"2", "a-b/c": b"3", "a0/x/y": b"4", "ünï/ç d": b"", "z": b"\0\n"}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def listed(folder: Path, commit: str) -> dict[str, bytes]:
    """Path -> content of a commit, as Git lists it."""
    lines = subprocess.run(
        ["git", "-C", folder, "ls-tree", "-r", "-z", commit], capture_output=True, check=True
    ).stdout.split(b"\0")
    contents = {}
    for head, _, path in (line.partition(b"\t") for line in lines if line):
        blob = head.split()[2].decode()
        content = subprocess.run(["git", "-C", folder, "cat-file", "blob", blob], capture_output=True, check=True)
        contents[path.decode()] = content.stdout
    return contents


@pytest.fixture(params=["sha1", "sha256"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "bare"
    git(tmp_path, "init", "-q", "--bare", f"--object-format={request.param}", str(folder))
    return folder


@pytest.fixture
def store(bare: Path) -> Iterator[Store]:
    with Store(str(bare), ("main", "ledger")) as opened:
        yield opened


def commit(store: Store, files: dict[str, bytes | None], message: str = "x\n") -> str:
    tips = store.tips()
    edits = (Edit(branch="main", base=tips["main"], files=files), Edit(branch="ledger", base=tips["ledger"], files={}))
    return store.push(edits, message, by=OLLE, at=AT)["main"]


def test_files_are_set_and_removed_and_folders_come_and_go(store: Store, bare: Path) -> None:
    commit(store, dict(FILES))
    assert listed(bare, "main") == FILES
    commit(store, {"a": None, "a/b": b"now a folder", "a-b/c": None, "a0/x/y": None, "a0/x/z/w": b"5", "gone/x": None})
    assert listed(bare, "main") == {
        "a/b": b"now a folder", "a.b": b"2", "a0/x/z/w": b"5", "ünï/ç d": b"", "z": b"\0\n",
    }  # fmt: skip
    commit(store, dict.fromkeys(listed(bare, "main")) | {"left": b""})
    assert listed(bare, "main") == {"left": b""}
    assert git(bare, "fsck", "--strict", "--no-dangling") == ""


names = st.text(alphabet="ab.-0", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.dictionaries(paths, st.binary(max_size=5), min_size=1, max_size=6))
def test_a_tree_has_the_id_that_git_gives_it(tmp_path: Path, files: dict[str, bytes]) -> None:
    whole = {p: c for p, c in files.items() if not any(path.startswith(f"{p}/") for path in files)}
    folder = tmp_path / "hypothesis"
    if not folder.exists():
        git(tmp_path, "init", "-q", "--bare", str(folder))
    with Store(str(folder), ("main", "ledger")) as store:
        tips = store.tips()
        old = dict.fromkeys(listed(folder, "main") if tips["main"] else {}, None)
        commit(store, {**old, **whole})
    lines = b"".join(b"%s\n" % path.encode() for path in whole)
    assert git(folder, "ls-tree", "-r", "--name-only", "main").encode().split() == sorted(lines.split())
    index = tmp_path / "index"
    index.unlink(missing_ok=True)
    for path, content in whole.items():
        blob = subprocess.run(
            ["git", "-C", folder, "hash-object", "--stdin"], input=content, capture_output=True, check=True
        ).stdout.decode()
        subprocess.run(
            ["git", "-C", folder, "update-index", "--add", "--cacheinfo", f"100644,{blob.strip()},{path}"],
            env={"GIT_INDEX_FILE": str(index), "PATH": "/usr/bin:/bin"}, check=True,
        )  # fmt: skip
    tree = subprocess.run(
        ["git", "-C", folder, "write-tree"], env={"GIT_INDEX_FILE": str(index), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert git(folder, "rev-parse", "main^{tree}") == tree.stdout.strip()


def test_other_modes_and_entries_stay(store: Store, bare: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "init", "-q", f"--object-format={git(bare, 'rev-parse', '--show-object-format')}", str(work))
    (work / "run").write_text("#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("run")
    git(work, "add", "-A")
    git(work, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "x")
    git(work, "push", "-q", str(bare), "HEAD:main", "HEAD:ledger")
    commit(store, {"new": b"1"})
    assert [line.split()[0] for line in git(bare, "ls-tree", "main").splitlines()] == ["120000", "100644", "100755"]


def test_many_files_are_one_pack_and_few_are_none(store: Store, bare: Path) -> None:
    commit(store, {f"f{number}": b"%d" % number for number in range(300)})
    assert len(list((bare / "objects" / "pack").glob("*.pack"))) == 1
    commit(store, {"one": b"more"})
    assert len(list((bare / "objects" / "pack").glob("*.pack"))) == 1
    assert len(listed(bare, "main")) == 301


def test_whoever_is_called_oddly_can_write(bare: Path, store: Store) -> None:
    edit = Edit(branch="main", base="", files={"a": b""})
    store.push([edit], "x\n", by=Signature(name="A <b>\nc", email="x>y"), at=AT)
    assert git(bare, "log", "-1", "--format=%an|%ae", "main") == "A bc|xy"
    assert git(bare, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize("path", ["../x", "a//b", "/a", ".git/config", "a/.GIT/hooks/x", "a/./b", "a\0b", ""])
def test_a_path_that_no_tree_may_have_is_refused(store: Store, path: str) -> None:
    with pytest.raises(SluicegateError, match="cannot be called"):
        commit(store, {path: b""})
    assert store.tips()["main"] == ""


# how the branches are moved


def moving(store: Store) -> str:
    """The Git that moves the branches of a change."""
    names: list[str] = []
    door.watcher = names.append
    try:
        commit(store, {"moved": store.tips()["main"].encode()})
    finally:
        door.watcher = None
    (name,) = {"git push", "git update-ref"} & set(names)
    return name


def hooked(bare: Path, name: str) -> None:
    hook = bare / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)


def test_a_bare_repository_that_nobody_watches_needs_no_push(store: Store) -> None:
    assert moving(store) == moving(store) == "git update-ref"


@pytest.mark.parametrize("name", ["pre-receive", "update", "proc-receive", "post-receive", "post-update"])
def test_a_hook_sees_every_push(bare: Path, name: str) -> None:
    with Store(str(bare), ("main", "ledger")) as store:
        commit(store, {"first": b""})
        commit(store, {"second": b""})
    if name == "proc-receive":
        hooked(bare, "pre-receive")
    hooked(bare, name)
    with Store(str(bare), ("main", "ledger")) as store:
        assert moving(store) == "git push"


@pytest.mark.parametrize("setting", ["receive.fsckObjects", "transfer.hideRefs", "core.hooksPath", "core.bare"])
def test_what_is_set_for_pushes_is_heeded(bare: Path, tmp_path: Path, setting: str) -> None:
    with Store(str(bare), ("main", "ledger")) as store:
        commit(store, {"first": b""})
    if setting == "core.hooksPath":
        hooked(tmp_path, "pre-receive")
    value = {"transfer.hideRefs": "refs/x", "core.hooksPath": str(tmp_path / "hooks"), "core.bare": "false"}
    git(bare, "config", setting, value.get(setting, "true"))
    git(bare, "config", "receive.denyCurrentBranch", "ignore")
    with Store(str(bare), ("main", "ledger")) as store:
        assert moving(store) == "git push"


@pytest.mark.parametrize("bare", ["sha1"], indirect=True)  # Git clones no SHA-256 into a mirror of SHA-1
def test_a_clone_and_a_folder_beside_the_repository_push(bare: Path, tmp_path: Path) -> None:
    with Store(str(bare), ("main", "ledger")) as store:
        tips = store.tips()
        edits = [Edit(branch=name, base=tips[name], files={"a": b""}) for name in ("main", "ledger")]
        store.push(edits, "x\n", by=OLLE, at=AT)
    with Store(f"file://{bare}", ("main", "ledger"), cache=tmp_path / "cache") as store:
        assert moving(store) == "git push"
    git(bare, "worktree", "add", "-q", "--detach", str(tmp_path / "beside"), "main")
    with Store(str(bare), ("main", "ledger")) as store:
        assert moving(store) == "git push"


@pytest.mark.parametrize("branch", ["main", "ledger"])
def test_who_is_not_first_is_beaten_on_each_branch(store: Store, bare: Path, branch: str) -> None:
    first = {name: store.tips()[name] for name in ("main", "ledger")}
    edits = tuple(Edit(branch=name, base=first[name], files={"a": b"1"}) for name in first)
    store.push(edits, "first\n", by=OLLE, at=AT)
    tips = store.tips()
    with Store(str(bare), ("main", "ledger")) as other_store:
        other_store.push([Edit(branch=branch, base=tips[branch], files={"b": b""})], "other\n", by=OLLE, at=AT)
    now = store.tips()
    late = (
        Edit(branch="main", base=tips["main"], files={"c": b""}),
        Edit(branch="ledger", base=tips["ledger"], files={} if branch == "ledger" else {"c": b""}),
    )
    with pytest.raises(Beaten):
        store.push(late, "late\n", by=OLLE, at=AT)
    assert store.tips() == now


def test_what_a_collection_took_away_in_between_is_made_again(store: Store, bare: Path) -> None:
    commit(store, {"first": b""})

    def collect(name: str) -> None:
        if name == "git update-ref":
            git(bare, "gc", "--quiet", "--prune=now")

    door.watcher = collect
    try:
        with pytest.raises(Conflict):
            commit(store, {"second": b""})
    finally:
        door.watcher = None
    commit(store, {"second": b""})
    assert set(listed(bare, "main")) == {"first", "second"}
