"""What people typed elsewhere does not reach into the terminal of who reads it."""

from __future__ import annotations

import json

import pytest

from sluicegate.delivery.book.pins import read_pins
from sluicegate.model.config import Component
from sluicegate.model.evidence import Veto
from sluicegate.model.printable import printable, printable_json
from sluicegate.model.recordjson import from_json

KEPT = "two\nlines\tand é 中 \U0001f9d1\u200d\U0001f4bb می\u200cخواهم"
COMPONENTS = {"auth": Component(name="auth", repository="releases")}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\rfine", "\\rfine"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u061crita", "\\u061crita"),
        ("one line\u2028another\u2029third", "one line\\u2028another\\u2029third"),
        ("an\u200bna \ufeffri\u200dta \U000e0041", "an\\u200bna \\ufeffri\\u200dta \\U000e0041"),
        ("half \ud800 a character", "half \\ud800 a character"),
        (
            "two\nlines\tand é 中 \U0001f9d1\u200d\U0001f4bb می\u200cخواهم",
            "two\nlines\tand é 中 \U0001f9d1\u200d\U0001f4bb می\u200cخواهم",
        ),
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


@pytest.mark.parametrize("hidden", ["\x7f", "\x9b", "\u202e", "\u2028", "\U000e0041", "\ud800"])
def test_json_keeps_its_meaning_and_hides_nothing(hidden: str) -> None:
    value = {"why": f"a{hidden}b", "lines": [1]}
    document = printable_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert hidden not in document
    assert json.loads(document) == value


def test_texts_of_records_are_shown_whatever_field_they_are_in() -> None:
    content = {
        "id": "a\x1b",
        "at": "2026-11-25T10:00:00Z",
        "what": "\x1bnew",
        "behind": {"h\x9b": "x"},
        "after": "\ud800",
    }
    assert (from_json(content).id, from_json(content).after) == ("a\\x1b", "\\ud800")
    assert getattr(from_json(content), "kind", "") == "\\x1bnew"
    failed = from_json({**content, "what": "failed"})
    assert getattr(failed, "behind", {}) == {"h\\x9b": "x"}
