"""rollout."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sluicegate.cli.deploys import remove
from sluicegate.cli.output import as_json, delivery, dry_run, echo, print_json, print_table, say, why
from sluicegate.errors import UsageError

if TYPE_CHECKING:
    from sluicegate.delivery.changes.rollout import Progress
    from sluicegate.model.serving import Serving

EVERY = 2.0  # seconds between two looks of --watch


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--status", is_flag=True, help="Change nothing: show how far it is, and how each host stands.")
@click.option("--watch", is_flag=True, help="With --status: again and again, until it has ended.")
@click.option("--continue", "go_on", is_flag=True, help="Let one that is paused go on.")
@click.option("--abort", is_flag=True, help="End it, also one at work or one that failed, and go back.")
@remove
@why
@as_json
@dry_run
def rollout(
    environment: str, status: bool, watch: bool, go_on: bool, abort: bool, remove: bool, why: str, as_json: bool,
    dry_run: bool,
) -> None:  # fmt: skip
    """Replace the versions of a pool of hosts batch by batch, without a lost request.

    For each batch: drain it, wait until its users have left, install, probe, make it ready; the first host goes alone.

    Example: sluicegate rollout production
    """
    from sluicegate.delivery.changes import rollout as rollouts
    from sluicegate.delivery.changes.applying import silent

    if sum((status, go_on, abort)) > 1 or (watch and not status) or (dry_run and (status or go_on or abort)):
        raise UsageError("--status, --continue and --abort stand alone; --watch goes with --status")
    if status:
        _status(environment, watch=watch, as_json=as_json)
        return
    tell = silent if as_json else say
    with delivery() as repo:
        if go_on:
            plan = rollouts.go_on(repo, environment, say=tell, why=why)
        elif abort:
            plan = rollouts.abort(repo, environment, say=tell, why=why)
        else:
            plan = rollouts.rollout(repo, environment, remove=remove, dry_run=dry_run, say=tell, why=why)
    if as_json:
        from sluicegate.cli.shapes import moving

        print_json(moving.rollout(plan))
    elif dry_run:
        for number, batch in enumerate(plan.batches, start=1):
            say(f"would do: batch {number}: {', '.join(transaction.host for transaction in batch)}")
        for step in plan.steps:
            say(f"would do: {step}")
    if not plan.steps and not as_json:
        say(f"{environment}: nothing to do")
    plan.tell_behind()


def _status(name: str, *, watch: bool, as_json: bool) -> None:
    from sluicegate.delivery.changes.rollout import progress

    with delivery() as repo:
        while True:
            now = progress(repo.state(), name)
            if as_json:
                from sluicegate.cli.shapes import moving

                print_json(moving.rollout_status(now))
            else:
                _print(now)
            if not watch or now.state != "at work":
                return
            time.sleep(EVERY)
            if not as_json:
                echo()


def _print(now: Progress) -> None:
    echo(f"{now.environment}: {now.state}{': ' if now.why else ''}{now.why}")
    if now.intent is not None:
        target = " ".join(f"{component}={version}" for component, version in sorted(now.target.items()))
        way = "back to" if now.intent.back else "to"
        echo(f"{way} {target}; hosts done: {len(now.done)}; the minimum is {now.minimum} of {len(now.hosts)}")
    for batch in now.batches:
        if batch.stage not in ("draining", "paused"):
            words = [batch.verdict or batch.stage, ", ".join(batch.hosts)]
            words += [f"{batch.left} requests were cut off"] if batch.left else []
            words += [batch.why] if batch.why else []
            echo(f"  batch {batch.number}: {': '.join(filter(None, words))}")
    if now.problem:
        echo(f"the pool does not answer: {now.problem}", err=True)
    rows = [[host, now.mark(host), *_cells(serving)] for host, serving in now.hosts.items()]
    print_table(["host", "version", "users", "health", "requests now", "last request"], rows)


def _cells(serving: Serving | None) -> list[str]:
    if serving is None:
        return ["unknown", "", "", ""]
    standing = serving.standing or "unknown"
    odd = f" ({serving.odd} disagrees)" if serving.odd else ""
    quiet = f"{serving.quiet.total_seconds():.0f} s ago" if serving.quiet is not None else ""
    busy = "" if serving.in_flight is None else str(serving.in_flight)
    return [f"{standing}{odd}", "healthy" if serving.healthy else "sick", busy, quiet]
