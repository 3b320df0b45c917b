"""check --deep reads the whole ledger and names what is lost; check --repair makes indexes anew, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluicegate.delivery.answers.deep import examine, refuse, repair
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.book.state import LEDGER
from sluicegate.errors import IntegrityError
from sluicegate.tools.git import Edit
from tests.worlds import Shop

HISTORY = "environments/integration/2026-11-1.jsonl"
STORY = "components/auth/1.0.0.jsonl"


def changed(shop: Shop, path: str, edit: Callable[[bytes], bytes | None]) -> None:
    store = shop.by("mallory").store
    files = {path: edit(shop.state.ledger_file(path) or b"")}
    store.push([Edit(branch=LEDGER, base=store.tips()[LEDGER], files=files)], "x\n", by=store.signature, at=shop.now)


def without(number: int) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(line for at, line in enumerate(content.splitlines(keepends=True)) if at != number)


def test_a_ledger_that_is_well_has_no_finding(again: Shop) -> None:
    examined = examine(again.state)
    assert examined.findings == ()
    assert examined.records > 50 and examined.files > 8
    tips = again.tips
    assert repair(again.by("rita")) == () and again.tips == tips


@pytest.mark.parametrize(
    ("path", "edit", "what"),
    [
        (HISTORY, without(1), "which .* comes after, is missing"),
        (HISTORY, without(1), "is gone, which .* builds on|names another set|do not give the set"),
        (STORY, without(0), "which .* comes after, is missing"),
        (STORY, lambda content: content + b"<<<<<<< ours\n", r"1.0.0.jsonl:\d+: this line is no record"),
        (HISTORY, lambda content: content[:-20] + b"\n", "this line is no record"),
        ("deploys/integration/00/0000.jsonl", lambda _: b"x\n", "no deploy has this table|no row of a table"),
        ("componets/auth.jsonl", lambda _: b"", "no file of a ledger has this name"),
        ("components/auth/1.0.0.JSONL", lambda _: b"", "no file of a ledger has this name"),
        ("components/auth/x.jsonl/1.0.0.jsonl", lambda _: b"", "no file of a ledger has this name"),
        ("environments/integration/2026-11-1 (1).jsonl", lambda _: b"", "no file of a ledger has this name"),
        ("deploys/integration/00/0000.jsonl", lambda _: b"[" * 100_000, "no row of a table"),
    ],
)
def test_what_is_lost_is_named_and_never_mended_silently(
    live: Shop, path: str, edit: Callable[[bytes], bytes | None], what: str
) -> None:
    live.publish("auth", "2.0.0")
    live.sync()
    changed(live, path, edit)
    with pytest.raises(IntegrityError, match=what):
        refuse(examine(live.state).findings)
    before = live.state.ledger_file(path)
    with pytest.raises(IntegrityError, match=what):
        repair(live.by("rita"))
    assert live.state.ledger_file(path) == before


@pytest.mark.parametrize("path", ["current/integration.json", "newest/auth.jsonl", "current/production.json"])
@pytest.mark.parametrize("content", [None, b"{}", b"<<<<<<< ours\n", b"[" * 100_000, b"NaN", b"\xff"])
def test_an_index_is_made_anew_and_said(live: Shop, path: str, content: bytes | None) -> None:
    right, before = live.state.ledger_file(path), status(live.state)
    changed(live, path, lambda _: content)
    with pytest.raises(IntegrityError, match=path) as raised:
        refuse(examine(live.state).findings)
    assert raised.value.hint == "sluicegate check --repair makes the indexes anew"
    assert [line.split(":")[1].strip() for line in repair(live.by("rita"))] == [path]
    assert live.state.ledger_file(path) == right
    assert examine(live.state).findings == () and status(live.state) == before


def test_a_damaged_object_is_named(live: Shop) -> None:
    blob = live.by("reader").store.git("hash-object", "-w", "--stdin", stdin=b"a record of old").text.strip()
    place = live.bare / "objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.write_bytes(b"")
    with pytest.raises(IntegrityError, match="damaged or missing"):
        examine(live.state)
