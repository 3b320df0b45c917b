"""sluicegate.yaml -> Config: strict, all mistakes at once, each as file:line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

from sluicegate import __version__
from sluicegate.errors import ConfigError
from sluicegate.model.config import (
    NO_HOST,
    TAG_VERSION,
    TEN_HOSTS,
    VERBS,
    After,
    Component,
    Config,
    DriverSpec,
    Environment,
    Follow,
    Jenkins,
    Role,
    Share,
)
from sluicegate.model.numbers import whole
from sluicegate.model.settings import Settings, suggestion
from sluicegate.tools import yamltext

FILE = "sluicegate.yaml"
SECTIONS = (
    "requires",
    "jenkins",
    "repositories",
    "components",
    "roles",
    "hosts",
    "groups",
    "environments",
    "objective",
)
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
Item = TypeVar("Item")


def read_config(content: bytes, file: str = FILE) -> Config:
    """Parse and check the configuration. Raises ConfigError with every mistake found."""
    return _Reading(yamltext.read(content, file)).config()


class _Reading:
    """One reading of the file, with the mistakes found so far."""

    def __init__(self, document: yamltext.Document) -> None:
        self.document = document
        self.mistakes: list[str] = []

    def config(self) -> Config:
        top = self.settings("")
        with self.noted():
            top.only(*SECTIONS)
        with self.noted():
            _check_requires(top)
        config = Config(
            repositories=self.each("repositories", _driver),
            components=self.each("components", _component),
            roles=self.each("roles", _role),
            hosts=self.each("hosts", _host),
            groups=self.groups(),
            variables=self.variables(),
            environments=self.each("environments", self.environment),
            objective=self.objective(),
            jenkins=self.jenkins(),
        )
        if not self.mistakes:
            self.cross_check(config)
        if self.mistakes:
            raise ConfigError(self.mistakes)
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
        return Settings(where=self.document.where(path), values=value)

    def each(self, section: str, make: Callable[[str, Settings], Item]) -> dict[str, Item]:
        """Every entry of a section; an entry with a mistake is left out and noted."""
        made: dict[str, Item] = {}
        if section not in self.document.content:
            return made
        with self.noted():
            for name in self.settings(section).values:
                with self.noted():
                    _check_name(name, self.document.where(f"{section}/{name}"))
                    made[name] = make(name, self.settings(f"{section}/{name}"))
        return made

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Group -> hosts; a group that has more to say than its hosts is a mapping."""
        if "groups" not in self.document.content:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        with self.noted():
            settings = self.settings("groups")
            for name, value in settings.values.items():
                with self.noted():
                    found[name] = self.group(name).texts("hosts") if isinstance(value, dict) else settings.texts(name)
        return found

    def group(self, name: str) -> Settings:
        settings = self.settings(f"groups/{name}")
        settings.only("hosts", "variables")
        return settings

    def variables(self) -> dict[str, dict[str, str]]:
        """Host -> its variables: those of its groups, then its own."""
        found: dict[str, dict[str, str]] = {}
        with suppress(ConfigError):  # whoever reads the groups and hosts themselves notes it
            for name, value in self.settings("groups").values.items() if "groups" in self.document.content else ():
                for host in self.group(name).texts("hosts") if isinstance(value, dict) else ():
                    found.setdefault(host, {}).update(self.variables_of(f"groups/{name}"))
            for host in self.settings("hosts").values if "hosts" in self.document.content else ():
                found.setdefault(host, {}).update(self.variables_of(f"hosts/{host}"))
        return found

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
        found = timedelta(minutes=15)
        if "objective" in self.document.content:
            with self.noted():
                settings = self.settings("objective")
                settings.only("commit-to-integration")
                found = settings.span("commit-to-integration")
        return found

    def jenkins(self) -> Jenkins | None:
        if "jenkins" not in self.document.content:
            return None
        with self.noted():
            settings = self.settings("jenkins")
            settings.only("url", "user", "token", "ca", "proxy")
            url = settings.address("url")
            lacking = [key for key in ("user", "token") if key not in settings.values]
            if lacking:
                raise settings.fail(
                    f"'jenkins' has no {' and no '.join(lacking)}: builds could neither be read nor started;"
                    " write user: NAME, token: {env: JENKINS_TOKEN}"
                )
            token = settings.below("token")
            token.only("env")
            ca = settings.text("ca", "")
            if ca and not ca.startswith("/"):
                raise settings.fail(f"'ca' is '{ca}', expected an absolute path of certificates in PEM")
            return Jenkins(
                url=url, user=settings.text("user"), token_variable=token.text("env"), ca=ca,
                proxy=settings.address("proxy", ""),
            )  # fmt: skip
        return None

    def environment(self, name: str, settings: Settings) -> Environment:
        settings.only("from", "follow", "gates", "hosts", "deploy", "after", "swaps-with", "balancer")
        path = f"environments/{name}"
        balancer, keep = self.balancer(path, settings)
        return Environment(
            name=name,
            origin=settings.text("from", ""),
            follow=_follow(settings),
            gates=self.gates(path, settings),
            groups=_host_groups(settings),
            **self.deploy(path, settings),
            after=self.after(path, settings),
            swaps_with=settings.text("swaps-with", ""),
            balancer=balancer,
            keep_sessions=keep,
        )

    def deploy(self, path: str, settings: Settings) -> dict[str, Any]:
        """How an environment's hosts are changed: what the driver reads, and what holds for every driver."""
        if "deploy" not in settings.values:
            return {}
        below = self.settings(f"{path}/deploy")
        rest = {key: value for key, value in below.values.items() if key not in ("at-once", "max-failed")}
        return {
            "deploy": _driver("deploy", Settings(where=below.where, values=rest)),
            "at_once": _share(below, "at-once", TEN_HOSTS, least=1),
            "max_failed": _share(below, "max-failed", NO_HOST, least=0),
        }

    def balancer(self, path: str, settings: Settings) -> tuple[DriverSpec | None, timedelta | None]:
        if "balancer" not in settings.values:
            return None, None
        below = self.settings(f"{path}/balancer")
        keep = None
        if below.choice("sessions", ("keep", "end"), "end") == "keep":
            keep = below.span("life") if "life" in below.values else below.span("keep-for", "30 min")
        rest = {key: value for key, value in below.values.items() if key != "keep-for"}
        return _driver("balancer", Settings(where=below.where, values=rest)), keep

    def gates(self, path: str, settings: Settings) -> tuple[DriverSpec, ...]:
        entries = settings.values.get("gates", ())
        if not isinstance(entries, tuple):
            raise settings.fail("'gates' must be a list")
        specs = []
        for number, entry in enumerate(entries):
            where = self.document.where(f"{path}/gates/{number}")
            if not isinstance(entry, dict) or len(entry) != 1:
                raise ConfigError([f"{where}: a gate is one name with its settings, such as '- tests: {{suite: s}}'"])
            ((gate, below),) = entry.items()
            if not isinstance(below, dict):
                raise ConfigError([f"{where}: the settings of the gate '{gate}' must be a mapping"])
            specs.append(DriverSpec(driver=gate, settings=Settings(where=where, values=below)))
        return tuple(specs)

    def after(self, path: str, settings: Settings) -> tuple[After, ...]:
        found = []
        for name, value in settings.below("after").values.items():
            if isinstance(value, str):
                found.append(After(name=name, job=value))
                continue
            below = self.settings(f"{path}/after/{name}")
            below.only("command")
            found.append(After(name=name, command=below.texts("command")))
        return tuple(found)

    def cross_check(self, config: Config) -> None:
        """Names that must exist elsewhere in the file."""
        for component in config.components.values():
            place = f"components/{component.name}"
            self.known(f"{place}/repository", component.repository, config.repositories, "repository")
            for needed in component.needs:
                self.known(f"{place}/needs", needed, config.components, "component")
        for group, hosts in config.groups.items():
            if not hosts:
                self.mistake(f"groups/{group}", f"the group '{group}' has no hosts")
            for host in hosts:
                self.known(f"groups/{group}", host, config.hosts, "host")
        for environment in config.environments.values():
            self.cross_check_environment(config, environment)
        if not self.mistakes:
            self.check_cycles(config)

    def cross_check_environment(self, config: Config, environment: Environment) -> None:
        place = f"environments/{environment.name}"
        for after in environment.after:
            if after.job and config.jenkins is None:
                self.mistake(f"{place}/after/{after.name}", f"the job '{after.job}' needs 'jenkins: {{url: ...}}'")
        if environment.origin:
            self.known(f"{place}/from", environment.origin, config.environments, "environment")
        for group in environment.groups:
            self.known(f"{place}/hosts", group, config.groups, "group")
        if not environment.swaps_with:
            return
        self.known(f"{place}/swaps-with", environment.swaps_with, config.environments, "environment")
        partner = config.environments.get(environment.swaps_with)
        if partner and (len(environment.groups) != 2 or set(partner.groups) != set(environment.groups)):
            self.mistake(
                f"{place}/swaps-with",
                f"'{environment.name}' and '{partner.name}' must both have the same 'hosts: {{one-of: [A, B]}}'",
            )
        if partner and environment.origin != partner.name:
            self.mistake(
                f"{place}/swaps-with", f"'{environment.name}' must have 'from: {partner.name}' to swap with it"
            )
        if environment.balancer is None:
            self.mistake(f"{place}/swaps-with", "a swap needs a 'balancer'")

    def check_cycles(self, config: Config) -> None:
        for name in config.components:
            if name in _reached(name, lambda one: config.components[one].needs):
                self.mistake(f"components/{name}/needs", f"'{name}' needs itself in the end")
        for name in config.environments:
            if name in _reached(name, lambda one: tuple(filter(None, [config.environments[one].origin]))):
                self.mistake(f"environments/{name}/from", f"versions would flow from '{name}' into itself")

    def known(self, path: str, name: str, names: object, kind: str) -> None:
        known = list(names)  # type: ignore[call-overload]
        if name not in known:
            self.mistake(path, f"no {kind} is called '{name}'.{suggestion(name, known)}")


