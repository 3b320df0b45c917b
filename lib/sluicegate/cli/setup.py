"""init, check, upgrade."""

from __future__ import annotations

from pathlib import Path

import click

from sluicegate.cli.output import as_json, delivery, dry_run, echo, print_json, why
from sluicegate.model.printable import counted

ONE_OF = {
    "components": "component",
    "environments": "environment",
    "pins": "pin",
    "files of the ledger": "file of the ledger",
    "records": "record",
}
"""What `check` counts -> the word for one."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--bare", is_flag=True, help="A repository without a work tree, for a Git server.")
@click.option(
    "--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="Start with this sluicegate.yaml instead of the commented sample.",
)  # fmt: skip
def init(folder: Path, bare: bool, config: Path | None) -> None:
    """Make a delivery repo: configuration and pins on `main`, evidence on `ledger`.

    Example: sluicegate init delivery
    """
    from sluicegate.delivery.book.setup import init_repo
    from sluicegate.wiring import EntryPointDrivers

    init_repo(folder, EntryPointDrivers(), bare=bare, config=config.read_bytes() if config else None)
    echo(f"made the delivery repo {folder}")
    if not config and not bare:
        echo(f"next: edit {folder}/sluicegate.yaml; sluicegate -C {folder} check; then commit it")


@click.command()
@click.option(
    "--range", "ranges", multiple=True, metavar="OLD..NEW",
    help="Check a branch as it would be with the commit NEW at its tip; may be given for both branches.",
)  # fmt: skip
@click.option("--deep", is_flag=True, help="Read every object, record, set and table of the ledger, and its indexes.")
@click.option("--repair", is_flag=True, help="The same, and make indexes anew that are not what the records say.")
@click.option("--jenkins", "ask_jenkins", is_flag=True, help="Ask the Jenkins of sluicegate.yaml what it lacks.")
@as_json
def check(ranges: tuple[str, ...], deep: bool, repair: bool, ask_jenkins: bool, as_json: bool) -> None:
    """Check sluicegate.yaml, servers.yaml, every pin file and every driver's settings.

    In a clone with changes, committed or not, it takes the files there, as they would be once you push them.
    --deep reads the whole ledger, which takes a while, and names what is lost or damaged (6). --repair makes indexes
    anew from the records; a record itself has to come back from a clone that has it.
    It asks directories whether they have the groups of roles, but for a --range.
    --jenkins asks the server about users, address, plugins, agents and jobs; 2 when a step is missing.

    Example: sluicegate -C delivery check --jenkins
    """
    from sluicegate.delivery.answers import deep as looking
    from sluicegate.delivery.answers.check import (
        check_repo,
        forging,
        left_alone,
        looked_at,
        rewinding,
        unknown_groups,
    )
    from sluicegate.delivery.answers.readiness import check_jenkins
    from sluicegate.delivery.answers.receiving import Pushed
    from sluicegate.wiring import EntryPointDrivers

    with delivery() as repo:
        repaired = looking.repair(repo) if repair else ()
        looked: dict[str, int] = {}
        if deep or repair:
            examined = looking.examine(repo.state())
            looking.refuse(examined.findings)
            looked = {"files of the ledger": examined.files, "records": examined.records}
        state, whose = (Pushed(repo.state(), ranges), "") if ranges else looked_at(repo.state())
        drivers = EntryPointDrivers()
        checked = check_repo(state, drivers.check) | looked
        unasked = () if ranges else (*left_alone(state), *unknown_groups(state))  # a receiving hook waits for nobody
        missing = drivers.missing_folders(state.config)
        notices = [notice for notice in (whose, rewinding(repo.store), forging(state.config), *missing) if notice]
        notices = [*repaired, *notices, *unasked]
        findings = tuple(check_jenkins(state.config)) if ask_jenkins else ()
    lacking = any(finding.state == "missing" for finding in findings)
    if as_json:
        from sluicegate.cli.shapes.looking import check as shape

        print_json(shape(checked, notices, findings if ask_jenkins else None))
    else:
        counts = ", ".join(counted(number, ONE_OF[what], what) for what, number in checked.items())
        echo(f"{'the files are' if missing else 'all is'} well: {counts}")
        for notice in notices:
            echo(notice)
        for finding in findings:
            echo(f"{finding.state:<8} {finding.what}" + (f"\n         {finding.todo}" if finding.todo else ""))
    if lacking:
        raise SystemExit(2)


@click.command()
@dry_run
@why
@as_json
def upgrade(dry_run: bool, why: str, as_json: bool) -> None:
    """Bring the ledger of an older delivery repo to the form of this release.

    No record changes. It raises `requires:` in sluicegate.yaml, so that older commands refuse instead of not seeing
    what newer ones write; update sluicegate on every agent first.

    Example: sluicegate upgrade --dry-run
    """
    from sluicegate.delivery.book.upgrade import upgrade as bring

    with delivery() as repo:
        lines = bring(repo, dry_run=dry_run, why=why)
    if as_json:
        from sluicegate.cli.shapes import moving

        print_json(moving.upgrade(lines, dry_run=dry_run))
        return
    for line in lines:
        echo(f"would do: {line}" if dry_run else line)
    if not lines:
        echo("the ledger has the form of this release already")
