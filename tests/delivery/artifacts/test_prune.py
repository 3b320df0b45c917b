"""What a retention rule removes, and what it never does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from sluicegate.delivery.answers.history import history
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.artifacts.prune import Retention, prune, retention
from sluicegate.delivery.book import resolving
from sluicegate.delivery.moves.pinning import hold, pin
from sluicegate.errors import IntegrityError, PartlyDone, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Component
from tests.worlds import TWO_REPOSITORIES, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop.opened(tmp_path, TWO_REPOSITORIES)) as opened:
        for number in range(8):
            opened.publish_file("auth", f"1.{number}.0")
        yield opened


def rule(shop: Shop, keep: int = 1, window: int = 1) -> Retention:
    return retention(shop.state, "auth", keep=keep, window=window)


def test_the_newest_stay_and_the_rest_goes(shop: Shop) -> None:
    assert rule(shop, keep=3).goes == ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0")


def test_the_order_is_the_components_not_the_texts(shop: Shop) -> None:
    shop.publish_file("auth", "1.10.0")
    assert "1.10.0" in rule(shop).stays
    assert "1.7.0" in rule(shop).goes


def test_prereleases_do_not_push_out_the_last_finished_version(shop: Shop) -> None:
    for number in range(3):
        shop.publish_file("auth", f"2.0.0-rc.{number}")
    ruled = rule(shop, keep=2)
    assert sorted(ruled.stays) == ["1.6.0", "1.7.0", "2.0.0-rc.1", "2.0.0-rc.2"]


def test_what_is_pinned_or_held_stays_even_when_nothing_runs(shop: Shop) -> None:
    pin(shop.repo, "auth", "1.1.0", "integration", why="")
    pin(shop.repo, "auth", "1.2.0", "staging", why="")
    hold(shop.repo, "auth", "staging", until=date(2099, 1, 1), why="")
    ruled = rule(shop)
    assert ruled.stays["1.1.0"] == ("pinned in integration",)
    assert "held in staging" in ruled.stays["1.2.0"]


def test_what_runs_stays_although_another_is_pinned(shop: Shop) -> None:
    shop.run("integration", {"auth": "1.1.0"})
    pin(shop.repo, "auth", "1.3.0", "integration", why="")
    assert "runs on int" in rule(shop).stays["1.1.0"]


def test_the_group_that_was_swapped_out_is_warm_and_keeps_its_versions(shop: Shop) -> None:
    shop.run("integration", {"auth": "1.1.0"})
    shop.run("integration", {"auth": "1.2.0"})
    shop.run("integration", {"auth": "1.3.0"})
    shop.run("staging", {"auth": "1.1.0"})
    shop.swap()
    shop.run("staging", {"auth": "1.2.0"})
    shop.swap()
    ruled = rule(shop)
    assert "runs on green" in ruled.stays["1.1.0"] or "runs on blue" in ruled.stays["1.1.0"]
    assert "in production before the last swap" in ruled.stays["1.1.0"]
    assert "pinned in production" in ruled.stays["1.2.0"]
    assert "1.0.0" in ruled.goes


def test_the_rollback_window_counts_sets_of_each_environment(shop: Shop) -> None:
    for number in range(6):
        shop.run("integration", {"auth": f"1.{number}.0"})
    assert rule(shop, window=3).goes == ("1.0.0", "1.1.0", "1.2.0", "1.6.0")
    assert rule(shop, window=6).goes == ("1.6.0",)


def test_a_pruned_version_is_gone_for_everybody(shop: Shop) -> None:
    kept = {key for key in shop.releases.files if key[1] in ("1.6.0", "1.7.0")}
    pruned = prune(shop.repo, "auth", 2)
    assert pruned.goes == tuple(f"1.{number}.0" for number in range(6))
    assert set(shop.releases.files) == kept
    assert shop.releases.announced["auth"] == ("1.6.0", "1.7.0")
    state = shop.state
    assert state.versions("auth") == ["1.6.0", "1.7.0"]
    assert status(state).newest["auth"] == "1.7.0"
    for spec in ("1.0.0", "commit:10000"):
        with pytest.raises(UsageError):
            resolving.resolve(state, "auth", spec)
    with pytest.raises(UsageError, match="was pruned by olle"):
        resolving.resolve(state, "auth", "1.0.0")
    with pytest.raises(UsageError, match="was pruned"):
        pin(shop.repo, "auth", "1.0.0", "integration", why="")
    assert {entry.subject for entry in history(state, "auth") if entry.record.what == "pruned"} == {
        f"auth={version}" for version in pruned.goes
    }


def test_a_pruned_version_never_comes_back_as_another(shop: Shop) -> None:
    prune(shop.repo, "auth", 2)
    for content in (b"", b"other"):
        with pytest.raises(UsageError, match="was pruned"):
            shop.publish_file("auth", "1.0.0", content)
    assert not [key for key in shop.releases.files if key[1] == "1.0.0"]


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    before, tips = dict(shop.releases.files), shop.tips
    assert len(prune(shop.repo, "auth", 2, dry_run=True).goes) == 6
    assert shop.releases.files == before
    assert shop.tips == tips


def test_twice_is_once(shop: Shop) -> None:
    prune(shop.repo, "auth", 2)
    tips = shop.tips
    assert prune(shop.repo, "auth", 2).goes == ()
    assert shop.tips == tips


def test_what_broke_off_is_finished_by_the_next_call(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = shop.releases.remove, ["1.0.0", "1.1.0"]

    def remove(component: Component, version: str) -> None:
        if version not in left:
            raise RemoteUnavailable("the line is cut")
        real(component, version)

    monkeypatch.setattr(shop.releases, "remove", remove)
    with pytest.raises(PartlyDone, match=r"removed: 1.0.0\n  removed: 1.1.0\n  pruned, and its files are left: 1.2.0"):
        prune(shop.repo, "auth", 2)
    assert rule(shop).left == ("1.2.0", "1.3.0", "1.4.0", "1.5.0")
    assert shop.state.versions("auth") == ["1.6.0", "1.7.0"]
    monkeypatch.undo()
    assert prune(shop.repo, "auth", 2).left == ("1.2.0", "1.3.0", "1.4.0", "1.5.0")
    assert {key[1] for key in shop.releases.files} == {"1.6.0", "1.7.0"}


def test_nothing_is_pruned_of_a_repository_that_is_not_there(shop: Shop) -> None:
    kept, tips = dict(shop.releases.files), shop.tips
    shop.releases.down = True
    with pytest.raises(RemoteUnavailable):
        prune(shop.repo, "auth", 2)
    shop.releases.down = False
    shop.releases.files.clear()  # an empty mount point
    with pytest.raises(IntegrityError, match=r"has lost auth-1\.7\.0-manifest"):
        prune(shop.repo, "auth", 2)
    shop.releases.files.update(kept)
    assert shop.tips == tips
    prune(shop.repo, "auth", 2)
    assert {key[1] for key in shop.releases.files} == {"1.6.0", "1.7.0"}


def test_keeping_nothing_is_a_usage_error(shop: Shop) -> None:
    with pytest.raises(SluicegateError, match="at least 1"):
        prune(shop.repo, "auth", 0)


def test_what_an_open_command_brings_or_leaves_stays(shop: Shop) -> None:
    """Whoever resumes it needs the files, of where it goes and of where it came from."""
    shop.begin("staging", "deploy", group="blue", target={"auth": "1.0.0"})
    shop.begin("production", "swap", before={"auth": "1.1.0"}, pins={"auth": "1.2.0"})
    stays = rule(shop).stays
    assert [version for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0") if version in stays] == [
        "1.0.0",
        "1.1.0",
        "1.2.0",
    ]
    assert stays["1.0.0"] == ("part of what goes on in staging",)


def test_what_a_repository_says_it_removed_and_kept_is_not_recorded_as_gone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.releases, "remove", lambda component, version: None)
    with pytest.raises(PartlyDone, match=r"auth=1\.0\.0 still has files: auth-1\.0\.0"):
        prune(shop.repo, "auth", 7)
    assert rule(shop).left == ("1.0.0",)
