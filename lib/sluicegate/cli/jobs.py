"""jobs path, render, check."""

from __future__ import annotations

from pathlib import Path

import click

from sluicegate.errors import UsageError


@click.group()
def jobs() -> None:
    """The job library for jenkins-job-builder.

    Example: sluicegate jobs path
    """


@jobs.command()
def path() -> None:
    """Print the folder of the job templates.

    Example: jenkins-jobs update "$(sluicegate jobs path):jobs"
    """
    from sluicegate.jjb.render import templates

    click.echo(str(templates()))


@jobs.command()
@click.argument("source", metavar="[PATH]", type=click.Path(path_type=Path), default="jobs")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write NAME.xml.")
def render(source: Path, folder: Path | None) -> None:
    """Render jobs with our templates on the path; prints names, or writes config.xml files.

    Example: sluicegate jobs render jobs --to rendered
    """
    from sluicegate.jjb import render as rendering

    for name, content in sorted(rendering.jobs(source).items()):
        if folder is not None:
            target = folder / f"{name}.xml"
            if not target.resolve().is_relative_to(folder.resolve()):
                raise UsageError(f"the job name '{name}' leads out of {folder}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        click.echo(name)


@jobs.command()
@click.argument("source", metavar="[PATH]", type=click.Path(path_type=Path), default="jobs")
def check(source: Path) -> None:
    """Render jobs and say whether that works; mistakes are named with file:line:column (exit code 2).

    Example: sluicegate jobs check jobs
    """
    from sluicegate.jjb import render as rendering

    found = rendering.jobs(source)
    if not found:
        raise UsageError(f"{source} holds no job", hint="name a file or folder of jobs for jenkins-job-builder")
    click.echo(f"all is well: {len(found)} jobs")
