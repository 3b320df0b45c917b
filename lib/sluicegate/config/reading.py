"""sluicegate.yaml -> Config: strict, all mistakes at once, each as file:line.

Longer than a module should be: the sections are read beside each other, for they name each other.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from sluicegate import __version__
from sluicegate.config import checks, entries, trust
from sluicegate.config.inventory import NAME, Other, inventory
from sluicegate.errors import ConfigError
from sluicegate.model.config import (
    NO_HOST,
    After,
    Config,
    DriverSpec,
    Environment,
    ReadLater,
    Rolling,
)
from sluicegate.model.people import People
from sluicegate.model.settings import Plain, Settings
from sluicegate.tools import yamltext

FILE = "sluicegate.yaml"
SECTIONS = (
    "requires",
    "name",
    "jenkins",
    "evidence",
    "people",
    "directories",
    "repositories",
    "components",
    "roles",
    "hosts",
    "groups",
    "inventory",
    "environments",
    "objective",
)
Item = TypeVar("Item")


def nothing_else(path: str) -> None:
    """No other file is there."""


def read_config(content: bytes, read_other: Other = nothing_else, file: str = FILE) -> Config:
    """Parse and check the configuration; `read_other` reads another file of the delivery repo, None for a missing one.

    Raises ConfigError with every mistake found. Those of an inventory are found when its hosts are first asked for.
    """
    return _Reading(yamltext.read(content, file), read_other).config()


class _Reading:
    """One reading of the file, with the mistakes found so far."""

    def __init__(self, document: yamltext.Document, read_other: Other) -> None:
        self.document = document
        self.read_other = read_other
        self.mistakes: list[str] = []

    def config(self) -> Config:
        top = self.settings("")
        with self.noted():
            top.only(*SECTIONS)
        with self.noted():
            _check_requires(top)
        config = Config(
            repositories=self.each("repositories", entries.driver),
            components=self.each("components", entries.component),
            roles=self.each("roles", entries.role),
            hosts=self.each("hosts", entries.host),
            groups=self.groups(),
            variables=self.variables(),
            environments=self.each("environments", self.environment),
            objective=self.objective(),
            jenkins=self.section("jenkins", trust.jenkins),
            name=self.name(top),
            signing=self.section("evidence", trust.signing),
            people=People(known=self.each("people", trust.person)),
            directories=self.each("directories", entries.driver),
        )
        # What entries say of each other is checked once each of them is well.
        if not self.mistakes and "inventory" in self.document.content:
            config = self.with_inventory(config)
        elif not self.mistakes:
            checks.cross_check_hosts(config, self.mistake)
        if not self.mistakes:
            checks.cross_check(config, self.mistake)
        if not self.mistakes:
            checks.check_cycles(config, self.mistake)
            trust.check_people(config, self.mistake)
        if self.mistakes:
            raise ConfigError(self.mistakes)
        return config

    def with_inventory(self, config: Config) -> Config:
        """The same with the inventory's hosts and groups beside its own, once somebody asks for them."""
        with self.noted():
            read = inventory(self.settings("inventory"), self.read_other)

            @functools.cache
            def whole() -> Config:
                outside = read()
                for kind, ours, theirs in (
                    ("host", config.hosts, outside.hosts),
                    ("group", config.groups, outside.groups),
                ):
                    for name in ours.keys() & theirs.keys():
                        self.mistake(f"{kind}s/{name}", f"the {kind} '{name}' is in the inventory too")
                both = replace(
                    config,
                    hosts={**outside.hosts, **config.hosts},
                    groups={**outside.groups, **config.groups},
                    variables={**outside.variables, **config.variables},
                )
                checks.cross_check_hosts(both, self.mistake)
                if self.mistakes:
                    raise ConfigError(self.mistakes)
                return both

            return replace(
                config,
                hosts=ReadLater(lambda: whole().hosts),
                groups=ReadLater(lambda: whole().groups),
                variables=ReadLater(lambda: whole().variables),
            )
        return config

    @contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except ConfigError as problem:
            self.mistakes.extend(problem.mistakes)

    def mistake(self, path: str, text: str) -> None:
        self.mistakes.append(f"{self.document.where(path)}: {text}")

    def settings(self, path: str) -> Settings:
        value: object = self.document.content
        for part in filter(None, path.split("/")):
            value = value[int(part)] if isinstance(value, tuple) else value[part]  # type: ignore[index]
        if not isinstance(value, dict):
            raise ConfigError([f"{self.document.where(path)}: '{path.split('/')[-1]}' must be a mapping"])
        return self.placed(path, value)

    def placed(self, path: str, values: dict[str, Plain]) -> Settings:
        where = self.document.where
        return Settings(where=where(path), values=values, place=lambda key: where(f"{path}/{key}" if path else key))

    def each(self, section: str, make: Callable[[str, Settings], Item]) -> dict[str, Item]:
        """Every entry of a section; an entry with a mistake is left out and noted."""
        items: dict[str, Item] = {}
        if section not in self.document.content:
            return items
        with self.noted():
            for name in self.settings(section).values:
                with self.noted():
                    _check_name(name, self.document.where(f"{section}/{name}"))
                    items[name] = make(name, self.settings(f"{section}/{name}"))
        return items

    def section(self, name: str, make: Callable[[Settings], Item]) -> Item | None:
        """A section that is one thing; None where it is left out, and where it has a mistake, which is noted."""
        if name in self.document.content:
            with self.noted():
                return make(self.settings(name))
        return None

    def name(self, top: Settings) -> str:
        with self.noted():
            return trust.repo_name(top)
        return ""

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Group -> hosts; a group that has more to say than its hosts is a mapping."""
        if "groups" not in self.document.content:
            return {}
        hosts: dict[str, tuple[str, ...]] = {}
        with self.noted():
            settings = self.settings("groups")
            for name, value in settings.values.items():
                with self.noted():
                    hosts[name] = self.group(name).texts("hosts") if isinstance(value, dict) else settings.texts(name)
        return hosts

    def group(self, name: str) -> Settings:
        settings = self.settings(f"groups/{name}")
        settings.only("hosts", "variables")
        return settings

    def variables(self) -> dict[str, dict[str, str]]:
        """Host -> its variables: those of its groups, then its own."""
        texts: dict[str, dict[str, str]] = {}
        with suppress(ConfigError):  # whoever reads the groups and hosts themselves notes it
            for name, value in self.settings("groups").values.items() if "groups" in self.document.content else ():
                for host in self.group(name).texts("hosts") if isinstance(value, dict) else ():
                    texts.setdefault(host, {}).update(self.variables_of(f"groups/{name}"))
            for host in self.settings("hosts").values if "hosts" in self.document.content else ():
                texts.setdefault(host, {}).update(self.variables_of(f"hosts/{host}"))
        return texts

    def variables_of(self, path: str) -> dict[str, str]:
        if "variables" not in self.settings(path).values:
            return {}
        settings = self.settings(f"{path}/variables")
        with self.noted():
            for variable in settings.values:
                if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable) or "\0" in settings.text(variable):
                    raise settings.fail(f"'{variable}' cannot be a variable: letters, digits and '_' can")
            return {variable: settings.text(variable) for variable in settings.values}
        return {}

    def objective(self) -> timedelta:
        goal = timedelta(minutes=15)
        if "objective" in self.document.content:
            with self.noted():
                settings = self.settings("objective")
                settings.only("commit-to-integration")
                goal = settings.span("commit-to-integration")
        return goal

    def environment(self, name: str, settings: Settings) -> Environment:
        settings.only(
            "from", "follow", "gates", "hosts", "deploy", "after", "swaps-with", "balancer", "pool", "rollout"
        )
        path = f"environments/{name}"
        balancer, keep = self.balancer(path, settings)
        return Environment(
            name=name,
            origin=settings.text("from", ""),
            follow=entries.follow(settings),
            gates=self.gates(path, settings),
            groups=entries.host_groups(settings),
            **self.deploy(path, settings),
            after=self.after(path, settings),
            swaps_with=settings.text("swaps-with", ""),
            balancer=balancer,
            keep_sessions=keep,
            pool=entries.driver("pool", self.settings(f"{path}/pool")) if "pool" in settings.values else None,
            rolling=entries.rolling(self.settings(f"{path}/rollout")) if "rollout" in settings.values else Rolling(),
        )

    def deploy(self, path: str, settings: Settings) -> dict[str, Any]:
        """How an environment's hosts are changed: what the driver reads, and what holds for every driver."""
        if "deploy" not in settings.values:
            return {}
        below = self.settings(f"{path}/deploy")
        return {
            "deploy": entries.driver("deploy", below.without("at-once", "max-failed")),
            "at_once": entries.share(below, "at-once", NO_HOST, least=1) if "at-once" in below.values else None,
            "max_failed": entries.share(below, "max-failed", NO_HOST, least=0),
        }

    def balancer(self, path: str, settings: Settings) -> tuple[DriverSpec | None, timedelta | None]:
        if "balancer" not in settings.values:
            return None, None
        below = self.settings(f"{path}/balancer")
        keep = None
        if below.choice("sessions", ("keep", "end"), "end") == "keep":
            keep = below.span("life") if "life" in below.values else below.span("keep-for", "30 min")
        return entries.driver("balancer", below.without("keep-for")), keep

    def gates(self, path: str, settings: Settings) -> tuple[DriverSpec, ...]:
        entries = settings.values.get("gates", ())
        if not isinstance(entries, tuple):
            raise settings.fail("'gates' must be a list", "gates")
        specs = []
        for number, entry in enumerate(entries):
            place = f"{path}/gates/{number}"
            where = self.document.where(place)
            if not isinstance(entry, dict) or len(entry) != 1:
                raise ConfigError([f"{where}: a gate is one name with its settings, such as '- tests: {{suite: s}}'"])
            ((gate, below),) = entry.items()
            if not isinstance(below, dict):
                raise ConfigError([f"{where}: the settings of the gate '{gate}' must be a mapping"])
            specs.append(DriverSpec(driver=gate, settings=self.placed(f"{place}/{gate}", below)))
        return tuple(specs)

    def after(self, path: str, settings: Settings) -> tuple[After, ...]:
        consequences = []
        for name, value in settings.below("after").values.items():
            if isinstance(value, str):
                consequences.append(After(name=name, job=value))
                continue
            below = self.settings(f"{path}/after/{name}")
            below.only("command")
            consequences.append(After(name=name, command=below.texts("command")))
        return tuple(consequences)


def _check_name(name: str, where: str) -> None:
    if not re.fullmatch(NAME, name):
        raise ConfigError([f"{where}: the name '{name}' may hold letters, digits, '.', '_' and '-' only"])


def _check_requires(top: Settings) -> None:
    wanted = top.text("requires", "")
    if not wanted:
        return
    least = re.fullmatch(r">=\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,9})", wanted)
    if not least:
        raise top.fail(f"'requires' is '{wanted}', expected a form such as \">=0.1\"", "requires")
    if [int(n) for n in least[1].split(".")] > [int(n) for n in __version__.split(".")]:
        raise top.fail(f"this delivery repo requires sluicegate {wanted}, and this is {__version__}", "requires")
