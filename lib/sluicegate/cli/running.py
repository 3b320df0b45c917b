"""`run`: jobs of YAML or of config.xml here and now, listed, planned or built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.cli import output
from sluicegate.cli.jobs import sources
from sluicegate.errors import ConfigError

if TYPE_CHECKING:
    from sluicegate.jjb.sources import Options
    from sluicegate.jjb.trees import Tree
    from sluicegate.runner.local import Circumstances
    from sluicegate.runner.planning import Assessment, Obstacle


@click.command()
@click.argument("path", metavar="PATH[:PATH...]")
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter; repeatable.")
@sources
@click.option("--list", "list_only", is_flag=True, help="Print the names of the jobs.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be done and what stands in the way.")
@output.as_json
@click.option("--keep-going", is_flag=True, help="Go on after a job that fails, and past jobs that do not render.")
@click.option("--env", "env", multiple=True, metavar="NAME=VALUE", help="A variable of every build; repeatable.")
@click.option(
    "--settings", "settings_file", type=click.Path(path_type=Path), help="YAML: env, tools, files, passwords."
)
@click.option("--credentials", "credentials_file", type=click.Path(path_type=Path), help="YAML: credentials by id.")
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False), help="Work in this folder, and keep it.")
def run(
    path: str,
    jobs: tuple[str, ...],
    pairs: tuple[str, ...],
    options: Options,
    list_only: bool,
    plan_only: bool,
    as_json: bool,
    keep_going: bool,
    env: tuple[str, ...],
    settings_file: Path | None,
    credentials_file: Path | None,
    workspace: Path | None,
) -> None:
    """Run jobs here and now: from jenkins-job-builder's YAML, or from config.xml; `-` is standard input.

    JOB is a name or a pattern; it may be left out where there is one job. Ends with 0 for SUCCESS, 1 for FAILURE, 3 for
    UNSTABLE, 130 for ABORTED, the worst of several; 2 for a job that cannot run here.

    Example: sluicegate run jobs auth-build -p WHY=trial
    """
    from sluicegate.jjb import render
    from sluicegate.jjb.sources import split
    from sluicegate.runner import settings

    tree = render.tree(split(path), options)
    shared = (settings.read(settings_file) if settings_file else settings.NO_SETTINGS).with_env(
        output.assignments("--env", env)
    )
    if list_only:
        _list(tree, tree.choose(jobs or ("*",), path), as_json)
    elif plan_only and (as_json or (not jobs and len(tree.names) != 1)):
        raise SystemExit(_plan_all(tree, tree.choose(jobs or ("*",), path), shared.env, as_json, keep_going))
    else:
        values = output.assignments("-p", pairs)
        chosen = tree.choose(jobs, path)
        if plan_only:
            _plan_one(tree, chosen, values)
            return
        from sluicegate.runner import local

        _tell_mistakes(tree)
        around = local.Circumstances(
            settings=shared,
            credentials=settings.credentials(credentials_file) if credentials_file else (),
            workspace=local.claim(workspace) if workspace else None,
        )
        raise SystemExit(_run_all(tree, chosen, values, keep_going, around))


def _list(tree: Tree, names: list[str], as_json: bool) -> None:
    if as_json:
        output.print_json(list(names))
    else:
        output.echo("\n".join(names))
    _tell_mistakes(tree)


def _tell_mistakes(tree: Tree) -> None:
    """Name mistakes of parts of the tree that do not keep the chosen jobs from running."""
    for mistake in tree.mistakes:
        output.echo(f"not rendered: {mistake}", err=True)


def _plan_one(tree: Tree, names: list[str], values: Mapping[str, str]) -> None:
    """One line a step, of each job. Raises UsageError for one that cannot run."""
    from sluicegate.runner import local

    for name in names:
        content = tree.content(name)
        local.must_declare(content, values)
        lines = local.plan(content, values)
        output.echo("\n".join([f"{name}:", *lines] if len(names) > 1 else lines))


def _plan_all(tree: Tree, names: list[str], shared: Mapping[str, str], as_json: bool, keep_going: bool) -> int:
    """Which of many jobs can run and what stands in the way; the exit code: 2 when some jobs could not be looked at."""
    from sluicegate.cli.shapes.jobs import job_plan
    from sluicegate.runner import planning

    mistakes, assessments = list(tree.mistakes), []
    for name in names:
        try:
            assessment = planning.assess(name, tree.content(name), shared)
        except ConfigError as problem:
            mistakes += [text for text in problem.mistakes if text not in mistakes]
            continue
        assessments.append(assessment)
        if as_json:
            output.print_json_line(job_plan(assessment))
    if not as_json:
        _print_coverage(assessments, planning.obstacles(assessments))
    for mistake in mistakes:
        output.echo(f"not rendered: {mistake}", err=True)
    return 2 if mistakes and not keep_going else 0


def _print_coverage(assessments: list[Assessment], obstacles: list[Obstacle]) -> None:
    rows = [
        [assessment.job, "yes" if assessment.runnable else "no", str(len(assessment.reasons) or "")]
        for assessment in assessments
    ]
    output.print_table(["job", "runs here", "reasons"], rows)
    runnable = sum(assessment.runnable for assessment in assessments)
    share = f" ({runnable / len(assessments):.0%})" if assessments else ""
    output.echo(f"\n{runnable} of {len(assessments)} jobs can run here{share}")
    if obstacles:
        output.echo("")
        rows = [[str(obstacle.jobs), str(obstacle.alone or ""), obstacle.reason] for obstacle in obstacles]
        output.print_table(["jobs", "alone", "what stands in the way"], rows)


def _others(tree: Tree, chosen: str, content: bytes) -> dict[str, bytes]:
    """The jobs of the tree that a job names, those that these name, and so on: it may start them."""
    others: dict[str, bytes] = {}
    waiting = [content]
    while waiting:
        text = waiting.pop().decode("utf-8", "replace")
        words = set(re.findall(r"[^\s,<>]+", text))
        for name in tree.names:
            if name != chosen and name not in others and {name, name.rpartition("/")[2]} & words:
                with suppress(ConfigError):  # A job that does not render cannot be started either.
                    others[name] = tree.content(name)
                    waiting.append(others[name])
    return others


def _run_all(tree: Tree, names: list[str], values: Mapping[str, str], keep_going: bool, around: Circumstances) -> int:
    """Build the jobs one after the other; the worst exit code. The first failure ends it, unless told to keep going."""
    from dataclasses import replace

    from sluicegate.runner import local

    contents = {name: tree.content(name) for name in names}
    for content in contents.values():
        local.must_declare(content, values)
        local.plan(content, values)  # what cannot run here is told before anything starts
    worst = 0
    for name, content in contents.items():
        others = replace(around, others=_others(tree, name, content))
        code = local.run(name, content, values, output.write, others).exit_code
        worst = max(worst, code)
        if code and not keep_going:
            break
    return worst
