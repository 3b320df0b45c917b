"""The two forms of the ledger: the first is read and written as it is, `upgrade` brings it to the second."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.answers.status import status
from sluicegate.delivery.book import chronicle, current
from sluicegate.delivery.book.state import CONFIG_FILE, FORM_FILE, LEDGER, MAIN
from sluicegate.delivery.book.upgrade import raised, upgrade
from sluicegate.delivery.changes import rollback
from sluicegate.errors import ConfigError, IntegrityError, UsageError
from sluicegate.model.evidence import Deployed, Intent
from sluicegate.tools.git import Edit
from tests.worlds import Shop


def write(shop: Shop, **files: bytes | None) -> None:
    """Somebody writes to the ledger by hand; `__` stands for a slash and `_json` for the end of a name."""
    commit(shop, {name.replace("__", "/").replace("_json", ".json"): content for name, content in files.items()})


def commit(shop: Shop, files: dict[str, bytes | None]) -> None:
    store = shop.by("mallory").store
    store.push([Edit(branch=LEDGER, base=store.tips()[LEDGER], files=files)], "hand\n", by=store.signature, at=shop.now)


def files(shop: Shop, folder: str) -> tuple[str, ...]:
    return shop.state.store.names(shop.tips[LEDGER], folder)


def deploys(shop: Shop, *numbers: int) -> None:
    for number in numbers:
        shop.publish("auth", f"1.{number}.0")
        shop.sync()


def back(shop: Shop) -> None:
    """Roll back further, each time by another build."""
    shop.pass_time()
    shop.suites += 1
    rollback.rollback(shop.by("rita", build=shop.suites), "integration", "auth", further=True)


@pytest.fixture
def first(shop: Shop) -> Shop:
    """A ledger of the first form, in which auth 1.1.0 to 1.3.0 and portal came into integration."""
    write(shop, form=None)
    shop.publish("portal", "1.0.0")
    deploys(shop, 1, 2, 3)
    return shop


def test_a_ledger_of_the_first_form_is_written_as_older_commands_read_it(first: Shop) -> None:
    assert files(first, "environments") == ("integration.jsonl",)
    intent, deployed = first.chronicle("integration")[-3:-1]
    assert dict(intent.target) == {"auth": "1.3.0", "portal": "1.0.0"} and not intent.changed
    assert set(deployed.components) == {"auth", "portal"} and not deployed.base
    assert list(json.loads(first.state.ledger_file("current/integration.json") or b"")) == ["pins"]


def test_an_upgrade_changes_no_record_and_no_answer_and_older_commands_refuse(first: Shop) -> None:
    before, chronicle_before = status(first.state), first.chronicle("integration")
    lines = (first.state.ledger_file("environments/integration.jsonl") or b"").splitlines()
    with first.unchanged():
        notes = upgrade(first.by("rita"), dry_run=True)
    assert upgrade(first.by("rita")) == notes and len(notes) == 2
    assert upgrade(first.by("rita")) == ()
    state = first.state
    assert (files(first, "environments"), files(first, "environments/integration")) == (
        ("integration",), ("2026-11-1.jsonl",),
    )  # fmt: skip
    assert (state.ledger_file("environments/integration/2026-11-1.jsonl") or b"").splitlines() == lines
    assert (status(state), first.chronicle("integration")) == (before, chronicle_before)
    assert b'requires: ">=0.2"' in (state.file(CONFIG_FILE) or b"")
    assert not first.by("reader").notices


def test_after_an_upgrade_deploys_build_on_what_the_first_form_said(first: Shop) -> None:
    upgrade(first.by("rita"))
    whole = first.chronicle("integration", "deployed")[-1]
    deploys(first, 4)
    deployed = first.chronicle("integration", "deployed")[-1]
    assert (deployed.base, dict(deployed.changed), dict(deployed.before)) == (
        whole.id, {"auth": "1.4.0"}, {"auth": "1.3.0"},
    )  # fmt: skip
    back(first)
    back(first)
    assert first.running("int1") == {"auth": "1.2.0", "portal": "1.0.0"}
    assert not first.by("reader").notices


def test_a_line_that_is_no_record_stops_an_upgrade(first: Shop) -> None:
    path = "environments/integration.jsonl"
    commit(first, {path: (first.state.ledger_file(path) or b"") + b"<<<<<<< ours\n"})
    with first.unchanged(), pytest.raises(IntegrityError, match=r"integration.jsonl:\d+ of the ledger: this line is"):
        upgrade(first.by("rita"))


def test_a_ledger_of_a_form_to_come_is_not_touched(shop: Shop) -> None:
    write(shop, form=b"3\n")
    with pytest.raises(UsageError, match="has the form '3'"):
        shop.sync()


@pytest.mark.parametrize("form", [b"1\n", None])
def test_a_ledger_that_has_lost_its_form_is_not_taken_for_an_empty_one(live: Shop, form: bytes | None) -> None:
    write(live, form=form)
    with pytest.raises(IntegrityError, match="has environments/integration/, and its file 'form' does not say"):
        status(live.state)
    with live.unchanged(), pytest.raises(IntegrityError, match="its file 'form' does not say"):
        live.sync()
    write(live, form=b"2\n")
    assert status(live.state).columns[0].set_name


def test_a_new_repository_has_the_new_form_and_requires_what_knows_it(shop: Shop) -> None:
    assert shop.state.file(CONFIG_FILE) is not None and shop.state.ledger_file(FORM_FILE) == b"2\n"
    assert b'requires: ">=0.2"' in (shop.state.file(CONFIG_FILE) or b"")


def test_a_deploy_writes_down_what_it_changes(live: Shop) -> None:
    live.publish("auth", "2.0.0")
    live.sync()
    intent, deployed, _ = live.chronicle("integration")[-3:]
    assert isinstance(intent, Intent) and isinstance(deployed, Deployed)
    for record in (intent, deployed):
        assert (dict(record.changed), dict(record.before)) == ({"auth": "2.0.0"}, {"auth": "1.0.0"})
        assert record.base == live.chronicle("integration", "deployed")[-2].id
    assert not intent.target and not deployed.components
    assert live.state.sets(live.state.config.environment("integration")) is not None
    sets = [versions for _, versions in live.state.sets(live.state.config.environment("integration"))]
    assert sets == [{"auth": "2.0.0", "portal": "1.0.0"}, {"auth": "1.0.0", "portal": "1.0.0"}]


def test_a_history_is_cut_by_month_and_by_size(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "LIMIT", 600)
    deploys(shop, 1, 2)
    shop.pass_time(timedelta(days=30))
    deploys(shop, 3)
    names = files(shop, "environments/integration")
    assert names[0] == "2026-11-1.jsonl" and names[-1].startswith("2026-12-") and len(names) == 3
    back(shop)
    back(shop)
    assert shop.running("int1") == {"auth": "1.1.0"}
    assert [record.at for record in shop.chronicle("integration")] == sorted(
        record.at for record in shop.chronicle("integration")
    )
    assert not shop.by("reader").notices


def test_a_clock_that_is_behind_writes_into_the_newest_file_all_the_same() -> None:
    newest = "environments/integration/2026-12-1.jsonl"
    history = chronicle.Chronicle("integration", {newest: ""}, lambda _: b"")
    assert history.next_file(datetime(2026, 11, 30, tzinfo=UTC)) == newest
    assert history.next_file(datetime(2027, 1, 1, tzinfo=UTC)) == "environments/integration/2027-01-1.jsonl"


def test_only_the_newest_files_are_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "LIMIT", 600)
    deploys(shop, 1, 2, 3, 4)
    state = shop.state
    status(state)
    read = [path for path in state._ledger if path.startswith("environments/")]
    assert len(read) < len(files(shop, "environments/integration")) == 4


FORGERIES = {
    "nothing": b"{}", "no JSON": b"<<<<<<< ours\n", "a list": b"[]", "empty": b"", "gone": None,
}  # fmt: skip


@pytest.mark.parametrize("forgery", [*FORGERIES, "versions", "older", "locked", "swapped", "pins", "restamped"])
def test_whatever_an_index_says_the_records_count_and_the_next_change_mends_it(live: Shop, forgery: str) -> None:
    path = "current/integration.json"
    older = live.state.ledger_file(path) or b""
    live.publish("auth", "2.0.0")
    live.sync()
    now = live.state.ledger_file(path) or b""
    before = status(live.state)
    index = current.read(now)
    assert index is not None
    value = json.loads(now)
    if forgery == "versions":
        value["groups"]["int"]["versions"]["auth"] = "1.0.0"
    elif forgery == "locked":
        value["open"] = [value["groups"]["int"]["intent"]]
    elif forgery == "swapped":
        value["swap"] = value["groups"]["int"]["intent"]
    elif forgery == "pins":
        value["pins"]["auth"]["version"] = "1.0.0"
    elif forgery == "restamped":  # an older one that claims to be of today's records
        value = json.loads(older) | {"history": value["history"]}
    content = older if forgery == "older" else FORGERIES.get(forgery, json.dumps(value).encode())
    commit(live, {path: content})
    assert status(live.state) == before
    live.by("ci").notices.clear()
    live.pin_by_hand("integration", auth="2.0.0")
    live.deploy("integration")
    assert live.running("int1") == {"auth": "2.0.0", "portal": "1.0.0"}
    assert any(path in notice for notice in live.by("ci").notices)
    live.publish("auth", "3.0.0")
    live.sync()
    live.by("ci").notices.clear()
    live.publish("auth", "4.0.0")
    live.sync()
    assert live.running("int1")["auth"] == "4.0.0" and not live.by("ci").notices


def test_a_merge_of_two_ledgers_gives_what_the_records_say(live: Shop, tmp_path: Path) -> None:
    """Two homes wrote on without each other; Git joins the lines of their histories, and the index of one stays."""
    (tmp_path / "other").mkdir()
    second_shop = live.copied(tmp_path / "other")
    for shop, version in ((live, "2.0.0"), (second_shop, "3.0.0")):
        shop.publish("auth", version)
        shop.pass_time(timedelta(minutes=int(version[0])))
        shop.sync()
    path = "environments/integration/2026-11-1.jsonl"
    mine, theirs = ((shop.state.ledger_file(path) or b"").splitlines(keepends=True) for shop in (live, second_shop))
    story = "components/auth/3.0.0.jsonl"
    commit(live, {path: b"".join([*mine, *(line for line in theirs if line not in mine)]),
                  story: second_shop.state.ledger_file(story)})  # fmt: skip
    environment = live.state.config.environment("integration")
    newest = max(live.chronicle("integration", "deployed"), key=lambda record: record.at)
    standing = live.state.group_state(environment, "int")
    assert standing is not None and standing.record.id == newest.id
    assert standing.versions == {**dict(newest.changed), "portal": "1.0.0"}
    second_shop.close()


def test_records_that_do_not_give_the_set_they_name_are_an_integrity_error(live: Shop) -> None:
    path = "environments/integration/2026-11-1.jsonl"
    content = live.state.ledger_file(path) or b""
    assert b'"changed": {"auth": "1.0.0"' in content
    commit(live, {path: content.replace(b'"changed": {"auth": "1.0.0"', b'"changed": {"auth": "0.9.0"')})
    with live.unchanged(), pytest.raises(IntegrityError, match="do not give the set"):
        live.deploy("integration")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('requires: ">=0.1"  # ours\na: b\n', 'requires: ">=0.2"  # ours\na: b\n'),
        ("a: b", 'a: b\nrequires: ">=0.2"\n'),
        ("", 'requires: ">=0.2"\n'),
        ("requires: '>=0.2'\n", "requires: '>=0.2'\n"),
        ('requires: ">=1.0"\n', 'requires: ">=1.0"\n'),
    ],
)
def test_requires_is_raised_and_all_else_stays(text: str, wanted: str) -> None:
    assert raised(text.encode()).decode() == wanted


def test_a_file_in_braces_is_left_to_its_author() -> None:
    with pytest.raises(ConfigError, match="'requires' cannot be set"):
        raised(b"{components: {}}\n")


def test_the_branch_of_pins_and_the_ledger_are_upgraded_in_one_push(first: Shop) -> None:
    before = first.tips
    upgrade(first.by("rita"))
    assert first.tips[MAIN] != before[MAIN] and first.tips[LEDGER] != before[LEDGER]
