"""drift, parity, adopt: what the hosts really have."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from sluicegate.cli.output import as_json, delivery, print_json, print_table


@click.command()
@click.argument("environment", metavar="ENV")
@as_json
def drift(environment: str, as_json: bool) -> None:
    """What is not as pinned on an environment's hosts, since when, and what was changed by hand.

    Exit code 1 for a difference, 5 when no host could be asked, 7 when only some could.

    Example: sluicegate drift production
    """
    from sluicegate.delivery.answers.asking import partly
    from sluicegate.delivery.answers.drift import drift as read_drift

    with delivery() as repo:
        found = read_drift(repo.state(), environment)
    if as_json:
        print_json(found.json())
    elif not found.drifted:
        click.echo(f"{environment}: {len(found.hosts)} hosts have what is pinned")
    else:
        rows = [
            [one.host, one.component, one.pinned or "-", one.installed or "-", one.cause,
             f"{one.since:%Y-%m-%d %H:%M}" if one.since else "unknown"]
            for one in found.drifted
        ]  # fmt: skip
        print_table(["host", "component", "pinned", "installed", "why", "since (UTC)"], rows)
    if found.asked.silent:
        raise partly(found.asked.silent_lines, len(found.drifted))
    if found.drifted:
        sys.exit(1)


@click.command()
@click.argument("one", metavar="ENV")
@click.argument("other", metavar="ENV")
@as_json
def parity(one: str, other: str, as_json: bool) -> None:
    """What two environments have differently: the way of deploying, versions, system, Python or Java, packages.

    Exit code 1 for a difference, 5 when no host of one of them could be asked, 7 when only some could.

    Example: sluicegate parity staging production
    """
    from sluicegate.delivery.answers.asking import partly
    from sluicegate.delivery.answers.parity import parity as read_parity

    with delivery() as repo:
        found = read_parity(repo.state(), one, other)
    if as_json:
        print_json(found.json())
    elif not found.differences:
        click.echo(f"{one} and {other} are alike")
    else:
        print_table(
            ["what", one, other], [[each.what, _shown(each.one), _shown(each.other)] for each in found.differences]
        )
    if found.silent:
        raise partly(found.silent, len(found.differences))
    if found.differences:
        sys.exit(1)


def _shown(values: Mapping[str, tuple[str, ...]]) -> str:
    """The value; where hosts disagree, each with those that have it."""
    if len(values) == 1:
        return next(iter(values)) or "-"
    return "; ".join(f"{value or '-'} ({', '.join(hosts)})" for value, hosts in values.items())
