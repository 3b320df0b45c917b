"""record, approve, reject, veto, unveto."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sluicegate.cli.output import (
    ENVIRONMENT,
    as_json,
    delivery,
    did,
    dry_run,
    echo,
    in_environment,
    print_json,
    say,
    split_exact,
    to_environment,
    why,
)

in_role = click.option("--as", "role", required=True, metavar="ROLE", help="The role to act in.")


@click.group()
def record() -> None:
    """Record evidence about a version."""


@record.command()
@click.argument("words", metavar="COMPONENT=VERSION [FILE]...", nargs=-1, required=True)
@in_environment
@click.option("--suite", required=True, metavar="NAME", help="The suite's name, as the gates name it.")
@click.option(
    "--junit", "reports", multiple=True, required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="A JUnit report, a folder with all its *.xml, or a quoted pattern such as 'target/**/TEST-*.xml'; more files "
    "may follow, as a shell's pattern gives them, and the option may be repeated.",
)  # fmt: skip
@dry_run
def tests(words: tuple[str, ...], environment: str, suite: str, reports: tuple[Path, ...], dry_run: bool) -> None:
    """Record a test run from JUnit reports, on the set that the environment has now.

    A report that is empty or cannot be read counts as one failed test; a test that did not run never counts as passed.

    Example: sluicegate record tests auth=1.4.2 --in integration --suite regression --junit report.xml
    """
    from sluicegate.delivery.moves.evidence import read_junit, record_tests, unasked_suite

    version, more = _version_and_files(words)
    component, number = split_exact(version)
    run = read_junit([*reports, *more])
    for note in run.notes:
        say(note)
    with delivery() as repo:
        record_tests(repo, component, number, environment, suite, run, dry_run=dry_run)
        note = unasked_suite(repo.state().config, suite)
    counts = f"{run.passed} passed, {run.failed} failed" + (f", {run.skipped} did not run" if run.skipped else "")
    did("record", f"{suite} of {component}={number} in {environment}: {counts}", dry=dry_run)
    if note:
        say(note)


@record.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--puppetdb", is_flag=True, help="Ask the PuppetDB of each environment for its hosts' last reports.")
@as_json
def reports(paths: tuple[Path, ...], puppetdb: bool, as_json: bool) -> None:
    """Record what hosts report of runs of Puppet that nobody kicked.

    PATH is a report, or the folder in which a puppetserver keeps them (reportdir), of which the newest of each host is
    read. A report counts for a host of sluicegate.yaml and for what a deploy assigned to it. Once the last host of a
    deploy that waited in vain has what was assigned, and answers, the deploy is ended and starts its tests.

    Exit code 1 for a host that is not as assigned, for a strange report and for one that can't be read.

    Example: sluicegate record reports /var/lib/puppet/reports
    """
    from sluicegate.delivery.changes import reports as hosts_reports

    if bool(paths) == puppetdb:
        raise click.UsageError("name reports or folders of reports, or say --puppetdb")

    def progress(text: str) -> None:
        echo(text, err=True) if as_json else say(text)

    with delivery() as repo:
        heard = hosts_reports.kept(repo.state()) if puppetdb else hosts_reports.read(paths)
        taken = hosts_reports.take(repo, heard, say=progress)
    if as_json:
        from sluicegate.cli.shapes import reality

        print_json([reality.report(report) for report in taken])
    else:
        for report in taken:
            where = f" in {report.environment}" if report.environment else ""
            why = f": {report.why}" if report.why else ""
            echo(f"{report.host or report.source}{where}: {report.outcome}{why}")
        if not taken:
            echo(f"no report is in {', '.join(map(str, paths)) or 'the PuppetDB'}")
    if hosts_reports.problems(taken):
        sys.exit(1)


def _version_and_files(words: tuple[str, ...]) -> tuple[str, list[Path]]:
    """`--junit TEST-*.xml` comes from the shell as `--junit TEST-a.xml TEST-b.xml`: all but one word are files."""
    versions = [word for word in words if "=" in word and not Path(word).exists()] or list(words)
    if len(versions) > 1:
        raise click.UsageError(f"one COMPONENT=VERSION is expected beside the reports, not {' and '.join(versions)}")
    return versions[0], [Path(word) for word in words if word != versions[0]]


@click.command()
@click.argument("version", metavar="COMPONENT=VERSION")
@to_environment
@in_role
@why
@dry_run
def approve(version: str, environment: str, role: str, why: str, dry_run: bool) -> None:
    """Approve a version for an environment. In the role qa this is the quality assurance team's seal.

    Example: sluicegate approve auth=1.4.2 --to staging --as qa
    """
    _judge(version, environment, role, why, dry_run, approve=True)


@click.command()
@click.argument("version", metavar="COMPONENT=VERSION")
@to_environment
@in_role
@why
@dry_run
def reject(version: str, environment: str, role: str, why: str, dry_run: bool) -> None:
    """Reject a version for an environment; the last word of each member counts.

    Example: sluicegate reject auth=1.4.2 --to staging --as qa --why 'the login page is broken'
    """
    _judge(version, environment, role, why, dry_run, approve=False)


def _judge(version: str, environment: str, role: str, why: str, dry: bool, *, approve: bool) -> None:
    from sluicegate.delivery.moves.evidence import judge, unasked_role

    component, number = split_exact(version)
    with delivery() as repo:
        judge(repo, component, number, environment, role, approve=approve, why=why, dry_run=dry)
        who = repo.actor.user
        note = unasked_role(repo.state().config, environment, role)
    did("approve" if approve else "reject", f"{component}={number} for {environment} as {role}, by {who}", dry=dry)
    if note:
        say(note)


@click.command()
@click.argument("version", metavar="COMPONENT=VERSION")
@click.option(*ENVIRONMENT, default="", metavar="ENV", help="For this environment and all after it only.")
@why
@dry_run
def veto(version: str, environment: str, why: str, dry_run: bool) -> None:
    """Say that a version must not go further.

    Example: sluicegate veto auth=1.4.2 --why 'logout does not end the session'
    """
    _veto(version, environment, why, dry_run, lift=False)


@click.command()
@click.argument("version", metavar="COMPONENT=VERSION")
@click.option(*ENVIRONMENT, default="", metavar="ENV", help="The environment that the veto was for.")
@why
@dry_run
def unveto(version: str, environment: str, why: str, dry_run: bool) -> None:
    """Take a veto back.

    Example: sluicegate unveto auth=1.4.2
    """
    _veto(version, environment, why, dry_run, lift=True)


def _veto(version: str, environment: str, why: str, dry: bool, *, lift: bool) -> None:
    from sluicegate.delivery.moves.evidence import veto

    component, number = split_exact(version)
    with delivery() as repo:
        veto(repo, component, number, environment, lift=lift, why=why, dry_run=dry)
    scope = f" from {environment} on" if environment else ""
    text = f"the veto of {component}={number}{scope} is lifted" if lift else f"{component}={number} is vetoed{scope}"
    say(f"would do: {text}" if dry else text)
