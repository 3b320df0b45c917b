"""History that is taken away is a conflict, never news."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluicegate.delivery.answers.check import rewinding
from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict, IntegrityError
from sluicegate.model.values import Actor
from sluicegate.tools.git import Edit, Store, init_store
from tests.worlds import Shop


def git(shop: Shop, *words: str) -> str:
    return subprocess.run(["git", "-C", shop.bare, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def vetoed(shop: Shop) -> Shop:
    shop.publish("auth", "1.0.0")
    shop.veto("auth", "1.0.0")
    return shop


def test_a_veto_that_was_pushed_away_is_missed_by_a_machine_that_saw_it(vetoed: Shop) -> None:
    veto = vetoed.tips["ledger"]
    git(vetoed, "update-ref", "refs/heads/ledger", "ledger~1")
    with pytest.raises(Conflict, match=veto):
        vetoed.state  # noqa: B018


def test_what_a_machine_pushed_itself_is_missed_though_it_did_not_look_since(vetoed: Shop) -> None:
    before = {branch: git(vetoed, "rev-parse", branch) for branch in ("main", "ledger")}
    pinning.pin(vetoed.by("rita"), "auth", "1.0.0", "training", why="")
    for branch, commit in before.items():
        git(vetoed, "update-ref", f"refs/heads/{branch}", commit)
    with pytest.raises(Conflict, match="rewound"):
        vetoed.state  # noqa: B018


@pytest.mark.parametrize("content", ["", "0" * 40 + "\n", "torn"])
@pytest.mark.parametrize("branch", ["main", "ledger"])
def test_a_branch_that_a_power_cut_left_torn_is_damaged_and_not_missing(
    vetoed: Shop, branch: str, content: str
) -> None:
    (vetoed.bare / "refs" / "heads").mkdir(exist_ok=True, parents=True)
    (vetoed.bare / "refs" / "heads" / branch).write_text(content)
    with pytest.raises(IntegrityError, match=f"the tip of '{branch}'"):
        vetoed.state  # noqa: B018


def test_a_clone_that_saw_it_misses_it_too(vetoed: Shop, tmp_path: Path) -> None:
    def far() -> dict[str, str]:
        repo = vetoed.opened_by(Actor(user="olle", source="far"), f"file://{vetoed.bare}", tmp_path / "cache")
        with repo.store:
            return repo.store.tips()

    veto = far()["ledger"]
    for _ in range(3):
        vetoed.publish("portal", f"1.0.{_}")
    assert far()["ledger"] != veto
    git(vetoed, "update-ref", "refs/heads/ledger", f"{veto}~1")
    with pytest.raises(Conflict, match="rewound"):
        far()


def test_a_fresh_clone_misses_what_a_pin_was_decided_on(
    vetoed: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetoed.publish("auth", "1.1.0")
    vetoed.sync("integration")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresh"))
    git(vetoed, "update-ref", "refs/heads/ledger", f"{vetoed.tips['ledger']}~6")
    repo = vetoed.opened_by(Actor(user="olle", source="far"), f"file://{vetoed.bare}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresher"))
    with repo.store, pytest.raises(Conflict, match="was decided on it"):
        repo.store.tips()


def test_history_that_goes_on_is_followed_through_a_shallow_clone(vetoed: Shop, tmp_path: Path) -> None:
    repo = vetoed.opened_by(Actor(user="olle", source="far"), f"file://{vetoed.bare}", tmp_path / "cache")
    with repo.store:
        for number in range(5):
            vetoed.publish("portal", f"1.0.{number}")
            vetoed.sync("integration")
            assert repo.store.tips() == vetoed.tips


def test_a_new_repository_refuses_to_be_rewound(shop: Shop, tmp_path: Path) -> None:
    init_store(tmp_path / "new.git", bare=True, branch="main")
    git(shop, "push", "--quiet", str(tmp_path / "new.git"), "main")
    for refspec in ("+ledger:main", ":main"):
        done = subprocess.run(
            ["git", "-C", shop.bare, "push", tmp_path / "new.git", refspec], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "rejected" in done.stderr


def test_check_names_a_repository_that_can_be_rewound_and_how_to_forbid_it(shop: Shop) -> None:
    store = shop.by("reader").store
    assert rewinding(store) == ""
    git(shop, "config", "receive.denyDeletes", "false")
    assert rewinding(store).endswith(f"forbid it: git -C {shop.bare} config receive.denyDeletes true")


def test_check_says_that_it_cannot_know_it_of_a_repository_elsewhere(shop: Shop, tmp_path: Path) -> None:
    far = shop.opened_by(Actor(user="olle", source="far"), f"file://{shop.bare}", tmp_path / "cache")
    with far.store:
        assert "cannot be known from here" in rewinding(far.store)


def test_a_repository_that_was_seen_empty_may_be_begun(tmp_path: Path) -> None:
    init_store(tmp_path / "book.git", bare=True, branch="main")
    place = str(tmp_path / "book.git")
    with Store(place, ("main", "ledger")) as store:
        assert set(store.tips().values()) == {""}
        edits = [Edit(branch=branch, base="", files={"file": b"1"}) for branch in ("main", "ledger")]
        store.push(edits, "first\n", by=store.signature, at=datetime.now(UTC))
        assert all(store.tips().values())