def _reached(start: str, follow: Callable[[str], tuple[str, ...]]) -> set[str]:
    """All names reachable from `start`, itself only when there is a cycle."""
    reached: set[str] = set()
    todo = list(follow(start))
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo.extend(follow(name))
    return reached


def _check_name(name: str, where: str) -> None:
    if not re.fullmatch(NAME, name):
        raise ConfigError([f"{where}: the name '{name}' may hold letters, digits, '.', '_' and '-' only"])


def _check_requires(top: Settings) -> None:
    wanted = top.text("requires", "")
    if not wanted:
        return
    found = re.fullmatch(r">=\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,9})", wanted)
    if not found:
        raise top.fail(f"'requires' is '{wanted}', expected a form such as \">=0.1\"")
    if [int(n) for n in found[1].split(".")] > [int(n) for n in __version__.split(".")]:
        raise top.fail(f"this delivery repo requires sluicegate {wanted}, and this is {__version__}")


def _driver(name: str, settings: Settings) -> DriverSpec:
    rest = {key: value for key, value in settings.values.items() if key != "driver"}
    return DriverSpec(driver=settings.text("driver"), settings=Settings(where=settings.where, values=rest))


def _share(settings: Settings, key: str, default: Share, *, least: int) -> Share:
    if key not in settings.values:
        return default
    text = settings.text(key)
    number = whole(text.removesuffix("%"), least=least, most=100 if text.endswith("%") else 100_000)
    if number is None:
        raise settings.fail(f"'{key}' is '{text}', expected a number of hosts from {least} on, or a share such as 25%")
    return Share(number=number, percent=text.endswith("%"))


