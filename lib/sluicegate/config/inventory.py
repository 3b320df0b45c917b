"""Hosts and groups outside of sluicegate.yaml: an inventory of Ansible's shape, or what a program prints."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from sluicegate.errors import ConfigError, SluicegateError
from sluicegate.model.config import DriverSpec
from sluicegate.model.frozen import frozen
from sluicegate.model.settings import Plain, Settings
from sluicegate.tools import process

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
SECONDS = 60.0
OURS = "sluicegate"
"""The variable of a host in an inventory that has what only we read: ports, folder, jump, variables."""
KEYS = {"ansible_host": "address", "ansible_user": "user", "ansible_port": "port"}
Other = Callable[[str], bytes | None]
"""Reads another file of the delivery repo."""


@frozen
class Inventory:
    """What an inventory says. `variables`: host -> what its services find in their environment."""

    hosts: Mapping[str, DriverSpec] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def inventory(settings: Settings, read_other: Other) -> Callable[[], Inventory]:
    """What reads the inventory that `settings` name; it raises ConfigError with every mistake, as this does.

    A program is asked once in a run, so that a plan and its deploy have the same hosts.
    """
    settings.only("ansible", "command", "hosts")
    if ("ansible" in settings.values) == ("command" in settings.values):
        raise settings.fail("'inventory' needs either 'ansible', a file, or 'command', a list of words", "inventory")
    common = settings.below("hosts")
    if "command" in settings.values:
        words = settings.texts("command")
        if not words:
            raise settings.fail("'command' is empty, expected a program and its arguments", "command")
        return lambda: _Reading(" ".join(words), common).inventory(_printed(words, settings))
    file = settings.text("ansible")
    return lambda: _Reading(file, common).inventory(_content(file, settings, read_other))


def _content(file: str, settings: Settings, read_other: Other) -> bytes:
    """The inventory as JSON: read from a file, or made of one by ansible-inventory."""
    if not file.startswith("/"):
        content = read_other(file)
        if content is None:
            raise settings.fail(f"the delivery repo has no file '{file}'")
        if not _is_json(content):
            raise settings.fail(f"{file} is not JSON; write it with: ansible-inventory -i INVENTORY --list")
        return content
    try:
        content = Path(file).read_bytes()
    except IsADirectoryError:
        content = b""
    except OSError as problem:
        raise settings.fail(f"{file}: {problem.strerror or problem}") from problem
    return content if _is_json(content) else _printed(("ansible-inventory", "-i", file, "--list"), settings)


def _is_json(content: bytes) -> bool:
    return content.lstrip().startswith(b"{")


def _printed(words: tuple[str, ...], settings: Settings) -> bytes:
    try:
        return _asked_once(words)
    except SluicegateError as problem:
        raise settings.fail(f"the inventory could not be asked: {problem.message}") from problem


@functools.cache
def _asked_once(words: tuple[str, ...]) -> bytes:
    return process.run(words, timeout=SECONDS).stdout


class _Reading:
    """One reading of the JSON that `ansible-inventory --list` prints, with the mistakes found so far."""

    def __init__(self, source: str, common: Settings) -> None:
        self.source = source
        self.common = {"driver": "ssh", **common.values}
        self.mistakes: list[str] = []

    def inventory(self, content: bytes) -> Inventory:
        document = self.parsed(content)
        meta = document.pop("_meta", {})
        known = meta.get("hostvars", {}) if isinstance(meta, dict) else {}
        groups = self.groups(document)
        every = dict.fromkeys([*(host for hosts in groups.values() for host in hosts), *known])
        variables = {host: self.of_host(host, known.get(host, {})) for host in every}
        hosts = {host: self.spec(host, settings) for host, settings in variables.items()}
        self.refuse_shared(hosts)
        if self.mistakes:
            raise ConfigError([f"{self.source}: {mistake}" for mistake in self.mistakes])
        texts_by_host = {host: _texts(settings.get("variables", {})) for host, settings in variables.items()}
        return Inventory(
            hosts=hosts, groups=groups, variables={h: texts for h, texts in texts_by_host.items() if texts}
        )

    def parsed(self, content: bytes) -> dict[str, object]:
        def refuse_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
            self.mistakes += [f"'{name}' stands there twice" for name in _doubles(name for name, _ in pairs)]
            return dict(pairs)

        try:
            document = json.loads(content, object_pairs_hook=refuse_doubles)
        except (ValueError, RecursionError) as problem:
            raise ConfigError([f"{self.source}: this is not JSON: {problem}"]) from problem
        if not isinstance(document, dict):
            raise ConfigError([f"{self.source}: expected an object with groups, as ansible-inventory --list prints"])
        return document

    def groups(self, document: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
        """Group -> its hosts and those of the groups below it; groups without any are left out."""
        own: dict[str, list[str]] = {}
        below: dict[str, list[str]] = {}
        for name, value in document.items():
            group = value if isinstance(value, dict) else {"hosts": value}
            own[name], below[name] = self.names(name, group, "hosts"), self.names(name, group, "children")
            for host in _doubles(own[name]):
                self.mistakes.append(f"the group '{name}' names the host '{host}' twice")
        members = {name: tuple(_reached(name, own, below)) for name in own}
        for name in members:
            if members[name] and not re.fullmatch(NAME, name):
                self.mistakes.append(f"the name '{name}' may hold letters, digits, '.', '_' and '-' only")
        return {name: hosts for name, hosts in members.items() if hosts}

    def names(self, group: str, value: Mapping[str, object], key: str) -> list[str]:
        listed = value.get(key, [])
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
            return list(listed)
        self.mistakes.append(f"'{key}' of the group '{group}' is no list of names")
        return []

    def of_host(self, host: str, host_entry: object) -> dict[str, Plain]:
        """The host's settings as sluicegate.yaml would have them."""
        if not re.fullmatch(NAME, host):
            self.mistakes.append(f"the name of the host '{host}' may hold letters, digits, '.', '_' and '-' only")
        variables = host_entry if isinstance(host_entry, dict) else {}
        way = str(variables.get("ansible_connection", "ssh"))
        if way not in ("ssh", "smart"):
            self.mistakes.append(f"the host '{host}' is reached by '{way}', expected ssh")
        ansible = {ours: _plain(variables[theirs]) for theirs, ours in KEYS.items() if theirs in variables}
        ours = _plain(variables.get(OURS, {}))
        if not isinstance(ours, dict):
            self.mistakes.append(f"'{OURS}' of the host '{host}' must be a mapping")
            ours = {}
        settings = {**self.common, **ansible, **ours}
        for key, value in settings.items():
            if isinstance(value, str) and (value.startswith("-") or "{{" in value):
                self.mistakes.append(f"'{key}' of the host '{host}' is '{value}', expected a plain word")
        return settings

    def spec(self, host: str, settings: Mapping[str, Plain]) -> DriverSpec:
        rest = {key: value for key, value in settings.items() if key not in ("driver", "variables")}
        where = f"{self.source}: host '{host}'"
        return DriverSpec(driver=str(settings["driver"]), settings=Settings(where=where, values=rest))

    def refuse_shared(self, hosts: Mapping[str, DriverSpec]) -> None:
        """Note each machine that has two names: a deploy would change it twice at a time."""
        places: dict[tuple[Plain, ...], str] = {}
        for host, spec in hosts.items():
            values = spec.settings.values
            place = (values.get("address", host), *(values.get(key, "") for key in ("port", "jump", "folder")))
            if (taken_by := places.setdefault(place, host)) != host:
                self.mistakes.append(f"'{taken_by}' and '{host}' are one host: both are reached at {place[0]}")


def _reached(name: str, own: Mapping[str, list[str]], below: Mapping[str, list[str]]) -> Iterator[str]:
    """The hosts of a group and of all below it, each once."""
    seen: set[str] = set()
    groups, todo = {name}, [name]
    while todo:
        group = todo.pop(0)
        for host in own.get(group, ()):
            if host not in seen:
                seen.add(host)
                yield host
        todo += [child for child in below.get(group, ()) if child not in groups]
        groups.update(below.get(group, ()))


def _doubles(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _plain(value: object) -> Plain:
    """JSON as YAML's text scalars are."""
    if isinstance(value, dict):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _texts(value: Plain) -> dict[str, str]:
    return {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
