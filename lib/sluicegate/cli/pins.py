"""promote, pin, unpin, hold, unhold."""

from __future__ import annotations

from datetime import date, datetime

import click

from sluicegate.cli.output import (
    as_json,
    delivery,
    did,
    dry_run,
    echo,
    in_environment,
    print_json,
    split,
    split_exact,
    to_environment,
    why,
)  # fmt: skip
from sluicegate.errors import UsageError


@click.command()
@click.argument("versions", metavar="COMPONENT[=VERSION]...", nargs=-1, required=True)
@to_environment
@click.option("--downgrade", multiple=True, metavar="COMPONENT", help="Allow this component to go to a lower version.")
@why
@as_json
@dry_run
def promote(
    versions: tuple[str, ...], environment: str, downgrade: tuple[str, ...], why: str, as_json: bool, dry_run: bool
) -> None:
    """Move versions into an environment's pins, once its gates pass; else exit code 3 and every reason.

    Without a version: the one that the environment before has. It commits; sync or swap then deploys.

    Example: sluicegate promote auth portal=2.0.1 --to staging
    """
    from sluicegate.delivery.moves.promote import promote as promote_versions

    wanted = dict(split(version) for version in versions)
    if len(wanted) < len(versions):
        raise UsageError(f"a component is named twice: {' '.join(versions)}")
    with delivery() as repo:
        moves = promote_versions(repo, wanted, environment, downgrade=downgrade, why=why, dry_run=dry_run)
    if as_json:
        from sluicegate.cli.shapes import moving

        print_json(moving.promotion(moves))
        return
    for move in moves:
        if move.before == move.after:
            echo(f"{move.component}={move.after} is in {environment} already")
            continue
        shown = f"{move.component} {move.before or '-'} -> {move.after} in {environment}"
        did("promote", shown, dry=dry_run)


@click.command()
@click.argument("version", metavar="COMPONENT=VERSION")
@in_environment
@why
@dry_run
def pin(version: str, environment: str, why: str, dry_run: bool) -> None:
    """Set a pin by hand; the deploy asks the gates.

    Going back where the environment follows latest also holds the pin, or the next sync would undo it.

    Example: sluicegate pin auth=1.4.2 --in integration
    """
    from sluicegate.delivery.moves import pinning

    component, number = split_exact(version)
    with delivery() as repo:
        exact = pinning.pin(repo, component, number, environment, why=why, dry_run=dry_run)
    did("pin", f"{component}={exact} in {environment}", dry=dry_run)


@click.command()
@click.argument("component")
@in_environment
@why
@dry_run
def unpin(component: str, environment: str, why: str, dry_run: bool) -> None:
    """Take a component out of an environment; the next deploy removes it from the hosts.

    In a staging that swaps it takes a promotion back: the component goes to the version that production has.

    Where the environment follows latest, the next sync pins it again.

    Example: sluicegate unpin portal --in staging
    """
    from sluicegate.delivery.moves import pinning

    with delivery() as repo:
        left = pinning.unpin(repo, component, environment, why=why, dry_run=dry_run)
        follows = repo.state().config.environment(environment).follow is not None
    back = f", back to {left}" if left else ""
    did("unpin", f"{component} in {environment}{back}", dry=dry_run)
    if follows:
        echo(f"{environment} follows latest, so the next sync pins {component} again")


@click.command()
@click.argument("component")
@in_environment
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last day, such as 2026-12-01.")
@why
@dry_run
def hold(component: str, environment: str, until: datetime | None, why: str, dry_run: bool) -> None:
    """Keep a pin where it is: neither following nor a promotion moves it.

    Example: sluicegate hold portal --in staging --until 2026-12-01 --why 'the fair'
    """
    from sluicegate.delivery.moves import pinning

    last: date | None = until.date() if until else None
    with delivery() as repo:
        pinning.hold(repo, component, environment, until=last, why=why, dry_run=dry_run)
    did("hold", f"{component} in {environment}", dry=dry_run)


@click.command()
@click.argument("component")
@in_environment
@why
@dry_run
def unhold(component: str, environment: str, why: str, dry_run: bool) -> None:
    """Let a held pin move again.

    Example: sluicegate unhold portal --in staging
    """
    from sluicegate.delivery.moves import pinning

    with delivery() as repo:
        pinning.unhold(repo, component, environment, why=why, dry_run=dry_run)
    did("let", f"{component} move again in {environment}", dry=dry_run)
