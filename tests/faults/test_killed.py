"""A command killed before each of its outside calls, in turn: `resume` and a second try always end consistent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sluicegate.errors import GateRefused
from sluicegate.tools import door
from tests.shop import Shop

HOUR = timedelta(hours=1)


class Killed(BaseException):
    """The process is gone; it makes no further call either."""


class Death:
    """Kills at call N and at each one after it, as nothing is done after a kill."""

    def __init__(self, call: int) -> None:
        self.call = call
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) >= self.call:
            raise Killed(name)


def killed_everywhere(start: Shop, folder: Path, act: Callable[[Shop], object]) -> Iterator[Shop]:
    """The organisation after a kill at call 1, 2, 3 ... of `act`, until it gets through; nobody has mended it yet."""
    for call in range(1, 200):
        (folder / str(call)).mkdir(parents=True, exist_ok=True)
        shop = start.copied(folder / str(call))
        death = Death(call)
        door.watcher = death
        try:
            act(shop)
            through = True
        except Killed:
            through = False
        finally:
            door.watcher = None
            shop.close()
        if through:
            assert call > 5, "too few outside calls were seen"
            return
        shop.pass_time()
        yield shop
        shop.close()
    raise AssertionError("it never gets through")


def nothing_is_open(shop: Shop) -> None:
    state = shop.state
    assert not [i for e in state.config.environments.values() for i in state.open_intents(e)]


def consistent(shop: Shop) -> None:
    """Pins, servers.yaml, balancer, hosts and ledger tell one story."""
    nothing_is_open(shop)
    state = shop.state
    production = state.config.environment("production")
    live = state.servers["production"]
    assert shop.drivers.users.group == live
    assert shop.running(f"{live}1") == shop.running(f"{live}2") == shop.pins("production")
    assert {c: i.version for c, i in state.effective(production).installed.items()} == shop.pins("production")  # type: ignore[union-attr]
    intents = {r.id for r in state.chronicle("production") if r.what == "intent"}
    ended = [r.get("of") for r in state.chronicle("production") if r.what in ("done", "failed")]
    assert sorted(intents) == sorted(ended), "each intent ends once"
    swaps = [r.get("of") for r in state.chronicle("production") if r.what == "swap"]
    assert len(set(swaps)) == len(swaps)
    for component, version in shop.pins("production").items():
        assert any(r.what == "pinned" and r.get("env") == "production" for r in state.story(component, version))
    again = shop.resume()
    assert again == (), "a second resume has nothing to do"


@pytest.fixture(scope="module")
def ready(launched: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = launched.copied(tmp_path_factory.mktemp("ready"))
    shop.to_staging(auth="2.0.0")
    shop.accepted(auth="2.0.0")
    yield shop
    shop.close()


def test_48_a_swap_killed_at_any_call_is_finished_or_undone_by_resume(ready: Shop, tmp_path: Path) -> None:
    outcomes = []
    for shop in killed_everywhere(ready, tmp_path, lambda shop: shop.swap()):
        ended = [one.outcome for one in shop.resume("berta")]
        consistent(shop)
        outcomes += ended or ["nothing open"]
        new = "2.0.0" if ended == ["finished"] or shop.drivers.users.group == "blue" else "1.0.0"
        assert shop.pins("production")["auth"] == new
        shop.swap()
        consistent(shop)
        assert shop.users_reach()["auth"] == "2.0.0"
    assert {"nothing open", "undone", "finished"} == set(outcomes)


def test_48_a_killed_swap_blocks_others_until_it_is_resumed(ready: Shop, tmp_path: Path) -> None:
    from sluicegate.errors import Conflict

    shop = ready.copied(tmp_path)

    def at_the_balancer(name: str) -> None:
        if name.startswith("balancer switch"):
            raise Killed

    door.watcher = at_the_balancer
    with pytest.raises(Killed):
        shop.swap()
    door.watcher = None
    with pytest.raises(Conflict, match="'swap' by rita since"):
        shop.swap("gustav")
    with pytest.raises(Conflict, match="production is locked"):
        shop.deploy("staging")
    assert [one.outcome for one in shop.resume(dry_run=True)] == ["open"]
    assert [one.outcome for one in shop.resume()] == ["undone"]
    shop.close()


def test_48_a_resume_that_is_killed_too_is_resumed(ready: Shop, tmp_path: Path) -> None:
    half = ready.copied(tmp_path / "half")

    def after_the_switch(name: str) -> None:
        if half.drivers.users.group == "blue":
            raise Killed

    door.watcher = after_the_switch
    with pytest.raises(Killed):
        half.swap()
    door.watcher = None
    half.close()
    for shop in killed_everywhere(half, tmp_path, lambda shop: shop.resume()):
        shop.resume()
        consistent(shop)
        assert shop.users_reach()["auth"] == "2.0.0"


def test_48_a_swap_back_killed_at_any_call_is_finished_or_undone(renewed: Shop, tmp_path: Path) -> None:
    for shop in killed_everywhere(renewed, tmp_path, lambda shop: shop.swap(back=True)):
        shop.resume()
        consistent(shop)
        if shop.pins("production")["auth"] == "2.0.0":
            shop.swap(back=True)
            consistent(shop)
        assert shop.users_reach()["auth"] == "1.0.0"


def test_48_a_rollback_killed_at_any_call_ends_with_a_second_try(renewed: Shop, tmp_path: Path) -> None:
    for shop in killed_everywhere(renewed, tmp_path, lambda shop: shop.rollback()):
        shop.resume()
        consistent(shop)
        if shop.pins("production")["auth"] == "2.0.0":
            shop.rollback()
            consistent(shop)
        assert shop.users_reach()["auth"] == "1.0.0"
        assert len(shop.story("auth", "2.0.0", "veto")) == 1


def test_48_a_rollback_to_a_group_that_is_not_warm_killed_at_any_call(launched: Shop, tmp_path: Path) -> None:
    start = launched.copied(tmp_path)
    start.to_production(auth="2.0.0", portal="2.0.0")
    start.pass_time(HOUR)
    for shop in killed_everywhere(start, tmp_path, lambda shop: shop.rollback(component="auth")):
        shop.resume()
        consistent(shop)
        if shop.pins("production")["auth"] == "2.0.0":
            shop.rollback(component="auth")
            consistent(shop)
        assert shop.users_reach() == {"auth": "1.0.0", "portal": "2.0.0"}
    start.close()


def test_48_a_rollback_in_place_killed_at_any_call(launched: Shop, tmp_path: Path) -> None:
    start = launched.copied(tmp_path)
    start.to_integration(auth="2.0.0")
    for shop in killed_everywhere(start, tmp_path, lambda shop: shop.rollback("integration")):
        shop.resume()
        nothing_is_open(shop)
        if shop.pins("integration")["auth"] == "2.0.0":
            shop.rollback("integration")
        shop.sync()
        assert shop.running("int1")["auth"] == "1.0.0" == shop.pins("integration")["auth"]
        assert len(shop.story("auth", "2.0.0", "veto")) == 1
    start.close()


def test_48_a_deploy_killed_at_any_call_is_finished_by_resume(launched: Shop, tmp_path: Path) -> None:
    start = launched.copied(tmp_path)
    start.to_integration(auth="2.0.0")
    start.promote("training", auth="2.0.0", portal="1.0.0")
    for shop in killed_everywhere(start, tmp_path, lambda shop: shop.deploy("training")):
        shop.resume("berta")
        nothing_is_open(shop)
        shop.deploy("training")
        assert shop.running("room1") == shop.running("room2") == {"auth": "2.0.0", "portal": "1.0.0"}
        deployed = [r for r in shop.story("auth", "2.0.0", "deployed") if r.get("env") == "training"]
        assert len(deployed) == 1, "one deploy, one record"
        assert [r.what for r in shop.chronicle("training")] == ["intent", "deployed", "done"]
    start.close()


def test_48_a_promotion_killed_at_any_call_is_there_once_or_not_at_all(launched: Shop, tmp_path: Path) -> None:
    start = launched.copied(tmp_path)
    start.to_integration(auth="2.0.0")
    start.approve("auth", "2.0.0")
    seen = set()
    for shop in killed_everywhere(start, tmp_path, lambda shop: shop.promote(auth="2.0.0")):
        pinned = [r for r in shop.story("auth", "2.0.0", "pinned") if r.get("env") == "staging"]
        assert (shop.pins("staging")["auth"] == "2.0.0") == bool(pinned), "both branches or none"
        seen.add(bool(pinned))
        shop.promote(auth="2.0.0")
        pinned = [r for r in shop.story("auth", "2.0.0", "pinned") if r.get("env") == "staging"]
        assert shop.pins("staging")["auth"] == "2.0.0" and len(pinned) == 1
    assert seen == {True, False}
    start.close()


def test_48_a_publish_killed_at_any_call_announces_nothing_half(launched: Shop, tmp_path: Path) -> None:
    for shop in killed_everywhere(launched, tmp_path, lambda shop: shop.publish("auth", "2.0.0")):
        known = shop.state.versions("auth")
        files = {name for _, version, name in shop.drivers.releases.files if version == "2.0.0"}
        if "2.0.0" in known:
            assert files == {"auth-2.0.0.tar.gz", "auth-2.0.0-manifest.json"}
        shop.publish("auth", "2.0.0", build=1)
        assert shop.kinds("auth", "2.0.0") == ["built"]
        assert shop.drivers.releases.announced["auth"] == ("1.0.0", "2.0.0")


def test_a_command_that_is_still_alive_is_not_taken_over(launched: Shop, tmp_path: Path) -> None:
    """The holder is a process of this machine that runs: another one than ours."""
    import os

    from sluicegate.delivery import intents
    from sluicegate.errors import Conflict

    shop = launched.copied(tmp_path)

    def begin(state, draft):  # type: ignore[no-untyped-def]
        record = intents.begin(draft, "training", "deploy", group="rooms", target={})
        record.facts["pid"] = os.getppid()

    shop.by("berta").change(begin, "begin")
    with shop.unchanged(), pytest.raises(Conflict, match="is still at work"):
        shop.resume()
    shop.close()


def test_resume_of_a_deploy_whose_host_is_down_stays_open_or_failed(launched: Shop, tmp_path: Path) -> None:
    from sluicegate.errors import SluicegateError

    shop = launched.copied(tmp_path)
    shop.to_integration(auth="2.0.0")
    shop.promote("training", auth="2.0.0")

    def at_the_host(name: str) -> None:
        if name.startswith("install"):
            raise Killed

    door.watcher = at_the_host
    with pytest.raises(Killed):
        shop.deploy("training")
    door.watcher = None
    shop.drivers.hosts["room1"].down = True
    with pytest.raises(SluicegateError) as caught:
        shop.resume()
    assert caught.value.exit_code == 5
    shop.drivers.hosts["room1"].down = False
    assert [one.outcome for one in shop.resume()] == ["finished"]
    shop.close()


def test_what_was_undone_leaves_the_gates_as_they_were(ready: Shop, tmp_path: Path) -> None:
    shop = ready.copied(tmp_path)

    def at_the_balancer(name: str) -> None:
        if name.startswith("balancer"):
            raise Killed

    door.watcher = at_the_balancer
    with pytest.raises(Killed):
        shop.swap()
    door.watcher = None
    shop.resume()
    shop.veto("auth", "2.0.0")
    with pytest.raises(GateRefused):
        shop.swap()
    with pytest.raises(GateRefused, match="does not have its old versions"):
        shop.swap(back=True)
    shop.close()
