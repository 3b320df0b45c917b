"""search."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, print_json, print_table


@click.command()
@click.argument("text")
@as_json
def search(text: str, as_json: bool) -> None:
    """Find versions by a part of their name, files, author, figures, issues or commits' subjects, or by a checksum.

    Example: sluicegate search OPS-12
    """
    from sluicegate.delivery.artifacts.search import search as search_versions

    with delivery() as repo:
        found = search_versions(repo.state(), text)
    if as_json:
        print_json([hit.json() for hit in found])
    elif not found:
        click.echo(f"no version holds '{text}'")
    else:
        rows = [[f"{h.component}={h.version}", h.built, h.commit[:12] or "-", ", ".join(h.why)] for h in found]
        print_table(["version", "built (UTC)", "commit", "found in"], rows)
