"""prune."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, did, dry_run, echo, print_json, why


@click.command()
@click.argument("component")
@click.option("--keep", required=True, type=click.IntRange(min=1), metavar="N", help="How many of the newest stay.")
@click.option(
    "--window", default=10, show_default=True, type=click.IntRange(min=1), metavar="N",
    help="What was in one of the last N deployed sets of an environment stays.",
)  # fmt: skip
@why
@as_json
@dry_run
def prune(component: str, keep: int, window: int, why: str, as_json: bool, dry_run: bool) -> None:
    """Remove old versions that nothing needs. What is pinned, held, runs, is warm or may be rolled back to stays.

    Try it with --dry-run first: a pruned version never comes back.

    Example: sluicegate prune auth --keep 20 --dry-run
    """
    from sluicegate.delivery.artifacts.prune import prune as prune_versions

    with delivery() as repo:
        retention = prune_versions(repo, component, keep, window=window, why=why, dry_run=dry_run)
    if as_json:
        from sluicegate.cli.shapes import versions

        print_json(versions.pruning(retention, dry_run=dry_run))
        return
    for version, reasons in retention.stays.items():
        echo(f"stays   {component}={version}: {', '.join(reasons)}")
    for version in retention.goes:
        echo(f"{'would go' if dry_run else 'pruned'}  {component}={version}")
    for version in retention.left:
        did("delete", f"the files of {component}={version}, which a prune had left", dry=dry_run)
    if not (retention.goes or retention.left):
        echo("nothing to prune")
