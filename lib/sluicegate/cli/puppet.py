"""puppet path."""

from __future__ import annotations

from pathlib import Path

import click

from sluicegate.cli.output import echo


@click.group()
def puppet() -> None:
    """What a shop with Puppet or OpenVox takes from here: the module that installs what is assigned to a host.

    Example: sluicegate puppet path
    """


@puppet.command()
def path() -> None:
    """Print the folder with the module `sluicegate`; a modulepath may name it, or a control repository have a copy.

    Example: cp -rL "$(sluicegate puppet path)/sluicegate" control-repo/site-modules/
    """
    echo(str((Path(__file__).parent.parent / "puppet").resolve()))
