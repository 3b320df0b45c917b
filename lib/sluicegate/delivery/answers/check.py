"""Check a delivery repo: everything is read, and every mistake named; in a work tree before it is committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sluicegate.delivery.book import versions
from sluicegate.delivery.book.pins import pins_path, read_pins
from sluicegate.delivery.book.signed import PAGE
from sluicegate.delivery.book.state import CONFIG_FILE, LEDGER, MAIN, SERVERS_FILE, State
from sluicegate.delivery.moves.pinning import edited_pins
from sluicegate.errors import (
    ConfigError,
    Malformed,
    NotFound,
    SluicegateError,
    UnknownName,
)
from sluicegate.model.config import Config, Environment
from sluicegate.model.settings import suggestion
from sluicegate.tools import yamltext
from sluicegate.tools.git import Store
from sluicegate.tools.git.command import git
from sluicegate.tools.git.place import work_tree

Answer = TypeVar("Answer")


class WorkTree(State):
    """What the delivery repo would say with the files of this folder on `main`."""

    def __init__(self, state: State, folder: Path) -> None:
        super().__init__(state.store, state.drivers, state.now)
        self.folder = folder

    def file(self, path: str) -> bytes | None:
        """As Git would take it: of a link where it leads to."""
        place = self.folder / path
        try:
            return os.fsencode(os.readlink(place)) if place.is_symlink() else place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise ConfigError([f"{path}: it cannot be read: {problem.strerror}"]) from problem

    def pin_files(self) -> tuple[str, ...]:
        try:
            names = os.listdir(self.folder / "environments")
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as problem:
            raise ConfigError([f"environments: it cannot be read: {problem.strerror}"]) from problem
        return tuple(sorted(name for name in names if name.endswith(".yaml")))


def looked_at(state: State) -> tuple[State, str]:
    """What is to be checked, and a sentence on it: the work tree where it has something of its own, else `main`."""
    tree, shared = work_tree(state.store.location), state.store.shown
    if tree is None:
        return state, ""
    mine = WorkTree(state, tree)
    paths = {CONFIG_FILE, SERVERS_FILE, *(f"environments/{name}" for name in (*state.pin_files(), *mine.pin_files()))}
    changed = ", ".join(sorted(path for path in paths if state.file(path) != mine.file(path)))
    if not changed:
        return state, ""
    dirty = _git(tree, "status", "--porcelain", "--untracked-files=all", "--", *sorted(paths))
    shared_here = "--remotes" if state.store.clone else f"--branches={MAIN}"
    if not dirty and not _git(tree, "rev-list", "--max-count=1", "HEAD", "--not", shared_here):
        return state, f"this is what {shared} has; the work tree here is older: git pull"
    where = "main" if str(tree) in (shared, shared.removesuffix("/.git")) else shared
    behind = git("merge-base", "--is-ancestor", state.tips[MAIN], "HEAD", folder=tree, check=False)
    sentence = f"this is the work tree here; {where} has another {changed}"
    return mine, sentence if behind.status == 0 else f"{sentence}, and commits that are not here: git pull --rebase"


def _git(tree: Path, *words: str) -> str:
    return git(*words, folder=tree, check=False).text.strip()


def rewinding(store: Store) -> str:
    """A word on a repository whose history can be pushed away, or of which nobody here can know it; else empty."""
    if not Path(store.remote).is_dir():
        return f"whether {store.shown} refuses to be rewound cannot be known from here: ask its keepers"
    wanted = ("receive.denyNonFastForwards", "receive.denyDeletes")
    folder = Path(store.remote)
    settings = {name: git("config", "--type=bool", "--get", name, repository=folder, check=False) for name in wanted}
    missing = [name for name, answer in settings.items() if answer.text.strip() != "true"]
    commands = "; ".join(f"git -C {folder} config {name} true" for name in missing)
    return f"history can be pushed away from {folder}; forbid it: {commands}" if missing else ""


def forging(config: Config) -> str:
    """A word on a repository where whoever may push decides in anybody's name; else empty."""
    if config.signing is not None:
        return ""
    return f"a copied line of the ledger counts: records are not signed (evidence: {{signed-by: FILE}}, {PAGE})"


def left_alone(state: State) -> tuple[str, ...]:
    """A word on each server of a balancer that is out: as long as it is, users who come through it reach no swap."""
    return tuple(
        f"{environment.name}: the balancer {name} is out since {out.at:%Y-%m-%d %H:%M} UTC by {out.by.user}: {out.why};"
        f" once it is well: sluicegate balancer in {name}"
        for environment in state.config.environments.values()
        for name, out in sorted(state.balancers_out(environment).items())
    )


