"""balancer."""

from __future__ import annotations

import click

from sluicegate.cli.output import delivery


@click.command()
@click.argument("environment", metavar="ENV")
def balancer(environment: str) -> None:
    """Print what the server behind an environment's balancer is to be started with; again when hosts change.

    Example: sluicegate balancer production > caddy.json && caddy run --config caddy.json
    """
    from sluicegate.delivery.changes.balancing import configuration

    with delivery() as repo:
        click.echo(configuration(repo.state(), environment), nl=False)
