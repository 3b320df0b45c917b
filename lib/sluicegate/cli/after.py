"""Starts what an installation starts: commands beside us, outside of our own time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import click

from sluicegate.delivery.sync import Started
from sluicegate.errors import UsageError
from sluicegate.tools import process


def start(one: Started, *, wait: bool) -> bool:
    """Start it; with `wait` follow it to its end and say whether it ended well."""
    label = f"{one.name} of {one.component}={one.version}"
    if one.job:
        raise UsageError(
            f"{label}: a job '{one.job}' cannot be started yet; name a command", hint="after: {NAME: {command: [...]}}"
        )
    click.echo(f"starting {label}: {' '.join(one.command)}")
    environment = {**os.environ, **one.variables}
    try:
        if wait:
            sys.stdout.flush()
            return subprocess.run(one.command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0
        with tempfile.NamedTemporaryFile(prefix=f"sluicegate-{one.name}-", suffix=".log", delete=False) as log:
            subprocess.Popen(
                one.command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            click.echo(f"its output goes to {log.name}")
    except FileNotFoundError as problem:
        raise process.missing(one.command[0]) from problem
    return True
