"""show."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, print_json, split


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@as_json
def show(version: str, as_json: bool) -> None:
    """Where a version comes from, its files with checksum and address, and its evidence, newest first.

    Example: sluicegate show auth=1.4.2
    """
    from sluicegate.delivery.artifacts.search import show as show_version
    from sluicegate.delivery.book import resolving

    component, spec = split(version)
    with delivery() as repo:
        state = repo.state()
        found = show_version(state, component, resolving.resolve(state, component, spec or "latest"))
    if as_json:
        print_json(found.json())
        return
    m = found.manifest
    click.secho(f"{m.component}={m.version}", bold=True)
    for name, value in (("manifest", m.sha256), ("commit", m.commit), ("author", m.author), ("build", m.build)):
        if value:
            click.echo(f"  {name:9} {value}")
    for name, value in found.figures.items():
        click.echo(f"  figure    {name}={value}")
    if found.issues:
        click.echo(f"  issues    {' '.join(found.issues)}")
    if found.subjects:
        click.echo("commits since the version before")
    for subject in found.subjects:
        click.echo(f"  {subject}")
    click.echo("files")
    for artifact in found.files:
        click.echo(f"  {artifact.sha256[:12]}  {artifact.size:>9}  {found.addresses[artifact.name]}")
    click.echo("evidence")
    for entry in found.evidence:
        claim = "" if entry.record.by.verified else " (unverified)"
        click.echo(f"  {entry.record.at:%Y-%m-%d %H:%M:%S}  {entry.summary()}, by {entry.record.by.user}{claim}")
