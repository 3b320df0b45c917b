"""`--json` for every command: what it says, and how it ends, as one JSON object.

A command that has a shape of its own prints that when it ends well. All others answer
`{"command": ..., "exit_code": 0, "lines": [...]}`; whatever fails adds `"error": {"message", "reasons", "hint"}`.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import click

from sluicegate.errors import GateRefused, SluicegateError

if TYPE_CHECKING:
    from sluicegate.cli.shapes.common import Answer, Error

SILENT = ("serve", "demo", "completion", "balancer", "render", "path")
"""A server, a show for people, and commands whose output is a document already."""


class JsonAnswers:
    """Gathers the output of one command. `wanted` from the command line, `gathering` once its option was read."""

    def __init__(self, command: str, *, wanted: bool) -> None:
        self.command = command
        self.wanted = wanted
        self.error: Error | None = None
        self._lines: io.TextIOWrapper | None = None
        self._stdout: TextIO = sys.stdout
        self._descriptor: int | None = None

    def gather(self) -> None:
        """From now on keep what is printed; what a started program prints goes to stderr."""
        self._stdout = sys.stdout
        self._lines = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)
        with suppress(OSError, ValueError):  # a test's stdout is no descriptor
            if sys.stdout.fileno() == 1:
                sys.stdout.flush()
                self._descriptor = os.dup(1)
                os.dup2(2, 1)
        sys.stdout = self._lines

    def failed(self, problem: SluicegateError | click.ClickException) -> None:
        if isinstance(problem, click.ClickException):
            self.error = {"message": problem.format_message(), "reasons": [], "hint": ""}
            return
        reasons = list(problem.reasons) if isinstance(problem, GateRefused) else []
        message = problem.message.split("\n  ")[0] if reasons else problem.message
        self.error = {"message": message, "reasons": reasons, "hint": problem.hint}

    def finish(self, code: int) -> None:
        """Print the object, where one was asked for and the command has not printed its own."""
        lines = None
        if self._lines is not None:
            buffer = self._lines.buffer
            assert isinstance(buffer, io.BytesIO)
            lines = click.unstyle(buffer.getvalue().decode("utf-8", "replace")).splitlines()
            sys.stdout = self._stdout
            if self._descriptor is not None:
                os.dup2(self._descriptor, 1)
                os.close(self._descriptor)
        if not self.wanted or (lines is None and self.error is None):
            return
        from sluicegate.cli.output import print_json

        answer: Answer = {"command": self.command, "exit_code": code, "lines": lines or []}
        if self.error is not None:
            answer["error"] = self.error
        print_json(answer)


def add_option(command: click.Command) -> None:
    """Give `--json` to a command, and to all below a group, that has none of its own."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_option(below)
    elif command.name not in SILENT and not any("--json" in option.opts for option in command.params):
        option = click.Option(
            ["--json"], is_flag=True, expose_value=False, is_eager=True, callback=_gather,
            help="Print what is said, and how it ends, as JSON.",
        )  # fmt: skip
        command.params.append(option)


def _gather(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    answers = ctx.find_root().meta.get(__name__)
    if wanted and isinstance(answers, JsonAnswers):
        answers.gather()
