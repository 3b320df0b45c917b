"""completion: the shell completes commands, options, components, versions and environments."""

from __future__ import annotations

import re
from collections.abc import Callable

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

SHELLS = ("bash", "zsh", "fish")
Words = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what lets a shell complete commands, options, components, versions and environments.

    For zsh and fish put it where they look for completions: zsh's $fpath as _sluicegate, fish's completions folder.

    Example: sluicegate completion bash > ~/.local/share/bash-completion/completions/sluicegate
    """
    register()
    kind = get_completion_class(shell)
    assert kind is not None
    root = ctx.find_root()
    program = str(root.info_name)
    click.echo(kind(root.command, {}, program, f"_{program}_COMPLETE".upper()).source())


class Bash(BashComplete):
    """Bash cuts words at '=': click is given the word that the user sees, and bash the part behind it."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        if args and incomplete == "=":
            return args[:-1], f"{args[-1]}="
        if len(args) > 1 and args[-1] == "=":
            return args[:-2], f"{args[-2]}={incomplete}"
        return args, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{str(item.value).rpartition('=')[2]}"


def register() -> None:
    """Let click use it, when it answers a shell as well."""
    add_completion_class(Bash, "bash")


def add_words(command: click.Command) -> None:
    """Let the parameters of a command, and of all below a group, complete what the delivery repo knows."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_words(below)
        return
    for parameter in command.params:
        shown = f"{parameter.metavar or ''} {parameter.name if isinstance(parameter, click.Argument) else ''}".upper()
        named = set(re.findall("[A-Z]+", shown))
        if named & {"COMPONENT", "ENV"}:
            parameter._custom_shell_complete = _words("COMPONENT" in named, "ENV" in named, "VERSION" in named)


def _words(components: bool, environments: bool, versions: bool) -> Words:
    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            known = _known(ctx.find_root().params.get("repo") or ".", incomplete, components, environments, versions)
        except Exception:  # whatever is wrong with the repository, a word that is half typed is no place to tell it
            return []
        return [CompletionItem(word) for word in known if word.startswith(incomplete)]

    return complete


def _known(repo: str, incomplete: str, components: bool, environments: bool, versions: bool) -> list[str]:
    from datetime import UTC, datetime

    from sluicegate.delivery.book.state import LEDGER, MAIN, State
    from sluicegate.tools.git import Store
    from sluicegate.wiring import EntryPointDrivers

    with Store(repo, (MAIN, LEDGER)) as store:
        state = State(store, EntryPointDrivers(), datetime.now(UTC))
        component, equals, _ = incomplete.partition("=")
        if equals and versions and component in state.config.components:
            return [f"{component}={version}" for version in state.recorded_versions(component)]
        return [*(state.config.components if components else ()), *(state.config.environments if environments else ())]
