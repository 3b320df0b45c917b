"""A rollout behind a real HAProxy over forty servers with two hundred logged-in users: nothing lost, nobody moved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from sluicegate.balancers.haproxy.pool import HaproxyPool
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.changes import balancing
from sluicegate.delivery.changes.rollout import progress, rollout
from sluicegate.errors import GateRefused, NotFound, SluicegateError, UnknownName
from sluicegate.model.config import Config, Environment
from sluicegate.model.serving import Serving, Standing
from sluicegate.model.settings import Plain
from sluicegate.tools import door, sockets
from tests import pool as real
from tests.crowd import Crowd
from tests.fakes import FakeDeployer, FakeHost
from tests.haproxy import wait_until
from tests.parts import free_port
from tests.worlds import CONFIG, Shop

pytestmark = pytest.mark.real
LIFE = 2.0


class CrowdDeployer(FakeDeployer):
    """Installs into a server of the crowd, which nobody may ask meanwhile."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__()
        self.crowd = crowd
        self.broken = 0  # of a hundred answers of version 2.0.0

    def install(self, host: Any, component: str, release: Any) -> None:
        if host.name not in self.crowd.servers:  # integration's
            super().install(host, component, release)
            return
        server = self.crowd.servers[host.name]
        server.intrusions += server.busy
        server.changing = True
        super().install(host, component, release)
        server.version = release.version
        server.failing = self.broken if release.version == "2.0.0" else 0
        server.changing = False


class WatchedPool:
    """The pool, and the smallest number of hosts that ever took new users; `sick` the most that were unhealthy.

    `turning` is what hosts are being turned to now, `astray` are those that did not stand so right afterwards.
    """

    def __init__(self, pool: HaproxyPool) -> None:
        self.pool = pool
        self.least = 1000
        self.sick = 0
        self.turning: Standing | None = None
        self.astray: list[str] = []

    @property
    def stay(self) -> Any:
        return self.pool.stay

    def turn(self, hosts: Sequence[str], to: Standing) -> None:
        self.turning = to
        self.pool.turn(hosts, to)
        self.turning = None
        servings = self.survey()
        self.astray += [host for host in hosts if servings[host].standing != to]

    def survey(self) -> Mapping[str, Serving]:
        servings = self.pool.survey()
        self.least = min(self.least, sum(serving.standing == "ready" for serving in servings.values()))
        self.sick = max(
            self.sick, sum(serving.standing == "ready" and not serving.healthy for serving in servings.values())
        )
        return servings

    def addresses(self, component: str) -> tuple[str, ...]:
        return self.pool.addresses(component)


class Stage:
    """A shop whose training environment is the pool; 1.0.0 runs there, 2.0.0 is pinned."""

    def __init__(self, folder: Path, crowd: Crowd, pooled: real.Pooled, rolling: str) -> None:
        names = list(crowd.servers)
        self.crowd, self.pooled = crowd, pooled
        hosts = "\n".join(f"  {name}: {{driver: fake}}" for name in names)
        text = CONFIG.decode().replace("  room1: {driver: fake}\n  room2: {driver: fake}", hosts)
        text = text.replace("rooms: [room1, room2]", f"rooms: [{', '.join(names)}]")
        wide = "hosts: rooms\n    deploy: {driver: fake, at-once: 20}"
        text = text.replace("hosts: rooms\n    deploy: {driver: fake}", wide)
        self.shop = Shop.opened(folder / "shop", text.encode())
        self.shop.drivers.hosts |= {name: FakeHost(name) for name in names}
        self.deployer = CrowdDeployer(crowd)
        self.shop.drivers.deployers = self.deployer
        self.pool = WatchedPool(pooled.pool)
        self.shop.drivers.pool = lambda config, environment: self.pool  # type: ignore[method-assign, assignment, return-value]
        self.shop.to_integration(auth="1.0.0")
        self.shop.promote("training", auth="1.0.0")
        self.shop.deploy("training")
        self.shop.to_integration(auth="2.0.0")
        self.shop.promote("training", auth="2.0.0")
        more = f"{wide}\n    pool: {{driver: haproxy}}\n    rollout: {rolling}"
        self.shop.edited("sluicegate.yaml", text.replace(wide, more))
        self.lines: list[str] = []

    def roll(self) -> None:
        repo = self.shop.by("ci")
        real_time = DeliveryRepo(repo.store, repo.drivers, actor=repo.actor, clock=lambda: datetime.now(UTC))
        rollout(real_time, "training", say=self.lines.append)

    @property
    def lost(self) -> list[str]:
        return [answer for user in self.crowd.users for answer in user.lost]

    @property
    def cut(self) -> list[float]:
        return [at for user in self.crowd.users for at in user.cut]


