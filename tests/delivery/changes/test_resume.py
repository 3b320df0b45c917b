"""Resume: what a dead command left open is finished, or undone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sluicegate.delivery.book import intents
from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict, GateRefused, PartlyDone, RemoteUnavailable
from sluicegate.model.evidence import Intent
from sluicegate.model.values import Actor
from sluicegate.tools import door
from tests.worlds import CONFIG, Shop


class Killed(BaseException):
    """The process is gone: nothing tidies up."""


@contextmanager
def killed_at(call: str) -> Iterator[None]:
    """The command is killed before its first outside call of this name."""

    def watch(name: str) -> None:
        if name.startswith(call):
            raise Killed(name)

    door.watcher = watch
    with pytest.raises(Killed):
        yield
    door.watcher = None


@pytest.fixture
def pinned(live: Shop) -> Shop:
    """auth 2.0.0 is promoted to training (two hosts), which has nothing yet, and not deployed."""
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="2.0.0", portal="1.0.0")
    return live


def outcomes(shop: Shop) -> list[tuple[str, str, str]]:
    return [(resumed.environment, resumed.verb, resumed.outcome) for resumed in shop.resume()]


def test_a_deploy_that_died_halfway_is_finished(pinned: Shop) -> None:
    with killed_at("install auth on room2"):
        pinned.deploy("training")
    assert outcomes(pinned) == [("training", "deploy", "finished")]
    assert pinned.running("room1") == pinned.running("room2") == {"auth": "2.0.0", "portal": "1.0.0"}
    with pinned.unchanged():
        assert pinned.resume() == ()
        assert pinned.deploy("training").steps == ()


def test_a_deploy_whose_host_is_down_stays_open(pinned: Shop) -> None:
    with killed_at("install"):
        pinned.deploy("training")
    pinned.drivers.hosts["room1"].down = True
    with pinned.unchanged(), pytest.raises(RemoteUnavailable):
        pinned.resume()
    pinned.drivers.hosts["room1"].down = False
    assert outcomes(pinned) == [("training", "deploy", "finished")]


def test_what_cannot_be_ended_keeps_nothing_else_from_it(pinned: Shop) -> None:
    with killed_at("install"):
        pinned.deploy("training")
    pinned.publish("auth", "3.0.0")
    with killed_at("install"):
        pinned.sync()
    pinned.drivers.hosts["room1"].down = True
    with pytest.raises(PartlyDone, match="1 of 2 interrupted commands are ended\n  training: ") as caught:
        pinned.resume()
    assert isinstance(caught.value.__cause__, RemoteUnavailable)
    pinned.drivers.hosts["room1"].down = False
    assert outcomes(pinned) == [("training", "deploy", "finished")]


@pytest.mark.parametrize("way", ["resume", "sync"])
def test_a_veto_after_the_crash_is_heard_and_the_environment_is_free(pinned: Shop, way: str) -> None:
    with killed_at("install auth on room2"):
        pinned.deploy("training")
    pinned.veto("auth", "2.0.0")
    hosts = pinned.outside()
    with pytest.raises(GateRefused, match="the interrupted deploy to training is given up") as caught:
        pinned.resume() if way == "resume" else pinned.sync("training")
    assert "vetoed by rita: bad" in caught.value.message and pinned.outside() == hosts
    assert [r.what for r in pinned.chronicle("training")] == ["intent", "failed"]
    assert pinned.resume() == ()
    pinning.pin(pinned.by("anna"), "auth", "1.0.0", "training", why="2.0.0 is vetoed")
    pinned.sync("training")
    assert pinned.running("room1") == pinned.running("room2") == {"auth": "1.0.0", "portal": "1.0.0"}


def test_a_rollback_that_died_is_finished_past_the_gates_but_not_to_a_vetoed_version(live: Shop) -> None:
    live.to_integration(auth="2.0.0")
    live.promote("training", auth="1.0.0", portal="1.0.0")
    live.sync("training")
    live.promote("training", auth="2.0.0")
    live.sync("training")
    with killed_at("install auth on room2"):
        live.rollback("training")
    live.tested("portal", "1.0.0", failed=1)
    live.reject("auth", "1.0.0", "training", user="anna", role="qa")
    second_shop = live.copied(live.root / "vetoed")
    assert outcomes(live) == [("training", "deploy", "finished")]
    assert live.running("room2")["auth"] == "1.0.0"
    second_shop.veto("auth", "1.0.0")
    with pytest.raises(GateRefused, match=r"auth=1\.0\.0 is vetoed by rita: bad"):
        second_shop.resume()
    second_shop.close()


def test_a_swap_that_the_balancer_has_not_made_is_undone(ready: Shop) -> None:
    with killed_at("balancer switch"):
        ready.swap()
    for attempt in (lambda: ready.swap("gustav"), lambda: ready.deploy("staging")):
        with ready.unchanged(), pytest.raises(Conflict, match="production is locked: 'swap' by rita since"):
            attempt()
    with ready.unchanged():
        assert [resumed.outcome for resumed in ready.resume(dry_run=True)] == ["open"]
    assert outcomes(ready) == [("production", "swap", "undone")]
    assert ready.pins("production")["auth"] == "1.0.0" == ready.users_reach()["auth"]
    ready.swap()
    assert ready.users_reach()["auth"] == "2.0.0"


def test_a_swap_that_the_balancer_has_made_is_finished(ready: Shop) -> None:
    switch = ready.drivers.users.switch

    def switch_and_die(to: str, *, keep_sessions: bool) -> None:
        switch(to, keep_sessions=keep_sessions)
        raise Killed

    ready.drivers.users.switch = switch_and_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        ready.swap()
    ready.drivers.users.switch = switch  # type: ignore[method-assign]
    assert outcomes(ready) == [("production", "swap", "finished")]
    assert ready.pins("production") == ready.users_reach() == {"auth": "2.0.0", "portal": "1.0.0"}
    assert ready.state.servers["production"] == "blue"


def test_a_swap_that_was_undone_asks_the_gates_again(ready: Shop) -> None:
    with killed_at("balancer switch"):
        ready.swap()
    ready.resume()
    ready.veto("auth", "2.0.0")
    with ready.unchanged(), pytest.raises(GateRefused, match="vetoed by rita"):
        ready.swap()


def test_what_is_still_at_work_is_not_taken_over(live: Shop) -> None:
    live.begin("training", "deploy", group="rooms", target={}, pid=os.getppid())
    with live.unchanged(), pytest.raises(Conflict, match=r"'deploy' by berta .* is still at work"):
        live.resume()


def test_another_process_that_has_the_number_by_now_keeps_nobody_from_resuming(live: Shop) -> None:
    """As after a reboot, or in a container whose processes always have the same numbers."""
    live.begin("integration", "deploy", pid=os.getppid(), born="another boot/17", group="int", target={})
    assert outcomes(live) == [("integration", "deploy", "finished")]


@pytest.mark.parametrize("place", ["elsewhere", f"{os.uname().nodename}/pid:[17]"])
def test_a_command_where_we_see_no_process_is_not_taken_for_dead(live: Shop, place: str) -> None:
    """On another machine, or in a container or sandbox of this one: only a person may say that it is gone."""
    live.publish("auth", "2.0.0")
    target = {"auth": "1.0.0", "portal": "1.0.0"}
    live.begin("integration", "deploy", host=place, pid=os.getppid(), group="int", target=target)
    (intent,) = live.state.open_intents(live.state.config.environment("integration"))
    assert intents.at_work(live.state.config, intent) is None
    with pytest.raises(Conflict, match=r"integration is locked: 'deploy' by berta .* on " + re.escape(place)):
        live.sync()
    assert live.chronicle("integration", "done", "failed")[-1].of != intent.record.id
    assert outcomes(live) == [("integration", "deploy", "finished")]


@pytest.fixture
def of_a_build(live: Shop) -> Shop:
    """A deploy to integration was begun by a build of a Jenkins that nobody can ask now, and its process is gone."""
    live.edited("sluicegate.yaml", b"jenkins: {url: 'http://127.0.0.1:9', user: ci, token: {env: CI_TOKEN}}\n" + CONFIG)
    live.publish("auth", "2.0.0")
    pinning.pin(live.by("anna"), "auth", "2.0.0", "integration", why="")
    source = "http://127.0.0.1:9/job/integration-sync/7/"
    build = live.opened_by(Actor(user="ci", source=source, verified=True))
    target = {"auth": "2.0.0", "portal": "1.0.0"}
    build.change(
        lambda state, draft: intents.begin(
            draft, "integration", Intent(verb="deploy", group="int", target=target, gated=True)
        ),
        "x",
    )
    build.store.close()
    return live


@pytest.mark.parametrize("token", ["", "secret"])
def test_a_jenkins_that_cannot_be_asked_does_not_keep_a_person_from_resuming(
    of_a_build: Shop, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_TOKEN", token)
    with of_a_build.unchanged(), pytest.raises(Conflict, match="integration is locked"):
        of_a_build.sync("integration")
    assert outcomes(of_a_build) == [("integration", "deploy", "finished")]
    assert of_a_build.running("int1")["auth"] == "2.0.0"
