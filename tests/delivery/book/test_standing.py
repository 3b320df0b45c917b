"""Indexes are no evidence: whatever stands in them, the records decide."""

from __future__ import annotations

import json

import pytest

from sluicegate.delivery.book import current, resolving, standing
from sluicegate.delivery.book.state import LEDGER
from sluicegate.errors import GateRefused
from sluicegate.tools.git import Edit
from tests.worlds import Shop

MERGE = b'{"pins": {\n<<<<<<< ours\n"auth": {"version": "1.0.0", "record": "1"}\n=======\n>>>>>>> theirs\n}}\n'


def forge(shop: Shop, path: str, content: bytes) -> None:
    store = shop.by("mallory").store
    edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files={path: content})
    store.push([edit], "an index\n", by=store.signature, at=shop.now)


def index(shop: Shop, environment: str) -> dict[str, tuple[str, str]]:
    entries = standing.entries(shop.state, environment)
    return {name: (entry.version, entry.record) for name, entry in entries.items()}


def test_the_index_names_the_last_pin_event_of_each_component(live: Shop) -> None:
    assert {name: version for name, (version, _) in index(live, "integration").items()} == {
        "auth": "1.0.0", "portal": "1.0.0",
    }  # fmt: skip
    live.publish("auth", "2.0.0")
    live.sync()
    assert index(live, "integration")["auth"] == ("2.0.0", live.story("auth", "2.0.0", "pinned")[-1].id)
    assert index(live, "integration")["portal"][0] == "1.0.0"


def test_what_is_written_is_read_and_one_component_takes_one_line() -> None:
    entries = {name: current.Entry(version="1.0.0", record=f"{number}") for number, name in enumerate("abc")}
    assert current.read(current.written(current.Index(pins=entries))) == current.Index(pins=entries)
    assert current.written(current.Index(pins=entries)).count(b"\n") == 4 + 1
    assert json.loads(current.written(current.Index())) == {"pins": {}}


@pytest.mark.parametrize("content", [b"", b"[]", MERGE, b'{"pins": {"auth": 1}}', b'{"pins": []}', b"[" * 100_000])
def test_what_is_no_index_is_as_none(content: bytes) -> None:
    assert current.read(content) in (None, current.Index())


@pytest.mark.parametrize("record", ["of another", ""])
def test_a_pin_by_hand_is_noted_whatever_the_index_says(live: Shop, record: str) -> None:
    """Another version came since; the index claims that the one which was set back by hand came last."""
    live.publish("auth", "2.0.0")
    live.sync()
    live.pin_by_hand("integration", auth="1.0.0")
    entry = current.Entry(version="1.0.0", record=live.story("auth", "2.0.0")[0].id if record else "")
    forge(live, current.current_path("integration"), current.written(current.Index(pins={"auth": entry})))
    live.deploy("integration")
    hows = [event.how for event in live.story("auth", "1.0.0", "pinned") if event.env == "integration"]
    assert hows[-1] == "commit"
    assert live.running("int1")["auth"] == "1.0.0"


def test_a_forged_index_explains_no_removal(live: Shop) -> None:
    live.edited("environments/integration.yaml", "auth: 1.0.0\n")
    unpinned = current.Entry(version="1.0.0", record="0123456789abcdef")
    forge(live, current.current_path("integration"), current.written(current.Index(pins={"portal": unpinned})))
    with live.unchanged(), pytest.raises(GateRefused, match="would lose portal"):
        live.deploy("integration")


def test_a_forged_list_of_the_newest_makes_no_version(live: Shop) -> None:
    line = b'{"scheme": "semver", "version": "9.9.9"}\n'
    forge(live, resolving.newest_path("auth"), line)
    assert resolving.resolve(live.state, "auth") == "1.0.0"
    live.sync()
    assert live.pins("integration")["auth"] == "1.0.0"
