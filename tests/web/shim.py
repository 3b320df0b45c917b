"""The runner's commands as a program, for tests that need a process of its own."""

from __future__ import annotations

import sys

import click

from sluicegate.cli import runner
from sluicegate.errors import SluicegateError


def main() -> int:
    commands = {"serve": runner.serve, "run": runner.run, "trigger": runner.trigger}
    try:
        click.Group("sluicegate", commands=commands)(standalone_mode=False)
    except SluicegateError as problem:
        print(f"sluicegate: {problem.message}", file=sys.stderr)
        return problem.exit_code
    except click.ClickException as problem:
        problem.show()
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
