"""Integration follows latest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.delivery.changes import sync
from sluicegate.delivery.moves import pinning
from sluicegate.errors import GateRefused, PartlyDone, RemoteUnavailable, UsageError
from tests.worlds import CONFIG, Shop


def test_sync_pins_and_deploys_the_newest_and_starts_what_is_to_be_started(shop: Shop) -> None:
    shop.publish("auth", "1.0.0")
    shop.publish("auth", "1.1.0")
    done = shop.sync()
    assert shop.pins("integration") == {"auth": "1.1.0"} == shop.running("int1")
    assert done.failed == ()
    (started,) = [r for r in shop.state.story("auth", "1.1.0") if r.what == "started"]
    assert (started.suite, started.run, started.env) == ("regression", "true auth", "integration")


def test_a_dry_run_plans_with_the_pins_that_would_follow(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    with live.unchanged():
        synced = sync.sync(live.by("anna"), "integration", dry_run=True)
    assert [str(step) for step in synced.plan.steps] == ["int1: auth 1.0.0 -> 2.0.0"]


def test_a_pin_that_cannot_be_deployed_is_said_before_anything_follows(live: Shop) -> None:
    live.pin_by_hand("integration", auth="1.0.9")
    live.publish("portal", "2.0.0")
    pinning.hold(live.by("anna"), "auth", "integration", until=None, why="a typing mistake")
    with live.unchanged(), pytest.raises(UsageError, match=r"auth has no version '1\.0\.9'"):
        live.sync()


def test_what_cannot_be_started_keeps_nothing_else_from_it(shop: Shop) -> None:
    shop.publish("portal", "1.0.0")
    shop.publish("auth", "1.0.0")
    shop.edited("sluicegate.yaml", CONFIG.replace(b'["true", ', b'["no-such-program", '))
    with pytest.raises(
        PartlyDone, match=r"everything is deployed\n  not started: regression of auth=1\.0\.0: "
    ) as caught:
        shop.sync()
    assert "not started: regression of portal=1.0.0" in caught.value.message
    assert shop.running("int1") == {"auth": "1.0.0", "portal": "1.0.0"}
    shop.edited("sluicegate.yaml", CONFIG)
    assert shop.sync().failed == ()
    assert shop.kinds("auth", "1.0.0").count("started") == 1


def test_a_second_sync_has_nothing_to_do_and_writes_nothing(live: Shop) -> None:
    with live.unchanged():
        done = live.sync()
    assert (done.moves, done.plan.steps, done.failed) == ((), (), ())


def test_a_held_pin_is_not_followed_until_its_day_is_over(live: Shop) -> None:
    day = live.now.date()
    pinning.hold(live.by("anna"), "auth", "integration", until=day, why="the fair")
    live.publish("auth", "2.0.0")
    assert live.sync().moves == ()
    live.pass_time(timedelta(days=1))
    assert [m.after for m in live.sync().moves] == ["2.0.0"]
    assert live.state.pins("integration")["auth"].hold is None


def test_a_vetoed_version_is_not_followed_and_one_that_is_there_is_left(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.veto("auth", "2.0.0")
    assert live.sync().moves == ()
    live.veto("auth", "2.0.0", lift=True)
    live.sync()
    live.veto("auth", "2.0.0")
    assert [(m.before, m.after) for m in live.sync().moves] == [("2.0.0", "1.0.0")]
    assert live.running("int1")["auth"] == "1.0.0"


def test_a_veto_further_on_does_not_stop_integration(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.veto("auth", "2.0.0", "production")
    assert [m.after for m in live.sync().moves] == ["2.0.0"]


def test_pre_releases_are_not_followed(live: Shop) -> None:
    for version in ("2.0.0-rc1", "2.0.0-beta.2", "2.0.0-SNAPSHOT"):
        live.publish("auth", version)
    assert live.sync().moves == ()


def test_a_version_published_late_but_lower_is_not_followed(live: Shop) -> None:
    live.publish("auth", "0.9.9")
    assert live.sync().moves == ()


def test_staging_does_not_follow(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    assert sync.follow(live.by("ci"), "staging") == ()
    assert live.pins("staging") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_a_range_is_followed_within_itself(tmp_path) -> None:  # type: ignore[no-untyped-def]
    shop = Shop.opened(tmp_path / "shop", CONFIG.replace(b"follow: latest", b"follow: {range: 1.x}"))
    for version in ("1.0.0", "2.0.0"):
        shop.publish("auth", version)
    assert [m.after for m in shop.sync().moves] == ["1.0.0"]
    shop.publish("auth", "1.1.0")
    assert [m.after for m in shop.sync().moves] == ["1.1.0"]
    shop.close()


def test_following_does_not_undo_a_rollback(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.rollback("integration", "auth")
    assert live.running("int1")["auth"] == "1.0.0"
    assert live.sync().moves == ()
    assert live.running("int1")["auth"] == "1.0.0"


def test_a_pin_that_was_set_back_by_hand_is_held(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    pinning.pin(live.by("anna"), "auth", "1.0.0", "integration", why="2.0.0 is slow")
    assert live.sync().moves == ()
    assert live.running("int1")["auth"] == "1.0.0"
    with pytest.raises(GateRefused, match=r"2\.0\.0 is slow"):
        pinning.pin(live.by("anna"), "auth", "2.0.0", "integration", why="")
    pinning.unhold(live.by("anna"), "auth", "integration", why="")
    assert [m.after for m in live.sync().moves] == ["2.0.0"]


def test_a_host_that_is_down_keeps_the_pin_and_the_next_sync_deploys_it(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.drivers.hosts["int1"].down = True
    with pytest.raises(RemoteUnavailable):
        live.sync()
    assert live.chronicle("integration", "intent")[-1].at < live.now
    live.drivers.hosts["int1"].down = False
    assert [s.after for s in live.sync().plan.steps] == ["2.0.0"]


def test_an_unpinned_component_goes_from_the_hosts(live: Shop) -> None:
    live.veto("portal", "1.0.0")
    pinning.unpin(live.by("anna"), "portal", "integration", why="")
    live.sync()
    assert live.running("int1") == {"auth": "1.0.0"}
    assert live.kinds("portal", "1.0.0")[-1] == "unpinned"


def test_unpinning_a_promotion_goes_back_to_what_production_has(live: Shop) -> None:
    live.to_staging(auth="2.0.0")
    assert pinning.unpin(live.by("anna"), "auth", "staging", why="not now") == "1.0.0"
    assert live.pins("staging") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert live.story("auth", "2.0.0")[-1].what == "unpinned"
    assert live.story("auth", "1.0.0")[-1].how == "unpin"
    live.sync("staging")
    assert live.running("blue1") == live.running("blue2") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert live.story("auth", "1.0.0", "pinned")[-1].how == "unpin"


def test_what_production_has_cannot_be_unpinned_in_its_staging(live: Shop) -> None:
    with live.unchanged(), pytest.raises(UsageError, match=r"production has auth=1\.0\.0, and so has staging"):
        pinning.unpin(live.by("anna"), "auth", "staging", why="")


def test_what_production_never_had_is_unpinned_in_staging_for_good(shop: Shop) -> None:
    shop.to_staging(auth="1.0.0", portal="1.0.0")
    assert pinning.unpin(shop.by("anna"), "portal", "staging", why="") == ""
    shop.sync("staging")
    assert shop.running(f"{shop.state.servers['staging']}1") == {"auth": "1.0.0"}


def test_an_unpinned_component_comes_back_where_latest_is_followed(live: Shop) -> None:
    pinning.unpin(live.by("anna"), "portal", "integration", why="")
    assert [(m.component, m.after) for m in live.sync().moves] == [("portal", "1.0.0")]


def test_a_hold_has_a_pin_and_a_day_that_is_not_over(live: Shop) -> None:
    anna = live.by("anna")
    with live.unchanged(), pytest.raises(UsageError, match="auth has no pin in training"):
        pinning.hold(anna, "auth", "training", until=None, why="")
    with live.unchanged(), pytest.raises(UsageError, match="--until 2026-11-01 is in the past"):
        pinning.hold(anna, "auth", "integration", until=live.now.date().replace(day=1), why="")
    with live.unchanged(), pytest.raises(UsageError, match="auth is not held in integration"):
        pinning.unhold(anna, "auth", "integration", why="")


def test_a_pin_that_stands_is_pinned_again_without_a_word_though_it_is_held(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    pinning.pin(live.by("anna"), "auth", "1.0.0", "integration", why="2.0.0 is slow")
    with live.unchanged():
        pinning.pin(live.by("anna"), "auth", "1.0.0", "integration", why="2.0.0 is slow")


def test_each_pin_and_hold_leaves_its_own_record(live: Shop) -> None:
    """The same person does the same thing twice, with something else in between."""
    live.publish("auth", "2.0.0")
    anna = live.by("anna")
    for version in ("2.0.0", "1.0.0", "2.0.0"):
        live.pass_time()
        pinning.pin(anna, "auth", version, "training", why="")
    assert len([r for r in live.story("auth", "2.0.0", "pinned") if r.env == "training"]) == 2
    for _ in range(2):
        pinning.hold(anna, "auth", "training", until=None, why="")
        pinning.unhold(anna, "auth", "training", why="")
    assert live.kinds("auth", "2.0.0")[-4:] == ["held", "unheld", "held", "unheld"]
    for _ in range(2):
        pinning.unpin(anna, "auth", "training", why="")
        pinning.pin(anna, "auth", "2.0.0", "training", why="")
    assert live.kinds("auth", "2.0.0")[-4:] == ["unpinned", "pinned", "unpinned", "pinned"]
