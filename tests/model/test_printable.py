"""What people typed elsewhere does not reach into the terminal of who reads it."""

from __future__ import annotations

import pytest

from sluicegate.delivery.book.pins import read_pins
from sluicegate.model.config import Component
from sluicegate.model.evidence import Veto, from_json
from sluicegate.model.printable import printable

COMPONENTS = {"auth": Component(name="auth", repository="releases")}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\rfine", "\\rfine"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("two\nlines\tand é 中", "two\nlines\tand é 中"),
    ],
)
def test_what_moves_the_cursor_or_turns_the_text_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_texts_of_records_are_shown() -> None:
    by = {"user": "mallory\x1b[2K", "source": ""}
    record = from_json({"id": "1", "at": "2026-11-25T10:00:00Z", "what": "veto", "by": by, "why": "\x1b[1Aall is well"})
    assert isinstance(record, Veto)
    assert (record.by.user, record.why) == ("mallory\\x1b[2K", "\\x1b[1Aall is well")


def test_texts_of_pin_files_are_shown() -> None:
    content = b'auth: {version: 1.0.0, hold: {why: "\\e[2Jx", by: olle}}\n'
    hold = read_pins(content, "environments/staging.yaml", COMPONENTS)["auth"].hold
    assert hold is not None and hold.why == "\\x1b[2Jx"
