"""A swap that dies under live traffic at the real balancer: users lose nothing, neither before `resume` nor after."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sluicegate.balancers.caddy import CaddyBalancer
from sluicegate.delivery.changes.resume import resume
from sluicegate.delivery.changes.swap import swap
from sluicegate.delivery.changes.sync import sync
from sluicegate.delivery.moves.promote import promote
from sluicegate.demo.traffic import Browser
from sluicegate.errors import SluicegateError
from sluicegate.tools import door
from sluicegate.tools.caddy import start_caddy
from tests.faults.test_swap_killed import Executioner
from tests.parts import CONFIG, Replying, free_port, no_host, settings, web_server
from tests.worlds import Killed, World, build, check_consistent, pinned

LIVE, IDLE = "green", "blue"
VERSIONS = {LIVE: {"auth": "1.0.0", "portal": "1.0.0"}, IDLE: {"auth": "2.0.0", "portal": "1.0.0"}}


def application(group: str, component: str) -> type[BaseHTTPRequestHandler]:
    """Answers every request with its group and version."""

    class Handler(Replying):
        def do_GET(self) -> None:
            self.reply(json.dumps({"group": group, "version": VERSIONS[group][component]}).encode())

    return Handler


@pytest.fixture
def staged(tmp_path: Path) -> World:
    """auth 2.0.0 is deployed in staging, which the group blue plays."""
    world = build(tmp_path / "base")
    with world.repo() as repo:
        world.publish(repo, "auth", "2.0.0")
        sync(repo, "integration")
        promote(repo, {"auth": "2.0.0"}, "staging")
        sync(repo, "staging")
        assert repo.state().servers == {"production": LIVE, "staging": IDLE}
    return world


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[CaddyBalancer]:
    """A running Caddy before both groups."""
    driver_settings = settings(
        file=str(tmp_path / "live"),
        address=f"http://127.0.0.1:{free_port()}",
        routes={"auth": "/auth", "portal": "/"},
    )
    caddy_balancer = CaddyBalancer.configure("caddy", driver_settings, CONFIG, no_host)
    caddy_balancer.switch(LIVE, keep_sessions=False)
    with ExitStack() as stack:
        upstreams = {
            group: {
                component: [f"127.0.0.1:{stack.enter_context(web_server(application(group, component)))}"]
                for component in VERSIONS[group]
            }
            for group in VERSIONS
        }
        caddy = start_caddy(caddy_balancer.caddy_config(upstreams), tmp_path / "caddy")
        stack.callback(caddy.stop)
        yield caddy_balancer


@contextmanager
def traffic(url: str, users: int = 4) -> Iterator[tuple[list[int], list[str]]]:
    """Users on keepalive connections: how many requests each sent, and what was lost."""
    stop, sent, lost = threading.Event(), [0] * users, list[str]()

    def use(number: int) -> None:
        browser = Browser(url)
        while not stop.is_set():
            try:
                answer = json.loads(browser.get("/auth/"))
                if answer["version"] != VERSIONS[answer["group"]]["auth"]:
                    lost.append(str(answer))
            except (OSError, http.client.HTTPException, ValueError, KeyError) as problem:
                lost.append(repr(problem))
                browser = Browser(url)
            sent[number] += 1
            time.sleep(0.002)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    try:
        yield sent, lost
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_48_a_swap_killed_under_traffic_loses_no_request(
    staged: World, balancer: CaddyBalancer, tmp_path: Path
) -> None:
    seen: list[str] = []
    with traffic(balancer.url) as (sent, lost):
        while True:
            balancer.switch(LIVE, keep_sessions=False)
            world = staged.copy(tmp_path / f"{len(seen)}")
            world.drivers.users = balancer
            executioner = Executioner(len(seen))
            with world.repo() as repo:
                door.watcher = executioner
                try:
                    swap(repo, "production")
                except Killed:
                    pass
                finally:
                    door.watcher = None
            with world.repo() as repo:
                resume(repo)
                check_consistent(world, repo.state())
                swap(repo, "production")
                state = repo.state()
                check_consistent(world, state)
                assert pinned(state, "production") == VERSIONS[IDLE]
            assert json.loads(Browser(balancer.url).get("/auth/"))["group"] == IDLE
            assert lost == [], executioner.last
            if not executioner.last:
                break
            seen.append(executioner.last)
    assert "rename live" in seen
    assert sum(sent) > 100


def test_48_a_balancer_that_leads_to_a_wrong_version_is_switched_back(
    staged: World, balancer: CaddyBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluicegate.delivery.changes.swapping.PROBE_SECONDS", 0.5)
    monkeypatch.setitem(VERSIONS, IDLE, {"auth": "1.9.9", "portal": "1.0.0"})
    staged.drivers.users = balancer
    with traffic(balancer.url) as (_, lost), staged.repo() as repo:
        with pytest.raises(SluicegateError, match=r"1\.9\.9"):
            swap(repo, "production")
        check_consistent(staged, repo.state())
        assert pinned(repo.state(), "production")["auth"] == "1.0.0"
    assert lost == []
