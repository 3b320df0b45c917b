"""search."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, echo, print_json, print_table


@click.command()
@click.argument("text")
@as_json
def search(text: str, as_json: bool) -> None:
    """Find versions by a part of their name, files, author, figures, issues or commits' subjects, or by a checksum.

    Example: sluicegate search OPS-12
    """
    from sluicegate.delivery.artifacts.search import search as search_versions

    with delivery() as repo:
        hits = search_versions(repo.state(), text)
    if as_json:
        from sluicegate.cli.shapes import versions

        print_json([versions.hit(hit) for hit in hits])
    elif not hits:
        echo(f"no version holds '{text}'")
    else:
        rows = [[f"{h.component}={h.version}", h.built, h.commit[:12] or "-", ", ".join(h.why)] for h in hits]
        print_table(["version", "built (UTC)", "commit", "found in"], rows)
