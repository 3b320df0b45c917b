"""balancer config, out, in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sluicegate.cli.output import as_json, delivery, done, dry_run, echo, print_json, why
from sluicegate.errors import UnknownName, UsageError


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
    echo(text, nl=False)
    if against and text:
        sys.exit(1)


@balancer.command("out")
@click.argument("name", metavar="NAME")
@why
@as_json
@dry_run
def out(name: str, why: str, as_json: bool, dry_run: bool) -> None:
    """Leave one of several balancers alone: it is neither changed nor asked any more.

    Example: sluicegate balancer out lb2 --why 'it gets a new disk'
    """
    from sluicegate.delivery.changes.balancing import take_out

    if not why.strip():
        raise UsageError("say why the balancer is to be left alone", hint=f"sluicegate balancer out {name} --why TEXT")
    with delivery() as repo:
        _tell(name, take_out(repo, name, why, dry_run=dry_run), "out", as_json=as_json, dry_run=dry_run)


@balancer.command("in")
@click.argument("name", metavar="NAME")
@why
@as_json
@dry_run
def in_(name: str, why: str, as_json: bool, dry_run: bool) -> None:
    """Make a balancer equal to the others, then lead it along again. A preview that is on ends.

    Example: sluicegate balancer in lb2
    """
    from sluicegate.delivery.changes.balancing import bring_in

    with delivery() as repo:
        _tell(name, bring_in(repo, name, why=why, dry_run=dry_run), "in again", as_json=as_json, dry_run=dry_run)


def _tell(name: str, environments: tuple[str, ...], what: str, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        from sluicegate.cli.shapes import reality

        print_json(reality.balancer(name, environments, what))
        return
    for environment in environments:
        done(f"balancer {name} of {environment}: {what}", dry=dry_run)
    if not environments:
        echo(f"{name} is out already" if what == "out" else f"{name} is not out")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as problem:
        raise UnknownName(f"{path} cannot be read: {problem.strerror}") from problem
