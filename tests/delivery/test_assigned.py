"""With agents that run at any moment beside everything else: no host installs what no intent assigned to it."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.changes import hosts
from sluicegate.delivery.moves import pinning
from sluicegate.deployers.puppet import PuppetDeployer
from sluicegate.errors import SluicegateError
from sluicegate.model.config import Config, Environment
from sluicegate.model.evidence import Intent
from sluicegate.ports import Deployer, Host
from sluicegate.tools import door
from tests.agents import AgentHost
from tests.parts import no_host, settings
from tests.worlds import UNGATED, FakeDrivers, Killed, Shop

HOSTS = ("int1", "blue1", "green1")
VERSIONS = ("1.0", "1.1", "2.0")
CONFIG = UNGATED.encode()

components = st.sampled_from(("auth", "portal"))
versions = st.sampled_from(VERSIONS)
environments = st.sampled_from(("integration", "staging", "production"))


class PuppetDrivers(FakeDrivers):
    """Every environment is installed by Puppet."""

    def __init__(self, folder: Path, installed: Callable[[str, str, str], None]) -> None:
        super().__init__()
        self.folder = folder
        self.assigned = folder / "assigned"
        self.assigned.mkdir()
        self.agents: dict[str, AgentHost] = {}
        for name in HOSTS:
            (folder / name).mkdir()
            path = self.assigned / f"{name}.yaml"
            self.agents[name] = AgentHost(
                name=name, folder=folder / name, ports={}, assigned=path, on_installed=installed
            )

    def host(self, config: Config, name: str) -> Host:
        return self.agents[name]

    def deployer(self, config: Config, environment: Environment) -> Deployer:
        driver_settings = settings(assigned={"folder": str(self.assigned)}, root="false")
        return PuppetDeployer.configure(environment.name, driver_settings, config, no_host)


class Agents(RuleBasedStateMachine):
    """People and jobs do what they do; agents run before, after and in the midst of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="sluicegate-agents-")
        root = Path(self.folder.name)
        self.drivers = PuppetDrivers(root, self.note)
        self.shop = Shop(root / "shop", self.drivers)
        self.events: list[tuple[str, str, str]] = []
        self.strangers: list[str] = []
        self.checking = threading.RLock()
        self.random = random.Random(0)
        self.often = 0.0
        self.kill_at = 0

    @initialize(seed=st.integers(0, 2**32), often=st.sampled_from((0.02, 0.3, 1.0)))
    def begin(self, seed: int, often: float) -> None:
        self.shop.root.mkdir()
        init_repo(self.shop.bare, self.drivers, bare=True, config=CONFIG)
        self.random, self.often = random.Random(seed), often
        for version in VERSIONS[:2]:
            for component in ("auth", "portal"):
                self.shop.publish(component, version)
        self.before = door.watcher
        door.watcher = self.passing

    def teardown(self) -> None:
        door.watcher = getattr(self, "before", door.watcher)
        self.shop.close()
        self.folder.cleanup()

    # at any moment

    def passing(self, call: str) -> None:
        """Something is about to be done outside: now and then an agent was quicker; or the command is killed."""
        if self.kill_at:
            self.kill_at -= 1
            if self.kill_at == 0:
                raise Killed
        if threading.current_thread() is threading.main_thread() and self.random.random() < self.often:
            for host in HOSTS:
                self.run_agent(host)

    def run_agent(self, host: str) -> None:
        watcher, door.watcher = door.watcher, None
        try:
            if self.drivers.agents[host].turn.acquire(blocking=False):
                self.drivers.agents[host].turn.release()
                self.drivers.agents[host].agent()
        finally:
            door.watcher = watcher

    def note(self, host: str, component: str, version: str) -> None:
        """A host installs something: is there an intent that says so, by now?"""
        with self.checking:
            watcher, door.watcher = door.watcher, None
            try:
                if (component, version) not in self.targets(host):
                    self.strangers.append(f"{host} installed {component} {version}, which no intent assigned to it")
                self.events.append((host, component, version))
            finally:
                door.watcher = watcher

    def targets(self, host: str) -> set[tuple[str, str]]:
        """All that any intent, ended or open, was to bring to the host."""
        state = self.shop.opened_by(self.shop.by("reader").actor).state()
        pairs: set[tuple[str, str]] = set()
        for environment in state.config.environments.values():
            for record in state.chronicle(environment.name).of(Intent):
                if host in state.config.groups.get(record.group, ()) and record.only in ("", host):
                    pairs |= set(state.target(environment, record).items())
        return pairs

    @invariant()
    def nothing_was_installed_that_was_not_assigned(self) -> None:
        assert self.strangers == []

    # what happens

    def tried(self, action: Callable[[], object]) -> None:
        with suppress(SluicegateError):
            action()

    @rule(component=components)
    def publish(self, component: str) -> None:
        self.tried(lambda: self.shop.publish(component, VERSIONS[-1]))

    @rule(component=components, version=versions, environment=st.sampled_from(("integration", "staging")))
    def pin(self, component: str, version: str, environment: str) -> None:
        self.tried(lambda: pinning.pin(self.shop.repo, component, version, environment, why=""))

    @rule(component=components, environment=environments)
    def unpin(self, component: str, environment: str) -> None:
        self.tried(lambda: pinning.unpin(self.shop.repo, component, environment, why=""))

    @rule(component=components, version=versions, environment=environments)
    def commit_a_pin(self, component: str, version: str, environment: str) -> None:
        self.tried(lambda: self.shop.pin_by_hand(environment, **{component: version}))

    @rule(component=components)
    def promote(self, component: str) -> None:
        self.tried(lambda: self.shop.promote("staging", **{component: ""}))

    @rule(environment=environments)
    def deploy(self, environment: str) -> None:
        self.tried(lambda: self.shop.deploy(environment))

    @rule(environment=environments)
    def sync(self, environment: str) -> None:
        self.tried(lambda: self.shop.sync(environment))

    @rule()
    def swap(self) -> None:
        self.tried(self.shop.swap)

    @rule()
    def swap_back(self) -> None:
        self.tried(lambda: self.shop.swap(back=True))

    @rule(environment=environments, component=components)
    def rollback(self, environment: str, component: str) -> None:
        self.tried(lambda: self.shop.rollback(environment, component))

    @rule(host=st.sampled_from(HOSTS))
    def host_out(self, host: str) -> None:
        self.tried(lambda: hosts.take_out(self.shop.repo, host, "a disk"))

    @rule(host=st.sampled_from(HOSTS))
    def host_in(self, host: str) -> None:
        self.tried(lambda: hosts.bring_in(self.shop.repo, host))

    @rule(host=st.sampled_from(HOSTS), component=components, version=versions)
    def by_hand(self, host: str, component: str, version: str) -> None:
        """Somebody installs something past us; the next run of the agent undoes it where something is assigned."""
        self.drivers.agents[host].has[component] = version

    @rule(host=st.sampled_from(HOSTS))
    def agent_runs(self, host: str) -> None:
        self.run_agent(host)

    @rule(environment=environments, calls=st.integers(1, 60))
    def killed(self, environment: str, calls: int) -> None:
        self.kill_at = calls
        try:
            self.tried(lambda: self.shop.sync(environment))
        except Killed:
            self.shop.close()
        self.kill_at = 0

    @rule()
    def resume(self) -> None:
        self.tried(self.shop.resume)


