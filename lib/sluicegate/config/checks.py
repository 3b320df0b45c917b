"""What one entry of sluicegate.yaml says of another: names that must exist, pairs that fit, nothing in a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sluicegate.model.config import Config, Environment, Rolling
from sluicegate.model.settings import suggestion

Mistake = Callable[[str, str], None]
"""Notes a mistake: the entry's path, such as groups/blue, and what is wrong."""


def cross_check(config: Config, mistake: Mistake) -> None:
    """Names that must exist elsewhere in the file."""
    for component in config.components.values():
        place = f"components/{component.name}"
        _known(mistake, f"{place}/repository", component.repository, config.repositories, "repository")
        for needed in component.needs:
            _known(mistake, f"{place}/needs", needed, config.components, "component")
    for role in config.roles.values():
        for group in role.groups:
            _known(mistake, f"roles/{role.name}", group.directory, config.directories, "directory")
    for environment in config.environments.values():
        _cross_check_environment(config, environment, mistake)


def cross_check_hosts(config: Config, mistake: Mistake) -> None:
    """Names of hosts and groups, which an inventory may have; those that groups and environments name must exist."""
    for group, hosts in config.groups.items():
        if not hosts:
            mistake(f"groups/{group}", f"the group '{group}' has no hosts")
        for host in hosts:
            _known(mistake, f"groups/{group}", host, config.hosts, "host")
    for environment in config.environments.values():
        for group in environment.groups:
            _known(mistake, f"environments/{environment.name}/hosts", group, config.groups, "group")


def _cross_check_environment(config: Config, environment: Environment, mistake: Mistake) -> None:
    place = f"environments/{environment.name}"
    for after in environment.after:
        if after.job and config.jenkins is None:
            mistake(f"{place}/after/{after.name}", f"the job '{after.job}' needs 'jenkins: {{url: ...}}'")
    if environment.origin:
        _known(mistake, f"{place}/from", environment.origin, config.environments, "environment")
    _check_pool(config, environment, mistake)
    if not environment.swaps_with:
        return
    _known(mistake, f"{place}/swaps-with", environment.swaps_with, config.environments, "environment")
    partner = config.environments.get(environment.swaps_with)
    if partner and (len(environment.groups) != 2 or set(partner.groups) != set(environment.groups)):
        mistake(
            f"{place}/swaps-with",
            f"'{environment.name}' and '{partner.name}' must both have the same 'hosts: {{one-of: [A, B]}}'",
        )
    if partner and environment.origin != partner.name:
        mistake(f"{place}/swaps-with", f"'{environment.name}' must have 'from: {partner.name}' to swap with it")
    if environment.balancer is None:
        mistake(f"{place}/swaps-with", "a swap needs a 'balancer'")


def _check_pool(config: Config, environment: Environment, mistake: Mistake) -> None:
    place = f"environments/{environment.name}"
    if environment.rolling.approval:
        _known(mistake, f"{place}/rollout", environment.rolling.approval, config.roles, "role")
    if environment.pool is None:
        if environment.rolling != Rolling():
            mistake(f"{place}/rollout", f"'{environment.name}' has a 'rollout' and no 'pool' that it could drain")
    elif len(environment.groups) != 1 or environment.deploy is None:
        mistake(
            f"{place}/pool", f"a pool needs 'hosts' with one group, and 'deploy'; '{environment.name}' has not both"
        )


def check_cycles(config: Config, mistake: Mistake) -> None:
    """What needs itself in the end, or flows into itself."""
    for name in config.components:
        if name in _reached(name, lambda component: config.components[component].needs):
            mistake(f"components/{name}/needs", f"'{name}' needs itself in the end")
    for name in config.environments:
        if name in _reached(name, lambda environment: tuple(filter(None, [config.environments[environment].origin]))):
            mistake(f"environments/{name}/from", f"versions would flow from '{name}' into itself")


def _known(mistake: Mistake, path: str, name: str, names: Iterable[str], kind: str) -> None:
    known = list(names)
    if name not in known:
        mistake(path, f"no {kind} is called '{name}'.{suggestion(name, known)}")


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
