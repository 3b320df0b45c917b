"""drift, parity, adopt: what the hosts really have."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from sluicegate.cli.output import as_json, delivery, did, dry_run, echo, print_json, print_table, why
from sluicegate.model.printable import counted


@click.command()
@click.argument("environment", metavar="ENV")
@as_json
def drift(environment: str, as_json: bool) -> None:
    """What is not as pinned on an environment's hosts, since when, and what was changed by hand.

    Exit code 1 for a difference, 5 when no host answered, 7 when only some did.

    Example: sluicegate drift production
    """
    from sluicegate.delivery.answers.asking import partly
    from sluicegate.delivery.answers.drift import drift as read_drift

    with delivery() as repo:
        drifted = read_drift(repo.state(), environment)
    if as_json:
        from sluicegate.cli.shapes import reality

        print_json(reality.reality(drifted))
    elif not drifted.differs:
        echo(f"{environment}: what is pinned runs on {counted(len(drifted.hosts), 'host', 'hosts')}")
    elif drifted.drifted:
        rows = [
            [row.host, row.component, row.pinned or "-", row.installed or "-", row.cause,
             f"{row.since:%Y-%m-%d %H:%M}" if row.since else "unknown"]
            for row in drifted.drifted
        ]  # fmt: skip
        print_table(["host", "component", "pinned", "installed", "why", "since (UTC)"], rows)
    if not as_json:
        for host, word in drifted.reported.items():
            echo(f"{host} reported, of its run at {word.run[:19]}: {word.problem}")
    if drifted.survey.silent:
        raise partly(drifted.survey.silent_lines, drifted.differs)
    if drifted.differs:
        sys.exit(1)


@click.command()
@click.argument("first", metavar="ENV")
@click.argument("second", metavar="ENV")
@as_json
def parity(first: str, second: str, as_json: bool) -> None:
    """What two environments have differently: the way of deploying, versions, system, Python or Java, packages.

    Exit code 1 for a difference, 5 when no host of one of them answered, 7 when only some did.

    Example: sluicegate parity staging production
    """
    from sluicegate.delivery.answers.asking import partly
    from sluicegate.delivery.answers.parity import parity as read_parity

    with delivery() as repo:
        compared = read_parity(repo.state(), first, second)
    if as_json:
        from sluicegate.cli.shapes import reality

        print_json(reality.likeness(compared))
    elif not compared.differences:
        echo(f"{first} and {second} are alike")
    else:
        print_table(
            ["what", first, second],
            [[each.what, _shown(each.first), _shown(each.second)] for each in compared.differences],
        )
    if compared.silent:
        raise partly(compared.silent, len(compared.differences))
    if compared.differences:
        sys.exit(1)


def _shown(values: Mapping[str, tuple[str, ...]]) -> str:
    """The value; where hosts disagree, each with those that have it."""
    if len(values) == 1:
        return next(iter(values)) or "-"
    return "; ".join(f"{value or '-'} ({', '.join(hosts)})" for value, hosts in values.items())


@click.command()
@click.argument("environment", metavar="ENV")
@why
@as_json
@dry_run
def adopt(environment: str, why: str, as_json: bool, dry_run: bool) -> None:
    """Take what an environment's hosts have already as its pins, and those versions into the ledger.

    It changes no host, and the next deploy has nothing to do. Exit code 1 where hosts have different versions, or the
    repository lacks one; 7 when some hosts did not answer.

    Example: sluicegate adopt production --dry-run
    """
    from sluicegate.delivery.answers.asking import partly
    from sluicegate.delivery.changes.adopt import adopt as adopt_environment

    with delivery() as repo:
        adoption = adopt_environment(repo, environment, why=why, dry_run=dry_run)
        follows = repo.state().config.environment(environment).follow is not None
    if as_json:
        from sluicegate.cli.shapes import reality

        print_json(reality.taking(adoption))
    else:
        for component, version in adoption.adopted.items():
            did("adopt", f"{component}={version} in {environment}", dry=dry_run)
        for component, values in adoption.mixed.items():
            echo(f"not adopted: {component} differs: {_shown(values)}; deploy one version there, or pin one")
        for component, reason in adoption.missing.items():
            echo(f"not adopted: {component} {reason}")
        for component, version in adoption.kept.items():
            echo(f"not adopted: {component} is pinned at {version} already: sluicegate drift {environment}")
        if adoption.absent:
            echo(f"no host has: {', '.join(adoption.absent)}")
        if follows:
            echo(f"what following latest would move: sluicegate sync {environment} --dry-run")
    if adoption.silent:
        raise partly(adoption.silent, len(adoption.mixed))
    if not adoption.whole:
        sys.exit(1)
