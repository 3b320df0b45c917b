"""sync, deploy, swap, rollback, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sluicegate.cli.live import live_hosts
from sluicegate.cli.output import as_json, delivery, dry_run, print_json, say, why
from sluicegate.errors import SluicegateError, UsageError

if TYPE_CHECKING:
    from sluicegate.delivery.changes.planning import Plan

end_sessions = click.option("--end-sessions", is_flag=True, help="Do not wait for users who stay on these hosts.")
remove = click.option("--remove", is_flag=True, help="Let components leave every host though nobody unpinned them.")
PATIENCE = 3600.0


@click.command()
@click.argument("environments", metavar="ENV...", nargs=-1, required=True)
@click.option(
    "--wait", is_flag=True, help="Wait for a locked environment, for users who stay, and for what is started."
)
@end_sessions
@remove
@why
@dry_run
def sync(environments: tuple[str, ...], wait: bool, end_sessions: bool, remove: bool, why: str, dry_run: bool) -> None:
    """Make environments what their pins say: follow latest where told to, ask the gates, deploy, start the tests.

    Example: sluicegate sync integration --wait
    """
    from sluicegate.delivery.changes.sync import sync as sync_environment

    failed: list[object] = []
    plans: list[Plan] = []
    with delivery() as repo, live_hosts() as watched:
        for name in environments:
            synced = sync_environment(
                repo,
                name,
                end_sessions=end_sessions,
                remove=remove,
                wait=PATIENCE if wait else 0.0,
                dry_run=dry_run,
                say=watched,
                why=why,
            )
            _tell_out(synced.plan, dry_run)
            if dry_run:
                for step in synced.plan.steps:
                    say(f"would do: {step}")
            if not synced.plan.steps:
                say(f"{name}: nothing to do")
            failed += synced.failed
            plans.append(synced.plan)
    if failed:
        raise SluicegateError("failed: " + ", ".join(map(str, failed)))
    for plan in plans:
        plan.tell_behind()


@click.command()
@click.argument("environment", metavar="ENV")
@end_sessions
@remove
@why
@as_json
@dry_run
def deploy(environment: str, end_sessions: bool, remove: bool, why: str, as_json: bool, dry_run: bool) -> None:
    """Make an environment's hosts match its pins.

    Example: sluicegate deploy staging --dry-run
    """
    from sluicegate.delivery.changes.applying import silent
    from sluicegate.delivery.changes.deploy import deploy as deploy_environment

    with delivery() as repo, live_hosts() as watched:
        plan = deploy_environment(
            repo, environment, end_sessions=end_sessions, remove=remove, dry_run=dry_run,
            say=silent if as_json else watched, why=why,
        )  # fmt: skip
    if as_json:
        from sluicegate.cli.shapes import moving

        print_json(moving.deployment(plan))
        plan.tell_behind()
        return
    _tell_out(plan, dry_run)
    if dry_run:
        for step in plan.steps:
            say(f"would do: {step}")
    if not plan.steps:
        say(f"{environment}: nothing to do")
    plan.tell_behind()


def _tell_out(plan: Plan, dry_run: bool) -> None:
    for line in plan.schema if dry_run else ():
        say(f"would do: {line}")
    for host, reason in plan.out.items():
        say(f"{plan.environment}: {host} is {reason}")


@click.command()
@click.argument("environment", metavar="ENV")
@click.option("--back", is_flag=True, help="Take the last swap back.")
@click.option(
    "--preview", type=click.Choice(["on", "off"]), help="Swap nothing: testers reach the other group, or no more."
)
@why
@as_json
@dry_run
def swap(environment: str, back: bool, preview: str | None, why: str, as_json: bool, dry_run: bool) -> None:
    """Exchange the groups of production and its staging at the balancer, once production's gates pass.

    Logged-in users stay on the group that they are on where the balancer says `sessions: keep`. With a preview,
    requests that carry the cookie sluicegate-preview=on, or the header X-Sluicegate-Preview: on, reach the other group.

    Example: sluicegate swap production
    """
    if preview:
        _preview(environment, preview == "on", back=back, as_json=as_json, dry_run=dry_run)
        return
    from sluicegate.delivery.changes.applying import silent
    from sluicegate.delivery.changes.swap import swap as swap_environment

    with delivery() as repo:
        exchange = swap_environment(
            repo, environment, back=back, why=why, dry_run=dry_run, say=silent if as_json else say
        )
    if as_json:
        from sluicegate.cli.shapes import moving

        print_json(moving.exchange(exchange))
        return
    if not exchange.changes:
        say(f"{environment}: staging has nothing that production does not have; nothing was swapped")
    for name, (before, after) in exchange.changes.items():
        say(f"{'would swap' if dry_run else 'swapped'} {name} {before or '-'} -> {after or '-'}")


def _preview(environment: str, on: bool, *, back: bool, as_json: bool, dry_run: bool) -> None:
    from sluicegate.delivery.changes.balancing import preview

    if back or dry_run:
        raise UsageError("--preview stands alone: it swaps nothing", hint=f"sluicegate swap {environment} --preview on")
    with delivery() as repo:
        group = preview(repo.state(), environment, on)
    if as_json:
        from sluicegate.cli.shapes import moving

        print_json(moving.preview(environment, on, group))
        return
    say(f"{environment}: whoever asks reaches {group}" if on else f"{environment}: nobody reaches {group} any more")


@click.command()
@click.argument("environment", metavar="ENV")
@click.argument("component", required=False, default="")
@click.option("--further", is_flag=True, help="Go back from where the last rollback went, not from something new.")
@end_sessions
@why
@dry_run
def rollback(environment: str, component: str, further: bool, end_sessions: bool, why: str, dry_run: bool) -> None:
    """Put the last known-good versions back, and veto the bad ones for this environment and all after it.

    Without COMPONENT, all that the last change brought. Where the last change was itself a way back it asks for
    --further, so that two people who answer to one incident go back once.

    Example: sluicegate rollback production auth --why 'OPS-12: logout does not end the session'
    """
    from sluicegate.delivery.changes.rollback import rollback as roll_back

    with delivery() as repo:
        way_back = roll_back(
            repo, environment, component, further=further, why=why, end_sessions=end_sessions, dry_run=dry_run, say=say
        )
    for name, bad in way_back.bad.items():
        verb = "would roll back" if dry_run else "rolled back"
        say(f"{verb} {name} {bad} -> {way_back.target.get(name, '-')} in {environment}; {name}={bad} is vetoed there")


@click.command()
@dry_run
def resume(dry_run: bool) -> None:
    """Finish, or undo, what a command that died left open.

    Example: sluicegate resume
    """
    from sluicegate.delivery.changes.resume import resume as resume_all

    with delivery() as repo:
        results = resume_all(repo, dry_run=dry_run, say=say)
    if not results:
        say("nothing is open")