TestAgents = Agents.TestCase
TestAgents.settings = how(
    max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_agents_install_what_deploys_assign_and_nothing_before(tmp_path: Path) -> None:
    """The machine above could be green because nothing is ever installed: this way it is not."""
    events: list[tuple[str, str, str]] = []
    drivers = PuppetDrivers(tmp_path, lambda *event: events.append(event))
    shop = Shop(tmp_path / "shop", drivers)
    shop.root.mkdir()
    init_repo(shop.bare, drivers, bare=True, config=CONFIG)
    shop.publish("auth", "1.0")
    shop.sync()
    assert events == [("int1", "auth", "1.0")]
    shop.promote(auth="1.0")
    for agent in drivers.agents.values():
        agent.agent()
    assert events == [("int1", "auth", "1.0")]
    shop.deploy("staging")
    staging = shop.state.servers["staging"]
    assert events[1:] == [(f"{staging}1", "auth", "1.0")]
    shop.swap()
    shop.publish("auth", "2.0")
    shop.sync()
    shop.promote(auth="2.0")
    shop.deploy("staging")
    shop.swap()
    before = {name: dict(agent.has) for name, agent in drivers.agents.items()}
    for agent in drivers.agents.values():
        agent.agent()
    assert {name: dict(agent.has) for name, agent in drivers.agents.items()} == before
    assert {has["auth"] for has in before.values()} == {"1.0", "2.0"}  # the warm side keeps what it had
    shop.swap(back=True)
    assert drivers.agents[f"{shop.state.servers['production']}1"].has == {"auth": "1.0"}
    shop.close()
