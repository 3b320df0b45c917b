"""The tips that this machine saw: history that was there before and is gone is a conflict, not news."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from sluicegate.errors import Conflict
from sluicegate.tools import cached
from sluicegate.tools.git.commits import LEDGER_BASE, LEDGER_BEFORE, Commit
from sluicegate.tools.git.place import cache_name, cache_path


class History(Protocol):
    """What is asked of the store whose tips they are."""

    remote: str
    branches: tuple[str, ...]

    @property
    def shown(self) -> str: ...

    def commit(self, commit: str) -> Commit: ...

    def descends(self, commit: str, ancestor: str) -> bool: ...


def refuse_rewound(store: History, tips: Mapping[str, str]) -> None:
    """Raise Conflict when a branch has lost what it had on the last visit, or what a commit of main was decided on."""
    path = memory_path(store.remote)
    before = remembered(path)
    if before == tips:
        return
    for branch, commit in before.items():
        now = tips.get(branch, "")
        if now and commit != now and commit not in store.commit(now).parents and not store.descends(now, commit):
            raise _rewound(store, branch, commit, f"this machine saw it there; if that was meant: rm {path}")
    _refuse_unknown_base(store, tips)
    remember(path, tips)


def _refuse_unknown_base(store: History, tips: Mapping[str, str]) -> None:
    """What a fresh clone can notice: main names the ledger's commit that it was decided on."""
    if len(store.branches) < 2 or not all(tips.get(branch) for branch in store.branches):
        return
    main, ledger = (tips[branch] for branch in store.branches)
    names = store.commit(main).trailers
    base = names.get(LEDGER_BASE, "")
    if names.get(LEDGER_BEFORE, "") == ledger:  # a push of several changes was cut in half: see halves.py
        return
    if base and base != ledger and base not in store.commit(ledger).parents and not store.descends(ledger, base):
        raise _rewound(
            store, store.branches[1], base, f"the commit {main[:12]} of {store.branches[0]} was decided on it"
        )


def _rewound(store: History, branch: str, commit: str, why: str) -> Conflict:
    return Conflict(
        f"the history of '{branch}' in {store.shown} was rewound: the commit {commit} is not in it any more ({why})",
        hint=f"put it back from a clone that has it: git push {store.shown} {commit}:refs/heads/{branch}",
    )


def memory_path(remote: str) -> Path:
    """Where the tips of a repository are remembered."""
    return cache_path() / f"{cache_name(remote)}.seen"


def remembered(path: Path) -> dict[str, str]:
    """Branch -> commit as seen last; empty on the first visit, and where the cache is somebody else's."""
    pairs = (line.partition(" ") for line in cached.read(path).decode("utf-8", "replace").splitlines())
    return {branch: commit for branch, _, commit in pairs if commit}  # what was empty then may be anything now


def made(remote: str, moved: Mapping[str, str]) -> None:
    """Note what we have pushed: whoever takes it away before we look again is noticed too."""
    path = memory_path(remote)
    remember(path, {**remembered(path), **moved})


def remember(path: Path, tips: Mapping[str, str]) -> None:
    """Note what was seen. A cache that cannot be written notices less, and stops nobody."""
    cached.write(path, "".join(f"{branch} {commit}\n" for branch, commit in tips.items()).encode())