@contextmanager
def staged(folder: Path, count: int, rolling: str, *, apart: bool = False, **more: Any) -> Iterator[Stage]:
    more = {"idle": "1 s", "life": f"{LIFE:g} s", "apart": apart, **more}
    names = [f"web{number}" for number in range(1, count + 1)]
    crowd = Crowd(names)
    at = real.addresses(names, apart=apart)
    with crowd.serving(at) as ports, real.running(folder, names, ports, **more) as pooled:
        stage = Stage(folder, crowd, pooled, rolling)
        try:
            yield stage
        finally:
            crowd.leave()
            stage.shop.close()


def test_forty_servers_and_two_hundred_users_none_lost_none_moved_before_their_bound(tmp_path: Path) -> None:
    with staged(tmp_path, 40, "{batch: 50%, capacity: 50%}") as stage:
        stage.crowd.arrive(stage.pooled.port, 200, 0.4)
        stage.roll()
        stage.crowd.leave()
        assert (stage.lost, stage.cut) == ([], [])
        assert sum(server.intrusions for server in stage.crowd.servers.values()) == 0
        assert {server.version for server in stage.crowd.servers.values()} == {"2.0.0"}
        moves = [age for user in stage.crowd.users for age in user.moves]
        assert len(moves) >= 100, "users have come to the new version, each when a session had ended"
        assert min(moves) >= LIFE
        assert stage.pool.least >= 20
        assert all(serving.serves for serving in stage.pool.survey().values())
        assert progress(stage.shop.state, "training").state == "done"


def test_a_reload_in_any_phase_of_a_rollout_changes_no_standing_and_moves_nobody(tmp_path: Path) -> None:
    with staged(tmp_path, 12, "{batch: 50%, capacity: 50%}", master=True) as stage:
        stage.crowd.arrive(stage.pooled.port, 100, 0.2, anew=50)
        reloads: list[tuple[float, float]] = []
        phases: list[tuple[Standing | None, str]] = []

        def reload() -> None:
            began = time.monotonic()
            stage.pooled.reload()
            reloads.append((began, time.monotonic()))

        def reload_once_a_phase(call: str) -> None:
            phase = (stage.pool.turning, "write" if call.startswith("rename") else call.rpartition(" ")[2])
            if stage.pool.turning and phase not in phases and phase[1] != "info":  # by which a reload is seen
                phases.append(phase)
                reload()

        door.watcher = reload_once_a_phase
        try:
            stage.roll()
        finally:
            door.watcher = None
        assert {*phases} >= {(to, step) for to in ("drain", "out", "ready") for step in ("write", "set", "show")}
        assert stage.pool.astray == []
        assert {server.version for server in stage.crowd.servers.values()} == {"2.0.0"}
        assert {serving.standing for serving in stage.pool.survey().values()} == {"ready"}
        within = len(stage.cut)
        for _ in phases:
            reload()
        assert {serving.standing for serving in stage.pool.survey().values()} == {"ready"}
        stage.crowd.leave()
        print(f"{len(phases)} reloads within a rollout cut {within} requests, as many alone {len(stage.cut) - within}")
        assert stage.lost == [], "users whose kept connection a reload closed were answered on another"
        stray = [at for at in stage.cut if not any(began - 0.1 < at < ended + 0.5 for began, ended in reloads)]
        assert stray == [], "the rollout itself cuts nobody"
        assert within <= 7 * len(phases), "what a reload cuts by itself"
        assert sum(server.intrusions for server in stage.crowd.servers.values()) == 0
        moves = [age for user in stage.crowd.users for age in user.moves]
        assert len(moves) >= 50
        assert min(moves) >= LIFE
        assert stage.pool.least >= 6


