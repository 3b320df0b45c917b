"""host out, host in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sluicegate.cli.output import as_json, delivery, done, dry_run, echo, print_json, say, why
from sluicegate.errors import UsageError

if TYPE_CHECKING:
    from sluicegate.delivery.changes.hosts import Place


@click.group()
def host() -> None:
    """A host that is to be left alone for a while.

    Example: sluicegate host out app17 --why 'a disk is being replaced'
    """


@host.command("out")
@click.argument("name", metavar="HOST")
@why
@as_json
@dry_run
def out(name: str, why: str, as_json: bool, dry_run: bool) -> None:
    """Have deploys skip a host, and say so wherever its environment is shown. Users may still reach it;
    where it is one of a pool no new ones do.

    Example: sluicegate host out app17 --why 'a disk is being replaced'
    """
    from sluicegate.delivery.changes.hosts import take_out

    if not why.strip():
        raise UsageError("say why the host is to be left alone", hint=f"sluicegate host out {name} --why TEXT")
    with delivery() as repo:
        places = take_out(repo, name, why, dry_run=dry_run)
    _tell(name, places, "out", as_json=as_json, dry_run=dry_run)


@host.command("in")
@click.argument("name", metavar="HOST")
@why
@as_json
@dry_run
def in_(name: str, why: str, as_json: bool, dry_run: bool) -> None:
    """Install what a host missed, wait until it answers, and let it count again.

    Example: sluicegate host in app17
    """
    from sluicegate.delivery.changes.applying import silent
    from sluicegate.delivery.changes.hosts import bring_in

    with delivery() as repo:
        places = bring_in(repo, name, why=why, dry_run=dry_run, say=silent if as_json else say)
    _tell(name, places, "in", as_json=as_json, dry_run=dry_run)


def _tell(name: str, places: Sequence[Place], now: str, *, as_json: bool, dry_run: bool) -> None:
    """Say in which places a host is out or in `now`, and was not."""
    if as_json:
        from sluicegate.cli.shapes import reality

        print_json(reality.host_out(name, places) if now == "out" else reality.host_in(name, places))
        return
    for place in places:
        done(f"{name} of {place.environment} ({place.group}): {'out' if now == 'out' else 'in again'}", dry=dry_run)
    if not places:
        echo(f"{name} is out already" if now == "out" else f"{name} is not out")
