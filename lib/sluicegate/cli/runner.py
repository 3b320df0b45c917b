"""`serve` and `trigger`: jobs on our own server, and on any Jenkins."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from sluicegate.cli import output
from sluicegate.errors import UsageError

WAYS = ("auto", "user", "sandbox", "none")
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--home", type=click.Path(path_type=Path), envvar="SLUICEGATE_HOME", help="The Jenkins home to keep.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--executors", default=2, show_default=True, type=click.IntRange(0, 256), help="Builds at a time.")
@click.option("--user", "users", multiple=True, metavar="NAME[=RIGHT]", help="Create this user, with RIGHT.")
@click.option("--url", default="", help="The root URL that people and builds use, when it is another one.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Answer for this host name too.")
@click.option("--pass-env", "passed", multiple=True, metavar="NAME", help="Give builds this variable; NAME* too.")
@click.option("--isolation", type=click.Choice(WAYS), default="auto", help="What keeps builds from secrets.")
@click.option("--run-as", default="", metavar="USER", help="Run builds as this user (as root only).")
@click.option("--builds-write", "writable", multiple=True, type=FOLDER, help="Sandboxed builds may change it.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Speak HTTPS with this certificate (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="The certificate's key (PEM).")
@click.option("--plain-http", is_flag=True, help="Listen beyond this machine without TLS.")
@click.option("--delivery", "repo", metavar="REPO", help="Show the status of this delivery repository at /delivery/.")
@click.option(
    "--reports-from", "sources", multiple=True, metavar="ADDRESS",
    help="Take reports of Puppet's runs from this address or network; needs --delivery.",
)  # fmt: skip
def serve(
    home: Path | None,
    host: str,
    port: int,
    executors: int,
    users: tuple[str, ...],
    url: str,
    hosts: tuple[str, ...],
    passed: tuple[str, ...],
    isolation: str,
    run_as: str,
    writable: tuple[Path, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    plain_http: bool,
    repo: str | None,
    sources: tuple[str, ...],
) -> None:
    """Run jobs as a server that speaks Jenkins' remote API.

    The user admin always exists. The first start makes passwords, in HOME/secrets/passwords/NAME.
    A new user may build; RIGHT is read, build, configure (what jenkins-jobs update needs) or administer.
    HOME/rights.yaml says who may do what, everywhere or in a folder.

    Example: sluicegate serve --home jenkins --user anna --delivery delivery.git
    """
    from urllib.parse import urlsplit

    from sluicegate.runner.confinement import choosing
    from sluicegate.runner.service import Runner
    from sluicegate.runner.users import ADMIN
    from sluicegate.tools import files, sockets
    from sluicegate.tools.git import place
    from sluicegate.web import delivery, reports, server
    from sluicegate.web.tls import certificate_of

    networks = reports.networks(sources)
    if networks and not repo:
        raise UsageError("--reports-from needs --delivery: what hosts report is recorded there")

    if repo:
        try:
            place.resolve(repo, place.cache_folder())
        except UsageError as problem:  # it may come back, as after a mount: its page tells until then
            output.echo(f"--delivery: {problem.message}", err=True)
    tls = certificate_of(tls_cert, tls_key)
    if not (tls or plain_http or sockets.is_loopback(host)):
        raise UsageError(
            f"{host} is reached from other machines, and passwords would travel in clear",
            hint="give --tls-cert and --tls-key, or --plain-http behind a proxy that speaks TLS",
        )
    listening = server.bind(host, port)
    root = server.home_url(listening, host, url, "https" if tls else "http")
    runner = Runner(home or server.default_home(), executors=executors, url=root)
    server.log_to(runner.home.path)
    runner.confinement = choosing.choose(
        runner.home.path,
        isolation,
        run_as=run_as,
        user_of=lambda job: runner.settings.user_of(job),
        writable=writable,
        private=(*filter(None, (tls_key,)), *runner.logins.files),
    )
    for name, _, right in (user_words.partition("=") for user_words in (ADMIN, *users)):
        try:
            runner.users.create(name)
            if right:
                runner.rights.give(name, right)
        except OSError as problem:
            if name == ADMIN or problem.errno not in files.NO_ROOM:
                raise
            output.echo(f"--user {name}: the next start makes him: {os.strerror(problem.errno)}", err=True)
    runner.pass_env = passed
    names = frozenset(name for name in (host, urlsplit(root).hostname or "", *hosts) if name)
    matrix = delivery.Delivery(repo) if repo else None
    reported = reports.Reports(runner.home.path, repo, networks) if repo and networks else None
    if matrix and reported:
        matrix.workers.append(reported.worker)

    def started() -> None:
        output.echo(f"Listening on {root}")
        output.echo(runner.confinement.words())
        if runner.logins.proxy is not None and runner.logins.proxy.is_open_to_builds:
            output.echo(
                "Builds on this machine can say who they are as the proxy of logins.yaml may: give it a `secret`"
            )
        if runner.rights.newly_made_for:
            owners = ", ".join(runner.rights.newly_made_for)
            output.echo(f"Rights are new here: {owners} stay administrators; {runner.rights.path} says who may do what")
        first = runner.vault.folder / "passwords" / ADMIN
        if first.exists():
            output.echo(f"Log in as {ADMIN} with the password in {first}, and change it on the user's page")
        if reported:
            output.echo(f"Puppet posts its reports to {root}delivery/reports as {reports.USER}, with the password in")
            output.echo(f"{reported.secret_file}; see docs/how-to/puppet.md")
        sys.stdout.flush()

    server.serve(runner, listening, hosts=names, delivery=matrix, started=started, tls=tls, reports=reported)


@click.command()
@click.argument("job")
@click.option("-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter; repeatable.")
@click.option("--url", envvar="JENKINS_URL", default="", help="The Jenkins; else JENKINS_URL.")
@click.option("--user", envvar="JENKINS_USER", default="", help="Who starts it; else JENKINS_USER.")
def trigger(job: str, pairs: tuple[str, ...], url: str, user: str) -> None:
    """Start a job on any Jenkins, follow its console, and end with its result.

    The API token of the user is read from the variable JENKINS_TOKEN.

    Example: sluicegate trigger auth-build --url https://jenkins.example.com --user ci
    """
    from sluicegate.runner import following, remote

    values = output.assignments("-p", pairs)
    server = remote.Remote(url, user, os.environ.get("JENKINS_TOKEN", ""))
    result = following.follow(server, job, values, lambda line: output.echo(line, err=True), output.write)
    raise SystemExit(result.exit_code)
