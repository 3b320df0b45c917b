"""status, diff, explain, history, flow."""

from __future__ import annotations

from datetime import timedelta

import click

from sluicegate.cli.output import (
    as_json,
    delivery,
    echo,
    marked,
    print_json,
    print_json_text,
    print_table,
    secho,
    split,
)
from sluicegate.model.evidence import BalancerOut, HostOut, InEnvironment, Judgement, Record

COLOURS = {"passed": "green", "waiting": "yellow", "refused": "red", "error": "red"}


@click.command()
@as_json
def status(as_json: bool) -> None:
    """What is where: component x environment, desired and effective.

    Example: sluicegate status --json
    """
    from sluicegate.delivery.answers.remembered import remembered_status, remembered_text
    from sluicegate.delivery.answers.status import Cell

    with delivery() as repo:
        if as_json:
            print_json_text(remembered_text(repo.state()))
            return
        matrix = remembered_status(repo.state())

    def shown(cell: Cell) -> str:
        text = cell.effective or "-"
        if cell.pin != cell.effective:
            text += f" (pin {cell.pin or '-'})"
        rest = [mark for mark in cell.marks if mark != "not deployed"]
        return marked(text, ", ".join(rest))

    heads = [
        column.name + (f" ({column.group})" if column.group else "") + ("?" if column.unsure else "")
        for column in matrix.columns
    ]
    rows = []
    for name, row in matrix.cells.items():
        newest = marked(matrix.newest[name] or "-", "vetoed" if name in matrix.vetoed else "")
        rows.append([name, newest, *(shown(cell) for cell in row.values())])
    sets = ["set", "", *(column.set_name[:12] or "-" for column in matrix.columns)]
    print_table(["component", "newest", *heads], [*rows, sets])
    for column in matrix.columns:
        for host in column.out:
            secho(f"{column.name}: {host.host} is {_out(host)}", fg="yellow")
        for balancer in column.balancers_out:
            secho(f"{column.name}: the balancer {balancer.name} is {_out(balancer)}", fg="yellow")
        if column.behind:
            sentence = ", ".join(f"{host} ({ending})" for host, ending in column.behind.items())
            secho(f"{column.name}: behind are {sentence}", fg="yellow")
        for problem in dict.fromkeys(word.problem for word in column.reported.values()):
            hosts = [host for host, word in column.reported.items() if word.problem == problem]
            sentence = "differs by its own report" if len(hosts) == 1 else "differ by their own reports"
            secho(f"{column.name}: {', '.join(hosts)} {sentence}: {problem}", fg="yellow")
        for component, version in column.schema_due.items():
            sentence = f"schema of {component} {version}: contract is due once no host is below {version}"
            secho(f"{column.name}: {sentence}", fg="yellow")
        if column.locked:
            secho(f"{column.name} is locked: {column.locked}", fg="yellow")
        if column.unsure:
            secho(f"{column.name}? nobody knows what runs there: {column.unsure}", fg="yellow")


def _out(record: HostOut | BalancerOut) -> str:
    return f"out since {record.at:%Y-%m-%d %H:%M} UTC by {record.by.user}: {record.why}"