def test_a_version_with_many_errors_ends_failed_by_haproxys_own_counts_and_goes_back(tmp_path: Path) -> None:
    rolling_back = "{batch: 2, canary: 2, capacity: 3, pause: 4 s, analysis: {requests: 25, errors: 2%}}"
    with staged(tmp_path, 6, rolling_back, sessions="end") as stage:
        stage.deployer.broken = 20
        stage.crowd.arrive(stage.pooled.port, 60, 0.1)
        with pytest.raises(SluicegateError, match=r"answers 5xx instead of 0\.0%.*training has gone back"):
            stage.roll()
        stage.crowd.leave()
        assert {server.version for server in stage.crowd.servers.values()} == {"1.0.0"}
        assert {answer.split()[1] for answer in stage.lost} == {"500"}
        assert all(serving.serves for serving in stage.pool.survey().values())
        assert stage.shop.pins("training")["auth"] == "1.0.0"


BY_HEALTH = {"way": "health", "file": "drained", "apart": True}


@pytest.mark.parametrize("way", ["check", "agent"])
def test_a_host_is_drained_by_what_it_says_itself_without_any_right_on_the_balancer(tmp_path: Path, way: str) -> None:
    names, port = ["app1", "app2"], free_port()
    more = {**BY_HEALTH, "socket": str(tmp_path / "weak.sock"), "servers": ""}
    if way == "agent":
        more["agent"] = str(port)
    with real.running(tmp_path, names, **more, idle="1 h", life="8 h") as p, ExitStack() as stack:
        if way == "agent":
            stack.enter_context(real.agents(tmp_path, names, port))
        else:
            for name, server in p.servers.items():
                server.flag = tmp_path / name / "drained"
        stays = requests.Session()
        while stays.get(p.url, timeout=5).json()["host"] != "app1":
            stays.cookies.clear()
        p.pool.turn(["app1"], "drain")
        assert p.leads() == {"app2"}
        assert stays.get(p.url, timeout=5).json()["host"] == "app1"
        p.restart()
        wait_until(lambda: p.pool.survey()["app1"].standing == "drain")
        assert p.leads() == {"app2"}
        p.pool.turn(["app1"], "out")
        assert stays.get(p.url, timeout=5).json()["host"] == "app2"
        p.pool.turn(["app1"], "ready")
        assert p.leads() == {"app1", "app2"}


def test_a_rollout_whose_hosts_drain_themselves_by_their_agents_loses_nobody(tmp_path: Path) -> None:
    names, port = [f"web{number}" for number in range(1, 7)], free_port()
    more = {**BY_HEALTH, "agent": str(port), "socket": str(tmp_path / "weak.sock")}
    with (
        real.agents(tmp_path, names, port),
        staged(tmp_path, 6, "{batch: 50%, capacity: 50%}", servers="", **more) as stage,
    ):
        stage.crowd.arrive(stage.pooled.port, 60, 0.2, anew=30)
        stage.roll()
        stage.crowd.leave()
        assert (stage.lost, stage.cut, stage.pool.astray) == ([], [], [])
        assert sum(server.intrusions for server in stage.crowd.servers.values()) == 0
        assert {server.version for server in stage.crowd.servers.values()} == {"2.0.0"}
        assert min(age for user in stage.crowd.users for age in user.moves) >= LIFE
        assert stage.pool.least >= 3
        assert not list(tmp_path.glob("*/drained"))


