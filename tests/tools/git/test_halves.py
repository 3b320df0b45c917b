"""A push that was killed between its two branches is completed by whoever comes next."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict, IntegrityError
from sluicegate.model.values import Actor
from sluicegate.tools.git.place import cache_path
from tests.worlds import Shop


def git(shop: Shop, *words: str) -> str:
    return subprocess.run(["git", "-C", shop.bare, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def cut(shop: Shop) -> Shop:
    """auth 1.0.0 was pinned, and then 2.0.0: a test takes one half of the second change away."""
    shop.publish("auth", "1.0.0")
    shop.publish("auth", "2.0.0")
    for version in ("1.0.0", "2.0.0"):
        pinning.pin(shop.by("rita"), "auth", version, "integration", why="")
    return shop


def take_back(shop: Shop, branch: str) -> None:
    """As if the push had been killed in between: nobody has seen both halves."""
    git(shop, "update-ref", f"refs/heads/{branch}", f"{branch}~1")
    for seen in cache_path().glob("*.seen"):
        seen.unlink()


def pinned_records(shop: Shop, version: str) -> int:
    return len(shop.story("auth", version, "pinned"))


def test_main_that_stayed_behind_is_brought_to_what_the_ledger_tells(cut: Shop) -> None:
    take_back(cut, "main")
    assert cut.pins("integration") == {"auth": "1.0.0"}
    cut.veto("auth", "1.0.0")
    assert cut.pins("integration") == {"auth": "2.0.0"}
    assert pinned_records(cut, "2.0.0") == 1


def test_the_ledger_names_the_new_commit_of_main_and_is_else_as_it_was(cut: Shop) -> None:
    tree = git(cut, "rev-parse", "ledger^{tree}")
    take_back(cut, "main")
    cut.edited("jobs/note.yaml", "by: hand\n")
    cut.publish("portal", "1.0.0")
    completed = git(cut, "log", "--format=%H", "--grep", "is its half", "ledger")
    assert git(cut, "rev-parse", f"{completed}^{{tree}}") == tree
    named = git(cut, "show", "--no-patch", "--format=%(trailers:key=Main-Commit,valueonly)", completed)
    assert git(cut, "show", f"{named}:environments/integration.yaml").endswith("\nauth: 2.0.0")
    assert git(cut, "for-each-ref", "refs/sluicegate") == ""


def test_a_ledger_that_stayed_behind_gets_the_records_of_the_change(cut: Shop) -> None:
    record_lines = git(cut, "show", "ledger:components/auth/2.0.0.jsonl")
    take_back(cut, "ledger")
    cut.veto("auth", "1.0.0")
    assert git(cut, "show", "ledger:components/auth/2.0.0.jsonl") == record_lines
    assert cut.pins("integration") == {"auth": "2.0.0"}


def test_what_was_committed_by_hand_after_the_cut_stays(cut: Shop) -> None:
    take_back(cut, "main")
    cut.edited("jobs/note.yaml", "by: hand\n")
    cut.veto("auth", "1.0.0")
    assert cut.pins("integration") == {"auth": "2.0.0"}
    assert git(cut, "show", "main:jobs/note.yaml") == "by: hand"


def test_a_pin_that_somebody_moved_by_hand_after_the_cut_is_theirs(cut: Shop) -> None:
    take_back(cut, "main")
    cut.edited("environments/integration.yaml", "auth: 1.0.0  # stays for now\n")
    cut.veto("auth", "1.0.0")
    assert cut.pins("integration") == {"auth": "1.0.0"}


def test_commits_by_hand_alone_are_no_half(cut: Shop) -> None:
    cut.edited("jobs/note.yaml", "by: hand\n")
    ledger = git(cut, "rev-parse", "ledger")
    cut.veto("auth", "1.0.0")
    assert git(cut, "rev-parse", "ledger~1") == ledger


@pytest.mark.parametrize("branch", ["main", "ledger"])
def test_a_clone_by_url_completes_it_too(cut: Shop, tmp_path: Path, branch: str) -> None:
    take_back(cut, branch)
    far = cut.opened_by(Actor(user="olle", source="far"), f"file://{cut.bare}", tmp_path / "cache")
    with far.store:
        pinning.pin(far, "auth", "1.0.0", "integration", why="")
    assert pinned_records(cut, "2.0.0") == 1
    assert [r.what for r in cut.story("auth", "1.0.0")][-1] == "pinned"
    assert git(cut, "log", "--format=%s", "-3", "main").splitlines()[1].startswith("pin auth=2.0.0")


def test_a_half_that_nobody_has_is_an_integrity_error_that_names_it(cut: Shop) -> None:
    tree = git(cut, "rev-parse", "ledger^{tree}")
    take_back(cut, "ledger")
    (cut.bare / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(IntegrityError, match=tree) as caught:
        cut.veto("auth", "1.0.0")
    work = cut.root / "work"
    subprocess.run(["git", "clone", "-q", "-b", "main", cut.bare, work], check=True)
    subprocess.run(["git", "-C", work, *caught.value.hint.split("git ")[1].split(), "--no-edit"], check=True)
    subprocess.run(["git", "-C", work, "push", "-q"], check=True)
    cut.veto("auth", "1.0.0")
    assert cut.pins("integration") == {"auth": "1.0.0"}


@pytest.mark.parametrize("way", ["a tree", "a chain", "a chain beside it", "a name of a branch"])
def test_what_a_commit_of_main_names_takes_nothing_from_the_ledger(cut: Shop, way: str) -> None:
    """Whoever may push to main alone, past no hook of the ledger's, writes any message."""
    cut.veto("auth", "1.0.0")
    ledger, earlier = git(cut, "rev-parse", "ledger"), git(cut, "rev-parse", "ledger~1")
    tree = git(cut, "rev-parse", "ledger~1^{tree}")
    beside = git(cut, "commit-tree", tree, "-p", ledger, "-m", "without the veto")
    git(cut, "branch", "aside", beside)
    names = {
        "a tree": f"Ledger-Base: {ledger}\nLedger-Tree: {tree}",
        "a chain": f"Ledger-Base: {earlier}\nLedger-Before: {ledger}",
        "a chain beside it": f"Ledger-Base: {beside}\nLedger-Before: {ledger}",
        "a name of a branch": f"Ledger-Base: refs/heads/aside\nLedger-Before: {ledger}",
    }[way]
    forged = git(cut, "commit-tree", "main^{tree}", "-p", "main", "-m", f"Harmless\n\n{names}")
    git(cut, "update-ref", "refs/heads/main", forged)
    try:
        cut.publish("portal", "1.0.0")
    except Conflict:  # what it names is not in the ledger
        assert way == "a chain beside it"
    assert cut.by("olle").store.git("show", "ledger:components/auth/1.0.0.jsonl").text.count('"what": "veto"') == 1
