"""show."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, echo, print_json, secho, split


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
        shown = show_version(state, component, resolving.resolve(state, component, spec or "latest"))
    if as_json:
        from sluicegate.cli.shapes import versions

        print_json(versions.version(shown))
        return
    manifest = shown.manifest
    secho(f"{manifest.component}={manifest.version}", bold=True)
    for name, value in (
        ("manifest", manifest.sha256),
        ("commit", manifest.commit),
        ("author", manifest.author),
        ("build", manifest.build),
    ):
        if value:
            echo(f"  {name:9} {value}")
    for name, value in shown.figures.items():
        echo(f"  figure    {name}={value}")
    if shown.issues:
        echo(f"  issues    {' '.join(shown.issues)}")
    if shown.subjects:
        echo("commits since the version before")
    for subject in shown.subjects:
        echo(f"  {subject}")
    echo("files")
    for artifact in shown.files:
        echo(f"  {artifact.sha256[:12]}  {artifact.size:>9}  {shown.addresses[artifact.name]}")
    echo("evidence")
    for entry in shown.evidence:
        claim = "" if entry.record.by.verified else " (unverified)"
        echo(f"  {entry.record.at:%Y-%m-%d %H:%M:%S}  {entry.summary()}, by {entry.record.by.user}{claim}")