def unknown_groups(state: State) -> tuple[str, ...]:
    """A word on each directory that could not be asked for the groups of roles.

    Raises ConfigError with every group that is not there.
    """
    mistakes: list[str] = []
    silent: dict[str, str] = {}
    for role in state.config.roles.values():
        for group in role.groups:
            if group.directory in silent:
                continue
            try:
                state.drivers.directory(state.config, group.directory).refuse_unknown(group.name)
            except (NotFound, Malformed) as problem:
                mistakes.append(f"{group.where}: the role '{role.name}': {problem.message}")
            except SluicegateError as problem:
                silent[group.directory] = f"the groups of '{group.directory}' were not looked for: {problem.message}"
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(silent.values())


def check_repo(state: State, check_drivers: Callable[[Config], None] = lambda config: None) -> dict[str, int]:
    """Read everything. Raises ConfigError with all mistakes; returns how much there is of what."""
    config = state.config
    _signing(state)  # without that nothing in the ledger could be judged
    mistakes: list[str] = []
    hints: list[str] = []

    def tried(action: Callable[..., Answer], *words: object) -> Answer | None:
        try:
            return action(*words)
        except ConfigError as problem:
            mistakes.extend(m for m in problem.mistakes if m not in mistakes)
            hints.append(problem.hint)
            return None

    tried(check_drivers, config)
    drivers_are_well = not mistakes
    mistakes += _shared_addresses(state) if drivers_are_well else ()
    for name in state.pin_files():
        meant = name.removesuffix(".yaml")
        if name.endswith(".yaml") and meant not in config.environments:
            known = suggestion(meant, list(config.environments))
            mistakes.append(f"environments/{name}: no environment is called '{meant}'.{known}")
    tried(lambda: state.servers)
    pins = 0
    for environment in config.environments.values():
        tried(state.group, environment)
        mistakes += _unknown_versions(state, environment)
        pins_there = tried(state.pins, environment.name)
        if pins_there is not None:
            pins += len(pins_there)
            mistakes += _edited(state, environment)
            mistakes += _without_address(state, environment) if drivers_are_well else ()
        mistakes += _wrong_range(state, environment)
    if mistakes:
        raise ConfigError(mistakes, hint="; ".join(filter(None, dict.fromkeys(hints))))
    return {"components": len(config.components), "environments": len(config.environments), "pins": pins}


def _signing(state: State) -> None:
    """Raise ConfigError where nobody could say which records count."""
    if state.signatures and state.config.signing:
        _ = state.signatures.signers
        since = state.config.signing.since
        if since and not (state.store.has(since) and state.store.descends(state.tips[LEDGER], since)):
            lines = yamltext.read(state.file(CONFIG_FILE) or b"", CONFIG_FILE)
            raise ConfigError([f"{lines.where('evidence/since')}: the ledger has no commit {since} in its history"])


def _shared_addresses(state: State) -> Iterator[str]:
    """Two components that would listen at one address: on one host, or on two hosts of one machine."""
    taken: dict[str, str] = {}
    for name, host in state.config.hosts.items():
        for component in state.config.components:
            with suppress(NotFound):
                address = state.drivers.host(state.config, name).address(component)
                what = f"{component} on {name}"
                if (taken_by := taken.setdefault(address, what)) != what:
                    yield f"{host.settings.where}: {what} has the address {address} of {taken_by}: give it another port"


def _unknown_versions(state: State, environment: Environment) -> list[str]:
    """Pins of versions that are not there."""
    path = pins_path(environment.name)
    try:
        pins = read_pins(state.file(path), path)
    except ConfigError:  # it is told where the state reads them
        return []
    unknown = []
    lines = yamltext.read(state.file(path) or b"", path)
    for component, pin in pins.items():
        try:
            if component in state.config.components:
                state.known_story(component, pin.version)
        except UnknownName as problem:
            unknown.append(f"{lines.where(component)}: {problem.message}")
    return unknown


def _edited(state: State, environment: Environment) -> list[str]:
    """Pins of a production that swaps and that are not what its last swap made."""
    try:
        edited = edited_pins(state, environment) if environment.swaps_with else ""
    except ConfigError:  # unknown roles, which are told where the state reads them
        return []
    return [f"{pins_path(environment.name)}: {edited}"] if edited else []


def _without_address(state: State, environment: Environment) -> Iterator[str]:
    """Hosts that a pinned component is to run on and that have no place for it."""
    path = pins_path(environment.name)
    lines = yamltext.read(state.file(path) or b"", path)
    for group in environment.groups:
        for name in state.config.groups[group]:
            for component in state.pins(environment.name):
                try:
                    state.drivers.host(state.config, name).address(component)
                except NotFound as problem:
                    yield f"{lines.where(component)}: {component} is pinned, and {problem.message}"


def _wrong_range(state: State, environment: Environment) -> list[str]:
    """A range that `follow` names and that is none for a component."""
    if environment.follow is None:
        return []
    try:
        for scheme in dict.fromkeys(component.versions for component in state.config.components.values()):
            versions.matching(scheme, (), environment.follow.range)
    except Malformed as problem:
        lines = yamltext.read(state.file(CONFIG_FILE) or b"", CONFIG_FILE)
        return [f"{lines.where(f'environments/{environment.name}/follow')}: {problem.message}"]
    return []
