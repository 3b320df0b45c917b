"""The command groups and the way of an error to its exit code."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from sluicegate import __version__
from sluicegate.cli.json_option import JsonAnswers, add_option
from sluicegate.errors import MissingProgram, SluicegateError, UsageError
from sluicegate.model.printable import printable

COMMANDS = {
    "Start": {
        "init": ("cli.setup", "Make a delivery repo."),
        "check": ("cli.setup", "Check sluicegate.yaml, pins and drivers."),
        "upgrade": ("cli.setup", "Bring the ledger to the form of this release."),
        "demo": ("demo.command", "Play the worked example, from commit to production."),
        "completion": ("cli.completion", "Let the shell complete words."),
    },
    "Versions": {
        "publish": ("cli.versions", "Publish the files of a version, once."),
        "fetch": ("cli.versions", "Get exactly these files back."),
        "resolve": ("cli.versions", "Print the newest version within a range."),
        "search": ("cli.search", "Find versions by name, checksum, commit or figure."),
        "show": ("cli.show", "A version's files, their addresses, its evidence."),
        "verify": ("cli.verify", "Read every file of a version again and compare."),
        "copy": ("cli.copy", "Put a version into another repository too."),
        "prune": ("cli.prune", "Remove old versions that nothing needs."),
        "record": ("cli.evidence", "Record evidence: test runs."),
    },
    "Gates and pins": {
        "approve": ("cli.evidence", "Approve a version for an environment, in a role."),
        "reject": ("cli.evidence", "Reject a version for an environment, in a role."),
        "promote": ("cli.pins", "Move versions into the next environment's pins."),
        "pin": ("cli.pins", "Set a pin by hand."),
        "unpin": ("cli.pins", "Take a component out of an environment."),
        "hold": ("cli.pins", "Keep a pin where it is."),
        "unhold": ("cli.pins", "Let a held pin move again."),
        "veto": ("cli.evidence", "Say that a version must not go further."),
        "unveto": ("cli.evidence", "Take a veto back."),
    },
    "Environments": {
        "sync": ("cli.deploys", "Follow latest, deploy, start the tests."),
        "deploy": ("cli.deploys", "Make an environment's hosts match its pins."),
        "rollout": ("cli.rollout", "Replace the versions of a pool, batch by batch."),
        "swap": ("cli.deploys", "Exchange staging and production."),
        "rollback": ("cli.deploys", "Put the last known-good versions back."),
        "resume": ("cli.deploys", "Finish or undo what a dead command left open."),
        "adopt": ("cli.reality", "Take what the hosts have already as the pins."),
        "host": ("cli.host", "Leave a host alone for a while, and bring it in again."),
        "balancer": ("cli.balancer", "What leads users to the groups: its configuration."),
        "puppet": ("cli.puppet", "The module for Puppet: where it is."),
    },
    "Jobs": {
        "jobs": ("cli.jobs", "The job library: its path, rendering, checking."),
        "serve": ("cli.runner", "Run jobs as a server that speaks Jenkins' remote API."),
        "run": ("cli.running", "Run jobs here and now, or plan them."),
        "trigger": ("cli.runner", "Start a job on any Jenkins and follow it."),
    },
    "Look": {
        "status": ("cli.views", "What is where."),
        "diff": ("cli.views", "What one environment has that another has not."),
        "drift": ("cli.reality", "What the hosts have that is not as pinned."),
        "parity": ("cli.reality", "What two environments' hosts have differently."),
        "explain": ("cli.views", "Why a version is not there, and who can help."),
        "history": ("cli.views", "What happened, newest first."),
        "flow": ("cli.views", "The time from commit to integration, stage by stage."),
    },
}
MODULES = {name: module for section in COMMANDS.values() for name, (module, _) in section.items()}
VARIABLE = "_SLUICEGATE_COMPLETE"
"""With this in the environment, as click names it, a shell asks for words."""
COLOR = False if os.environ.get("NO_COLOR") else None
"""Whether there are colours; None leaves it to what the output is: a terminal, or a pipe."""
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
FULL = {
    errno.ENOSPC: "make room, and run it again",
    errno.EDQUOT: "make room, and run it again",
    errno.EFBIG: "raise the limit (ulimit -f), or name another folder",
    errno.EROFS: "name another folder",
    errno.EACCES: "look at its rights, and at those of its folder",
    errno.EPERM: "look at its rights, and at those of its folder",
    errno.EIO: "look at the disk",
}
"""What may happen to any file, is no bug of ours, and what helps."""


class Commands(click.Group):
    """Commands imported when they are called: a job step shall start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return None
        module = importlib.import_module(f"sluicegate.{MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        add_option(command)
        if VARIABLE in os.environ:
            from sluicegate.cli import completion

            completion.add_words(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in MODULES:
            from sluicegate.model.settings import suggestion

            ctx.fail(f"no command is called '{args[0]}'.{suggestion(args[0], list(MODULES))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in section.items()])


@click.command(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80, "color": COLOR}
)
@click.version_option(__version__, prog_name="sluicegate", message="%(prog)s %(version)s")
@click.option(
    "-C", "repo", metavar="DELIVERY_REPO", default=lambda: os.environ.get("SLUICEGATE_REPO") or ".",
    help="Path or URL of the delivery repo; else SLUICEGATE_REPO, else the current folder.",
)  # fmt: skip
@click.pass_context
def commands(ctx: click.Context, repo: str) -> None:
    """Move versions safely from commit to production, gate by gate.

    Components are named as auth or auth=1.4.2, environments by --to or --in.

    Example: sluicegate explain auth --to production
    """
    if isinstance(ctx.obj, JsonAnswers):
        ctx.meta[JsonAnswers.__module__] = ctx.obj
    ctx.obj = repo


def terminate(*_: object) -> None:
    """End as after Ctrl-C: children are stopped, temporary files removed; what is open stays for `resume`."""
    sys.exit(TERMINATED)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    if VARIABLE in os.environ:  # a shell asks for words
        from sluicegate.cli import completion

        completion.register()
    command = next((word for word in arguments if word in MODULES), "")
    answers = JsonAnswers(command, wanted="--json" in arguments)
    code = 70
    try:
        code = _run(arguments, answers)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        raise
    finally:
        answers.finish(code)
    return code


def _run(arguments: Sequence[str], answers: JsonAnswers) -> int:
    stdout = sys.stdout
    try:
        _refuse_bytes(arguments)
        commands.main(args=list(arguments), prog_name="sluicegate", standalone_mode=False, obj=answers)
    except click.exceptions.NoArgsIsHelpError as problem:
        problem.show()
        return 2
    except click.ClickException as problem:
        answers.failed(problem)
        problem.show()
        return problem.exit_code
    except click.exceptions.Exit as problem:
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        _interrupted(arguments)
        return _quit(INTERRUPTED)
    except SluicegateError as problem:
        answers.failed(problem)
        return _fail(problem)
    except BrokenPipeError:
        return _quit(BROKEN_PIPE)
    except OSError as problem:
        if problem.errno not in FULL:
            return _bug(problem)
        message = f"{problem.filename or 'what is written'}: {os.strerror(problem.errno)}"
        return _quit(_fail(SluicegateError(message, hint=FULL[problem.errno])))
    except ModuleNotFoundError as problem:
        return _missing(problem)
    except SystemExit as problem:
        if problem.code == TERMINATED:
            _interrupted(arguments)
        if problem.code == 1 and sys.stdout is not stdout:  # click wraps a closed pipe, and makes a failure of it
            return _quit(BROKEN_PIPE)
        raise
    except Exception as problem:
        return _bug(problem)
    return 0


def _refuse_bytes(arguments: Sequence[str]) -> None:
    """Python carries bytes that are no text as surrogates; no file of ours could hold them."""
    for word in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            raise UsageError(f"the argument {word!a} is not UTF-8")


def _fail(problem: SluicegateError) -> int:
    click.secho("sluicegate: ", fg="red", nl=False, err=True, color=COLOR)
    click.echo(printable(problem.message), err=True)
    if problem.hint:
        click.secho(f"  try: {printable(problem.hint)}", fg="yellow", err=True, color=COLOR)
    return problem.exit_code


def _interrupted(arguments: Sequence[str]) -> None:
    if "serve" in arguments:  # that is how a server is stopped
        return
    click.echo("sluicegate: interrupted", err=True)
    words = dict.fromkeys(COMMANDS["Environments"], "sluicegate resume, which finishes or undoes what was begun")
    words |= dict.fromkeys(("publish", "copy", "prune"), "the same again, which completes what was begun")
    if hint := words.get(next((word for word in arguments if word in MODULES), ""), ""):
        click.secho(f"  try: {hint}", fg="yellow", err=True, color=COLOR)


def _missing(problem: ModuleNotFoundError) -> int:
    """A package of an extra that this command needs and that is not installed."""
    from sluicegate.tools import extras
    from sluicegate.wiring import EXTRAS

    extra = EXTRAS.get((problem.name or "").partition(".")[0])
    if extra is None:
        return _bug(problem)
    message = f"this command needs the package {problem.name}, which is not installed"
    return _fail(MissingProgram(message, hint=extras.install(extra)))


def _bug(problem: Exception) -> int:
    import traceback

    words = [*traceback.format_exception(problem), f"sluicegate: this is a bug of sluicegate: {type(problem).__name__}"]
    click.echo(printable(f"{''.join(words)}: {problem}"), err=True)
    return 70


def _quit(code: int) -> NoReturn:
    """End without the interpreter complaining about a closed pipe."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os._exit(code)