@click.command()
@click.argument("first", metavar="ENV")
@click.argument("second", metavar="ENV")
@as_json
def diff(first: str, second: str, as_json: bool) -> None:
    """What differs between two environments: versions, and the issues and commits that lie between them.

    Example: sluicegate diff staging production
    """
    from sluicegate.delivery.answers.differences import differences

    with delivery() as repo:
        differing = differences(repo.state(), first, second)
    if as_json:
        from sluicegate.cli.shapes import looking

        print_json([looking.difference(difference) for difference in differing])
        return
    if not differing:
        echo(f"{first} and {second} have the same versions")
    for difference in differing:
        secho(f"{difference.component} {difference.first or '-'} -> {difference.second or '-'}", bold=True)
        if difference.issues:
            echo(f"  issues  {' '.join(difference.issues)}")
        for subject in difference.subjects:
            echo(f"  {subject}")


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@click.option("--to", "--in", "environment", default="", metavar="ENV", help="The environment to enter; else the next.")
@as_json
def explain(version: str, environment: str, as_json: bool) -> None:
    """Why a version is not there: each unmet condition, who can meet it, with which command, since when.

    Example: sluicegate explain auth --to staging
    """
    from sluicegate.delivery.answers.explain import explain as read_explanation

    component, number = split(version)
    with delivery() as repo:
        explained = read_explanation(repo.state(), component, number, environment)
    if as_json:
        from sluicegate.cli.shapes import looking

        print_json(looking.explanation(explained))
        return
    where = ", ".join(explained.runs_in) or "nowhere"
    echo(f"{explained.component}={explained.version} runs in: {where}")
    if explained.arrived:
        echo(f"it is in {explained.target}")
    for verdict in explained.verdicts:
        secho(f"  {verdict.state:8}", fg=COLOURS[verdict.state], nl=False)
        echo(f" {verdict.gate}: {verdict.reason}")
        if not verdict.passed:
            if verdict.since:
                echo(f"           since {verdict.since:%Y-%m-%d %H:%M} UTC")
            if verdict.who_can_help:
                echo(f"           who can help: {verdict.who_can_help}")
            if verdict.command:
                echo(f"           with: {verdict.command}")
    for out in explained.out:
        echo(f"{out.host} of {explained.target} is out, and would not get it: {out.why} ({out.by.user})")
    for doubt in explained.uncounted:
        secho("  not counted", fg="red", nl=False)
        echo(f" {_about(doubt.record)}: {doubt.reason}")
    if not explained.unmet and not explained.arrived:
        echo(f"nothing stands in the way to {explained.target}; next: {explained.next_command}")


def _about(record: Record) -> str:
    """A record that somebody wrote: what, where, who, when."""
    where = f" for {record.env}" if isinstance(record, InEnvironment) and record.env else ""
    role = f" as {record.role}" if isinstance(record, Judgement) else ""
    return f"{record.what}{where}{role} by {record.by.user or 'nobody'} at {record.at:%Y-%m-%d %H:%M} UTC"


@click.command()
@click.argument("name", metavar="[COMPONENT|ENV]", required=False, default="")
@click.option("-n", "--number", default=40, show_default=True, help="How many records at the most.")
@as_json
def history(name: str, number: int, as_json: bool) -> None:
    """What happened to a component or in an environment, newest first.

    Example: sluicegate history auth
    """
    from sluicegate.delivery.answers.history import history as read_history

    with delivery() as repo:
        entries = read_history(repo.state(), name)[:number]
    if as_json:
        from sluicegate.cli.shapes import looking

        print_json([looking.event(entry) for entry in entries])
        return
    if not entries:
        echo("nothing is recorded yet")
        return
    rows = [
        [f"{e.record.at:%Y-%m-%d %H:%M:%S}", e.subject, e.summary(),
         e.record.by.user + ("" if e.record.by.verified else " (unverified)")]
        for e in entries
    ]  # fmt: skip
    print_table(["time (UTC)", "about", "what", "by"], rows)


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@as_json
def flow(version: str, as_json: bool) -> None:
    """The time from commit to integration, with each stage's waiting and working time, and the bottleneck.

    Installed is a version once the last host has it: by the deploy's word, or since the run of its own that it reports.

    Example: sluicegate flow auth=1.4.2
    """
    from sluicegate.delivery.answers.flow import flow as read_flow

    component, number = split(version)
    with delivery() as repo:
        measured = read_flow(repo.state(), component, number)
    if as_json:
        from sluicegate.cli.shapes import looking

        print_json(looking.way(measured))
        return
    print_table(
        ["stage", "waited", "worked"], [[s.name, _seconds(s.waited), _seconds(s.worked)] for s in measured.stages]
    )
    if measured.environment:
        echo(f"from publication to installed: {_seconds(measured.installed)}")
    kept = "unknown" if measured.total is None else "kept" if measured.total <= measured.objective else "missed"
    echo(
        f"{measured.component}={measured.version} from commit to {measured.environment}: {_seconds(measured.total)}"
        f" of {_seconds(measured.objective)} ({kept})"
    )
    if measured.bottleneck:
        echo(f"bottleneck: {measured.bottleneck.name}, {_seconds(measured.bottleneck.total)}")


def _seconds(span: timedelta | None) -> str:
    if span is None:
        return "unknown"
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
