"""Tables: as wide as what they hold, folded where a terminal is narrower."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from sluicegate.cli import output
from sluicegate.cli.output import did, table_lines

ROWS = (
    ("component", "newest", "why"),
    ("auth", "1.0.0", "rolled back because the login page of the old browsers stayed white, OPS-12"),
    ("portal", "2.0.0", ""),
)


def test_a_table_that_fits_has_one_line_a_row() -> None:
    assert table_lines(ROWS, 120) == table_lines(ROWS, None)
    assert table_lines(ROWS, None)[2] == ["portal     2.0.0"]


def test_a_table_that_is_too_wide_is_folded_at_blanks() -> None:
    folded = table_lines(ROWS, 60)
    assert max(len(line) for lines in folded for line in lines) <= 60
    assert folded[1][0].startswith("auth       1.0.0   rolled back because")
    assert " ".join(line[19:] for line in folded[1]) == ROWS[1][2]


def test_a_folded_cell_keeps_its_colours_on_each_line() -> None:
    coloured = click.style("one two three four five six", fg="red")
    folded = table_lines((("name", "what"), ("auth", coloured)), 24)[1]
    assert len(folded) > 1
    assert all("\x1b[31m" in line and line.endswith("\x1b[0m") for line in folded)


def test_a_word_that_is_longer_than_the_terminal_stays_whole() -> None:
    address = "https://nexus.example.com/repository/releases/com/example/auth/1.0.0/auth-1.0.0.tar.gz"
    assert address in table_lines((("file",), (address,)), 40)[1][0]


@pytest.mark.parametrize(
    ("dry", "sentence"), [(False, "held auth in staging\n"), (True, "would hold auth in staging\n")]
)
def test_what_was_done_and_what_would_be_done_are_both_english(
    dry: bool, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    did("hold", "auth in staging", dry=dry)
    assert capsys.readouterr().out == sentence


def test_every_verb_that_a_command_says_has_its_past() -> None:
    commands = Path(output.__file__).parent.glob("*.py")
    verbs = {verb for path in commands for verb in re.findall(r'\bdid\(\s*"(\w+)"', path.read_text())}
    verbs |= {"approve", "reject"}  # chosen by an option
    assert verbs == set(output.PAST)


HOSTILE = "\x1b[2Jgone\x9b31m \u202egnp\x7f"


def test_no_word_of_others_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal takes them; in a pipe click strips some, which hides that they are there."""
    output.echo(HOSTILE)
    output.secho(HOSTILE, fg="yellow")
    output.say(HOSTILE)
    output.print_table(["head"], [[HOSTILE], [output.marked(HOSTILE, HOSTILE)]])
    output.print_json({"why": HOSTILE})
    output.print_json_line({"why": HOSTILE})
    written = capsys.readouterr().out
    assert not re.search("[\x1b\x9b\x7f\u202e]", written)
    assert written.count("\\x1b[2Jgone\\x9b31m \\u202egnp\\x7f") == 6
    assert json.loads(written.splitlines()[-1]) == {"why": HOSTILE}


def test_a_mark_of_ours_keeps_its_colour() -> None:
    assert "\x1b[33m vetoed" in output.marked("1.0.0", "vetoed")


def test_every_command_prints_through_the_doors_that_make_text_printable() -> None:
    folder = Path(output.__file__).parent
    doors = {"output.py", "main.py", "completion.py"}
    direct = re.compile(r"click\.s?echo\(|(?<![.\w])print\(|console\.print\((?!printable\()")
    others = [path.name for path in folder.glob("*.py") if path.name not in doors and direct.search(path.read_text())]
    assert others == ["start.py"]  # its own version
