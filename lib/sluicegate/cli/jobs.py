"""jobs path, render, check."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from sluicegate.cli.output import echo
from sluicegate.errors import UsageError
from sluicegate.model.printable import counted

if TYPE_CHECKING:
    from sluicegate.jjb.sources import Options
    from sluicegate.jjb.trees import Tree

Command = TypeVar("Command", bound=Callable[..., Any])


def sources(command: Command) -> Command:
    """The flags of `jenkins-jobs test` that say what is read, as one argument `options`."""

    @wraps(command)
    def with_options(
        *words: object,
        recursive: bool,
        exclude: tuple[str, ...],
        conf: Path | None,
        allow_empty_variables: bool,
        **others: object,
    ) -> object:
        from sluicegate.jjb.sources import Options

        patterns = tuple(part for paths in exclude for part in paths.split(os.pathsep))
        options = Options(recursive=recursive, exclude=patterns, conf=conf, allow_empty_variables=allow_empty_variables)
        return command(*words, options=options, **others)

    flags = (
        click.option("-r", "--recursive", is_flag=True, help="Read YAML in subfolders too."),
        click.option("-x", "--exclude", multiple=True, metavar="PATTERN", help="Leave these subfolders out."),
        click.option("--conf", type=click.Path(path_type=Path, dir_okay=False), help="jenkins-job-builder's ini file."),
        click.option("--allow-empty-variables", is_flag=True, help="A variable that a template misses is empty."),
    )
    decorated: Any = with_options
    for flag in reversed(flags):
        decorated = flag(decorated)
    return cast(Command, decorated)


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

    echo(str(templates()))


@jobs.command()
@click.argument("source", metavar="[PATH[:PATH...]]", default="jobs")
@sources
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write NAME.xml.")
def render(source: str, options: Options, folder: Path | None) -> None:
    """Render jobs with our templates on the path; prints names, or writes config.xml files.

    Example: sluicegate jobs render jobs --to rendered
    """
    top = folder.resolve() if folder is not None else Path()
    for name, content in sorted(_tree(source, options).contents().items()):
        if folder is not None:
            target = folder / f"{name}.xml"
            if not target.resolve().is_relative_to(top):
                raise UsageError(f"the job name '{name}' leads out of {folder}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        echo(name)


@jobs.command()
@click.argument("source", metavar="[PATH[:PATH...]]", default="jobs")
@sources
def check(source: str, options: Options) -> None:
    """Render jobs and say whether that works; mistakes are named with file:line:column (exit code 2).

    Example: sluicegate jobs check jobs
    """
    tree = _tree(source, options)
    contents = tree.contents()
    if not contents:
        hint = tree.hint or "name a file or folder of jobs for jenkins-job-builder"
        raise UsageError(f"{source} holds no job", hint=hint)
    echo(f"all is well: {counted(len(contents), 'job', 'jobs')}")
    if tree.hint:
        echo(f"not looked at: {tree.hint}", err=True)


def _tree(source: str, options: Options) -> Tree:
    from sluicegate.jjb import render as rendering
    from sluicegate.jjb.sources import split

    return rendering.kept(split(source), options)
