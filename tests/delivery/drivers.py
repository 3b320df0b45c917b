"""The drivers of delivery's tests: the real reading of sluicegate.yaml, the real gates, and fakes for the outside."""

from __future__ import annotations

from sluicegate.config import read_config
from sluicegate.errors import UsageError
from sluicegate.gates.approval import ApprovalGate
from sluicegate.gates.tests import TestsGate
from sluicegate.gates.veto import VetoGate
from sluicegate.model.config import Config, Environment
from sluicegate.model.settings import Settings
from sluicegate.model.values import Installed
from sluicegate.ports import Balancer, Deployer, Gate, Host, Repository
from tests.fakes import FakeBalancer, FakeDeployer, FakeHost, FakeRepository

GATES = {"tests": TestsGate, "approval": ApprovalGate, "veto": VetoGate}


class FakeDrivers:
    """One outside world, shared by every clone: what one command deploys, the next one finds."""

    def __init__(self) -> None:
        self.repositories: dict[str, FakeRepository] = {}
        self.hosts: dict[str, FakeHost] = {}
        self.the_deployer = FakeDeployer()
        self.the_balancer = SilentBalancer()

    def config(self, content: bytes) -> Config:
        return read_config(content)

    def repository(self, config: Config, name: str) -> Repository:
        assert name in config.repositories
        return self.repositories.setdefault(name, FakeRepository())

    def gates(self, config: Config, environment: Environment) -> tuple[Gate, ...]:
        always = VetoGate.configure(environment.name, Settings(where="always"), config)
        found = [GATES[spec.driver].configure(environment.name, spec.settings, config) for spec in environment.gates]
        return (*found, always)

    def host(self, config: Config, name: str) -> Host:
        assert name in config.hosts
        return self.fake_host(name)

    def deployer(self, config: Config, environment: Environment) -> Deployer:
        if environment.deploy is None:
            raise UsageError(f"{environment.name} has no 'deploy'")
        return self.the_deployer

    def balancer(self, config: Config, environment: Environment) -> Balancer:
        return self.the_balancer

    def fake_host(self, name: str) -> FakeHost:
        return self.hosts.setdefault(name, FakeHost(name))

    def installed(self, host: str) -> dict[str, Installed]:
        """What really is on a host, whatever the ledger says."""
        found = {}
        for path, content in self.fake_host(host).files.items():
            version, _, manifest = content.decode().partition("\n")
            found[path.split("/")[1]] = Installed(version=version, manifest=manifest)
        return found


class Died(Exception):
    """The command was killed: none of our errors, so that nothing tidies up."""


class SilentBalancer(FakeBalancer):
    """A balancer without an address to look through, so that a swap does not wait for an answer; it counts switches.

    `dying` kills the command before or after the next switch.
    """

    def __init__(self) -> None:
        super().__init__(live="blue")
        self.switches: list[tuple[str, bool]] = []
        self.probed = ""
        self.dying = ""

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        dying, self.dying = self.dying, ""
        if dying == "before":
            raise Died
        super().switch(to, keep_sessions=keep_sessions)
        if dying == "after":
            raise Died
        self.switches.append((to, keep_sessions))

    def address(self, component: str) -> str:
        return self.probed
