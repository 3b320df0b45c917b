"""Prints tables, or JSON; opens the delivery repo; options that many commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sluicegate.errors import UsageError
from sluicegate.model.printable import printable, printable_json

if TYPE_CHECKING:
    from sluicegate.delivery.book.repo import DeliveryRepo
    from sluicegate.model.values import Json

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
why = click.option(
    "--why", default="", metavar="TEXT", callback=lambda _context, _option, text: printable(text),
    help="The reason, kept in the record.",
)  # fmt: skip
ENVIRONMENT = ("--in", "--to", "environment")
"""Both words are taken wherever an environment is named; help shows first the one that reads well."""
in_environment = click.option(*ENVIRONMENT, required=True, metavar="ENV", help="The environment.")
to_environment = click.option(
    "--to", "--in", "environment", required=True, metavar="ENV", help="The environment to enter."
)


@contextmanager
def delivery() -> Iterator[DeliveryRepo]:
    """The delivery repo that -C names."""
    from sluicegate.delivery.book.repo import DeliveryRepo
    from sluicegate.delivery.book.state import LEDGER, MAIN
    from sluicegate.tools.git import Store
    from sluicegate.wiring import EntryPointDrivers

    with Store(click.get_current_context().obj, (MAIN, LEDGER)) as store:
        repo = DeliveryRepo(store, EntryPointDrivers())
        yield repo
        for notice in repo.notices:  # a command that fails says one sentence, and that is its own
            echo(f"note: {notice}", err=True)


def split(text: str) -> tuple[str, str]:
    """`auth=1.4.2` as component and version; the version is '' when it is left out."""
    component, equals, version = text.partition("=")
    if not component or (equals and not version):
        raise click.BadParameter(f"'{text}' is not of the form COMPONENT or COMPONENT=VERSION")
    return component, version


def split_exact(text: str) -> tuple[str, str]:
    """`auth=1.4.2`, where the version may not be left out."""
    component, version = split(text)
    if not version:
        raise click.BadParameter(f"name the version too: {component}=VERSION")
    return component, version


def echo(text: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Print text; what others wrote in it commands no terminal."""
    click.echo(printable(text), nl=nl, err=err)


def secho(text: str, *, nl: bool = True, err: bool = False, fg: str | None = None, bold: bool | None = None) -> None:
    """The same, on a terminal in this colour and weight."""
    click.secho(printable(text), nl=nl, err=err, fg=fg, bold=bold)


def say(text: str) -> None:
    """A line of progress. A reader who left must not end a deployment half-way: from then on nobody is told."""
    try:
        echo(text)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


PAST = {
    "adopt": "adopted", "approve": "approved", "copy": "copied", "delete": "deleted", "hold": "held", "let": "let",
    "pin": "pinned", "promote": "promoted", "publish": "published", "record": "recorded", "reject": "rejected",
    "sign": "signed", "store": "stored", "unpin": "unpinned",
}  # fmt: skip


def did(verb: str, what: str, *, dry: bool) -> None:
    """`pinned auth=1.4.2 in staging`, or in a dry run `would pin auth=1.4.2 in staging`."""
    echo(f"would {verb} {what}" if dry else f"{PAST[verb]} {what}")


def done(text: str, *, dry: bool) -> None:
    """What was done, or would be."""
    echo(f"would {text}" if dry else text)


def print_json(value: Json) -> None:
    import json

    print_json_text(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Mapping[str, object]) -> None:
    """One object on one line, for answers of many."""
    import json

    print_json_text(json.dumps(value, ensure_ascii=False))


def print_json_text(document: str) -> None:
    """A JSON document; what nobody would see in its texts is escaped, as JSON does it."""
    click.echo(printable_json(document))


def assignments(option: str, pairs: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE words of an option as a mapping; the value is taken as it is, whatever it looks like."""
    values = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise UsageError(f"{option} {pair}: expected NAME=VALUE")
        values[name] = value
    return values


def write(block: bytes) -> None:
    """Output of a build, as it comes."""
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()


class Marked(str):
    """A cell of a table that has colours of ours in it."""


def marked(text: str, mark: str) -> Marked:
    """A cell's text, and behind it in yellow what is special, where that is not ''."""
    return Marked(printable(text) + (click.style(f" {printable(mark)}", fg="yellow") if mark else ""))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their content, folded to the terminal's width; in a pipe a row stays one line.

    The head is bold on a terminal.
    """
    limit = None
    if sys.stdout and sys.stdout.isatty():
        import shutil  # with bz2 and lzma: not for a pipe

        limit = shutil.get_terminal_size().columns
    cells = [[cell if isinstance(cell, Marked) else printable(cell) for cell in row] for row in (head, *rows)]
    for number, lines in enumerate(table_lines(cells, limit)):
        for line in lines:
            click.secho(line, bold=number == 0)


NARROWEST = 12  # no column is folded to fewer characters


def table_lines(rows: Sequence[Sequence[str]], limit: int | None) -> list[list[str]]:
    """The lines of each row, none longer than `limit` where the columns can be folded at blanks that far."""
    widths = [max(len(click.unstyle(row[i])) for row in rows) for i in range(len(rows[0]))]
    spare = 2 * (len(widths) - 1)
    while limit and sum(widths) + spare > limit and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return [_row_lines(row, widths) for row in rows]


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    columns = [_cell_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(map(len, columns))):
        cells = [column[number] if number < len(column) else "" for column in columns]
        padded = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return lines


def _cell_lines(cell: str, width: int) -> list[str]:
    """A cell folded at blanks, each line in the cell's own colours."""
    text = click.unstyle(cell)
    if len(text) <= width:
        return [cell]
    import textwrap

    before, _, after = cell.partition(text)
    folded = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{before}{line}{after}" for line in folded]