def _host(name: str, settings: Settings) -> DriverSpec:
    rest = {key: value for key, value in settings.values.items() if key != "variables"}
    return _driver(name, Settings(where=settings.where, values=rest))


def _component(name: str, settings: Settings) -> Component:
    settings.only("repository", "group", "versions", "git", "branch", "needs", "probe", "issues", "tag-pattern")
    return Component(
        name=name,
        repository=settings.text("repository"),
        group=settings.text("group", ""),
        versions=settings.choice("versions", ("semver", "maven", "deb", "rpm"), "semver"),
        git=settings.text("git", ""),
        branch=settings.text("branch", ""),
        needs=settings.texts("needs"),
        probe=settings.text("probe", "/version"),
        issues=_issues(settings),
        tag_pattern=_tag_pattern(settings),
    )


def _issues(settings: Settings) -> str:
    pattern = settings.text("issues", "")
    try:
        re.compile(pattern)
    except re.error as problem:
        raise settings.fail(f"'issues' is '{pattern}', which is no pattern: {problem}") from problem
    return pattern


def _tag_pattern(settings: Settings) -> str:
    pattern = settings.text("tag-pattern", "")
    if pattern and pattern.count(TAG_VERSION) != 1:
        raise settings.fail(
            f"'tag-pattern' is '{pattern}', expected {TAG_VERSION} once, such as 'release-{TAG_VERSION}'"
        )
    return pattern


def _role(name: str, settings: Settings) -> Role:
    settings.only("members", "jobs")
    if not isinstance(settings.values.get("jobs", {}), dict):
        jobs = ", ".join(settings.texts("jobs"))
        meant = ", ".join(f"{verb}: [{jobs}]" for verb in ("approve", "reject"))
        raise settings.fail(
            f"'jobs' says for each verb which jobs may carry it, as a job that rejects must not prove an approval;"
            f" write jobs: {{{meant}}}, each with the jobs of that verb alone"
        )
    below = settings.below("jobs")
    below.only(*VERBS)
    return Role(name=name, members=settings.texts("members"), jobs={verb: below.texts(verb) for verb in below.values})


def _follow(settings: Settings) -> Follow | None:
    value = settings.values.get("follow")
    if value is None:
        return None
    if value == "latest":
        return Follow()
    below = settings.below("follow")
    below.only("range")
    return Follow(range=below.text("range"))


def _host_groups(settings: Settings) -> tuple[str, ...]:
    value = settings.values.get("hosts", ())
    if isinstance(value, str):
        return (value,)
    below = settings.below("hosts")
    below.only("one-of")
    return below.texts("one-of")
