"""copy."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, did, dry_run, echo, print_json, split, why
from sluicegate.cli.progress import progress
from sluicegate.model.printable import counted


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@click.option("--to", "repository", required=True, metavar="REPOSITORY", help="The repository to copy to.")
@why
@as_json
@dry_run
def copy(version: str, repository: str, why: str, as_json: bool, dry_run: bool) -> None:
    """Put a version's files, byte by byte the same, into another repository too; it stays in its own.

    Example: sluicegate copy auth=1.4.2 --to archive
    """
    from sluicegate.delivery.artifacts.copying import copy as copy_version
    from sluicegate.delivery.book import resolving

    component, spec = split(version)
    with delivery() as repo:
        state = repo.state()
        number = resolving.resolve(state, component, spec or "latest")
        with progress(version, 3 * state.size(component, number)):  # fetched, sent, and read back
            copied = copy_version(repo, component, number, repository, why=why, dry_run=dry_run)
    if as_json:
        from sluicegate.cli.shapes import versions

        print_json(versions.copy(copied, repository, dry_run=dry_run))
        return
    for address in copied.addresses:
        echo(address)
    did("copy", f"{component}={number} to {repository}, {counted(len(copied.addresses), 'file', 'files')}", dry=dry_run)