def test_a_reload_that_brings_old_state_back_and_a_hand_on_the_socket_are_seen(tmp_path: Path) -> None:
    with real.running(tmp_path, ["app1", "app2"]) as p:
        p.pool.turn(["app1"], "drain")
        p.pool.processes[0].ask("set server production_auth/app1 weight 100")
        assert p.pool.survey()["app1"].standing == "ready"
        p.pool.turn(["app1"], "drain")
        assert p.leads() == {"app2"}
        file = tmp_path / "production.cfg"
        upstreams = {"auth": {name: f"127.0.0.1:{port}" for name, port in p.ports.items()}}
        both = (tmp_path / "haproxy.cfg").read_text() + file.read_text()
        assert p.pool.configuration(upstreams, against=both) == ""
        lacking = p.pool.configuration(upstreams, against=both.replace("option redispatch", ""))
        assert lacking == "backend production_auth: option redispatch\n"
        with pytest.raises(NotFound, match="has no server of that name"):
            file.write_text(file.read_text().replace("server app2", "server app3"))
            p.pool.turn(["app2"], "drain")


def test_a_balancer_is_left_alone_and_made_equal_before_it_is_led_along_again(tmp_path: Path) -> None:
    names = ["app1", "app2"]
    for place in ("lb1", "lb2"):
        (tmp_path / place).mkdir()
    with ExitStack() as stack:
        first = stack.enter_context(real.running(tmp_path / "lb1", names))
        two = stack.enter_context(real.running(tmp_path / "lb2", names, first.ports))
        at: dict[str, Plain] = {
            place: {"servers": f"{p.folder}/production.cfg", "socket": f"{p.folder}/admin.sock", "address": p.url}
            for place, p in (("lb1", first), ("lb2", two))
        }
        text = ORGANISATION.replace("AT", json.dumps(at))
        shop = Shop.opened(tmp_path / "shop", text.encode())
        stack.callback(shop.close)

        def pool(config: Config, environment: Environment) -> HaproxyPool:
            assert environment.pool is not None
            return HaproxyPool.configure("production", environment.pool.settings, config, lambda name: FakeHost(name))

        shop.drivers.pool = pool  # type: ignore[method-assign]
        production = shop.state.config.environment("production")
        shop.state.pool(production).turn(["app1"], "out")
        assert (first.leads(), two.leads()) == ({"app2"}, {"app2"})
        two.process.terminate()
        two.process.wait(timeout=20)
        assert balancing.take_out(shop.by("rita"), "lb2", "a new disk") == ("production",)
        assert balancing.take_out(shop.by("rita"), "lb2", "a new disk") == ()
        with pytest.raises(GateRefused, match="lb1 is the last balancer of production"):
            balancing.take_out(shop.by("rita"), "lb1", "too")
        shop.state.pool(production).turn(["app1"], "ready")  # which lb2 does not hear of
        two.process = real.started(two.folder)
        wait_until(lambda: sockets.listens("127.0.0.1", two.port))
        assert two.leads() == {"app2"}
        assert balancing.bring_in(shop.by("rita"), "lb2") == ("production",)
        assert two.leads() == {"app1", "app2"}
        assert shop.state.balancers_out(production) == {}
        assert len(shop.state.pool(production).survey()) == 2
        with pytest.raises(UnknownName, match=r"no balancer is called 'lb3'\. Did you mean"):
            balancing.bring_in(shop.by("rita"), "lb3")


ORGANISATION = """
repositories: {releases: {driver: fake}}
components: {auth: {repository: releases, group: com.example}}
hosts: {app1: {driver: local}, app2: {driver: local}}
groups: {web: [app1, app2]}
environments:
  production:
    hosts: web
    deploy: {driver: fake}
    pool: {driver: haproxy, at: AT, routes: {auth: /}}
"""
