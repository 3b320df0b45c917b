"""Runs the shell of a step for real: a `sluicegate` that notes its arguments stands first on PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from sluicegate.cli.main import commands

FAKE = """#!/bin/sh
printf '%s\\0' "$#" "$@" >> "$NOTES"
env > "$NOTES.env"
if [ "$1" = fetch ]; then echo "$FETCHED"; fi
if [ "$1" = resolve ]; then echo "$RESOLVED"; fi
exit "${FAKE_EXIT:-0}"
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A step that was run: its exit code, and the arguments of each call of sluicegate."""

    code: int
    calls: list[list[str]]
    output: str


@dataclass(frozen=True, slots=True)
class Step:
    """Runs a job's shell step as Jenkins does, `sh -xe FILE`, in a folder of its own."""

    folder: Path

    def run(self, script: str, variables: Mapping[str, str]) -> Ran:
        tools, work = self.folder / "tools", self.folder / "workspace"
        for folder in (tools, work):
            folder.mkdir(exist_ok=True)
        (tools / "sluicegate").write_text(FAKE)
        (tools / "sluicegate").chmod(0o755)
        (self.folder / "step.sh").write_text(script)
        notes = self.folder / "notes"
        path = f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": os.environ["HOME"], "NOTES": str(notes), **variables}
        done = subprocess.run(
            ["sh", "-xe", str(self.folder / "step.sh")], cwd=work, env=env, capture_output=True, text=True, timeout=60
        )
        assert not (work / "gone").exists(), "a value was run as shell"
        return Ran(done.returncode, calls(notes), done.stdout + done.stderr)


def calls(notes: Path) -> list[list[str]]:
    """What the fake has noted: for each call the number of its arguments, and these."""
    words = notes.read_text().split("\0")[:-1] if notes.exists() else []
    words_by_call = []
    while words:
        count, *words = words
        words_by_call.append(words[: int(count)])
        words = words[int(count) :]
    return words_by_call


def parse(name: str, words: list[str]) -> None:
    """What the command line does before it acts. Raises click.UsageError."""
    above = click.Context(commands, **commands.context_settings)
    known = commands.get_command(above, name)
    assert known is not None
    known.make_context(name, words, parent=above)
