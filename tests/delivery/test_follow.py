"""Integration follows latest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.delivery import pinning
from sluicegate.errors import GateRefused, RemoteUnavailable
from tests.shop import CONFIG, Shop


def test_sync_pins_and_deploys_the_newest_and_names_what_is_to_be_started(shop: Shop) -> None:
    shop.publish("auth", "1.0.0")
    shop.publish("auth", "1.1.0")
    done = shop.sync()
    assert shop.pins("integration") == {"auth": "1.1.0"} == shop.running("int1")
    assert [(one.job, one.version) for one in done.started] == [("auth-regression", "1.1.0")]
    assert done.started[0].variables["AUTH_URL"] == "http://int1.invalid/auth"


def test_a_second_sync_has_nothing_to_do_and_writes_nothing(live: Shop) -> None:
    with live.unchanged():
        done = live.sync()
    assert (done.moves, done.plan.steps, done.started) == ((), (), ())


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


def test_a_prerelease_is_not_followed(live: Shop) -> None:
    live.publish("auth", "2.0.0-rc1")
    assert live.sync().moves == ()


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


def test_each_pin_and_hold_leaves_its_own_record(live: Shop) -> None:
    """The same person does the same thing twice, with something else in between."""
    live.publish("auth", "2.0.0")
    anna = live.by("anna")
    for version in ("2.0.0", "1.0.0", "2.0.0"):
        live.pass_time()
        pinning.pin(anna, "auth", version, "training", why="")
    assert len([r for r in live.story("auth", "2.0.0", "pinned") if r.get("env") == "training"]) == 2
    for _ in range(2):
        pinning.hold(anna, "auth", "training", until=None, why="")
        pinning.unhold(anna, "auth", "training", why="")
    assert live.kinds("auth", "2.0.0")[-4:] == ["held", "unheld", "held", "unheld"]
    for _ in range(2):
        pinning.unpin(anna, "auth", "training", why="")
        pinning.pin(anna, "auth", "2.0.0", "training", why="")
    assert live.kinds("auth", "2.0.0")[-4:] == ["unpinned", "pinned", "unpinned", "pinned"]
