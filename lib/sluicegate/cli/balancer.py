"""balancer config."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sluicegate.cli.output import delivery
from sluicegate.errors import UnknownName


@click.group()
def balancer() -> None:
    """What leads users to the groups.

    Example: sluicegate balancer config production
    """


@balancer.command()
@click.argument("environment", metavar="ENV")
@click.option("--against", type=click.Path(path_type=Path), metavar="FILE", help="Print what this one lacks (exit 1).")
def config(environment: str, against: Path | None) -> None:
    """Print what the server behind an environment's balancer is to be started with; again when hosts change.

    Example: sluicegate balancer config production > caddy.json && caddy run --config caddy.json
    """
    from sluicegate.delivery.changes.balancing import configuration

    with delivery() as repo:
        text = configuration(repo.state(), environment, against=_read(against) if against else None)
    click.echo(text, nl=False)
    if against and text:
        sys.exit(1)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as problem:
        raise UnknownName(f"{path} cannot be read: {problem.strerror}") from problem
