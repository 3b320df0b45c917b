"""The hook of docs/how-to/trust.md: a push that is not well is refused before anybody sees it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.answers.deep import examine
from sluicegate.delivery.answers.receiving import Pushed
from sluicegate.delivery.book import chronicle, resolving
from sluicegate.delivery.book.state import LEDGER
from sluicegate.delivery.book.upgrade import upgrade
from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict, GateRefused, IntegrityError
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Veto
from sluicegate.tools.git import Edit
from tests.signers import forge, lines
from tests.worlds import Shop

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "trust.md"
STORY = "components/auth/1.0.0.jsonl"
CONFIG = """\
repositories: {releases: {driver: directory, path: /srv/releases}}
components: {auth: {repository: releases, group: com.example}}
environments: {integration: {follow: latest}, training: {from: integration}}
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Shop:
    shop = Shop.opened(tmp_path / "shop", CONFIG.encode())
    shop.publish("auth", "1.0.0")
    script = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert script
    hook = shop.bare / "hooks" / "pre-receive"
    hook.write_text(script[1].replace("exec sluicegate", f"exec {sys.executable} -m sluicegate"))
    hook.chmod(0o755)
    return shop


def pushed(shop: Shop, pins: str) -> subprocess.CompletedProcess[str]:
    work = shop.root / "work"
    subprocess.run(["git", "clone", "-q", shop.bare, work], check=True)
    (work / "environments" / "training.yaml").write_text(pins)
    subprocess.run(["git", "-C", work, "commit", "-qam", "by hand"], check=True)
    return subprocess.run(["git", "-C", work, "push", "origin", "main"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ("auth: 9.9.9\n", "environments/training.yaml:1: auth has no version '9.9.9'"),
        ("autth: 1.0.0\n", "environments/training.yaml:1: no component is called 'autth'"),
        ("auth: [1\n", "environments/training.yaml:2"),
    ],
)
def test_a_bad_pin_is_refused_by_the_server_with_its_line(guarded: Shop, pins: str, message: str) -> None:
    before = guarded.tips
    done = pushed(guarded, pins)
    assert done.returncode != 0 and message in done.stderr
    assert guarded.tips == before


def test_a_good_pin_and_a_change_of_both_branches_are_taken(guarded: Shop) -> None:
    assert pushed(guarded, "auth: 1.0.0\n").returncode == 0
    assert guarded.pins("training") == {"auth": "1.0.0"}
    pinning.hold(guarded.by("olle"), "auth", "training", until=None, why="")
    assert guarded.story("auth", "1.0.0", "held")


def test_a_change_of_ours_that_is_refused_says_what_the_hook_said(guarded: Shop) -> None:
    with guarded.unchanged(), pytest.raises(Conflict, match="no component is called"):
        guarded.edited("environments/training.yaml", "autth: 1.0.0\n")


@pytest.mark.parametrize("how", ["taken away", "changed", "reordered"])
def test_a_story_that_loses_a_line_is_refused_by_the_server(guarded: Shop, how: str) -> None:
    guarded.veto("auth", "1.0.0")
    built, veto = lines(guarded, "auth", "1.0.0")
    forged = {"taken away": [built], "changed": [built, {**veto, "env": "training"}], "reordered": [veto, built]}[how]
    if how == "reordered":
        forge(guarded, "auth", "1.0.0", *forged, instead=True)
        return
    with guarded.unchanged(), pytest.raises(Conflict, match="1 of 2 lines would be gone"):
        forge(guarded, "auth", "1.0.0", *forged, instead=True)


def test_a_torn_line_is_refused_by_the_server_and_one_that_is_there_may_go(guarded: Shop) -> None:
    def ledger_with(content: bytes) -> None:
        store = guarded.by("olle").store
        edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files={STORY: content})
        store.push([edit], "by hand\n", by=store.signature, at=guarded.now)

    whole = guarded.state.ledger_file(STORY) or b""
    with guarded.unchanged(), pytest.raises(Conflict, match=r"1\.0\.0\.jsonl:2 of the ledger: this line is no record"):
        ledger_with(whole + whole[:40] + b"\n")
    hook = guarded.bare / "hooks" / "pre-receive"
    hook.chmod(0o644)
    ledger_with(whole + whole[:40] + b"\n")
    hook.chmod(0o755)
    ledger_with(whole)
    assert guarded.kinds("auth", "1.0.0") == ["built"]


class Far:
    """A clone in which somebody makes any commit that Git takes, and pushes it."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.folder = shop, shop.root / "far.git"
        subprocess.run(["git", "clone", "-q", "--bare", shop.bare, self.folder], check=True)

    def git(self, *words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", "-C", self.folder, *words], input=stdin, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "replace").strip()

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree of these entries, mode, name and object, however they are ordered."""
        content = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(entry) for mode, name, entry in entries)
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=content)

    def commit(self, tree: str, *parents: str, message: str = "x") -> str:
        of = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *of, "-m", message)

    def push(self, commit: str, branch: str, *words: str) -> str:
        """What the push was refused with, '' when it was taken."""
        refspec = f"{commit}:refs/heads/{branch}"
        line = ["git", "-C", self.folder, "push", *words, self.shop.bare, refspec]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""


def test_a_ledger_with_the_files_of_main_is_checked_as_the_ledger(guarded: Shop) -> None:
    guarded.veto("auth", "1.0.0")
    far = Far(guarded)
    built = far.git("show", f"ledger:{STORY}").splitlines()[0]
    without = far.git("hash-object", "-w", "--stdin", stdin=f"{built}\n".encode())
    far.git("read-tree", "ledger")
    far.git("update-index", "--index-info", stdin=far.git("ls-tree", "main", "sluicegate.yaml").encode())
    far.git("update-index", "--cacheinfo", f"100644,{without},{STORY}")
    commit = far.commit(far.git("write-tree"), "ledger")
    with guarded.unchanged():
        assert "1 of 2 lines would be gone" in far.push(commit, "ledger")


def test_a_main_without_its_files_is_checked_as_main(guarded: Shop) -> None:
    far = Far(guarded)
    with guarded.unchanged():
        assert "it lacks sluicegate.yaml" in far.push(far.commit(far.tree(), "main"), "main")


@pytest.mark.parametrize("branch", ["main", "ledger"])
def test_history_that_would_be_rewound_is_refused_by_the_server(guarded: Shop, branch: str) -> None:
    subprocess.run(["git", "-C", guarded.bare, "config", "receive.denyNonFastForwards", "false"], check=True)
    far = Far(guarded)
    with guarded.unchanged():
        refusal = far.push(far.commit(f"{branch}^{{tree}}"), branch, "--force")
        assert f"the history of '{branch}' is to be rewound" in refusal


@pytest.mark.parametrize("order", ["twice", "unsorted"])
def test_a_folder_that_two_readers_read_differently_is_refused_by_the_server(guarded: Shop, order: str) -> None:
    guarded.veto("auth", "1.0.0")
    far = Far(guarded)
    top = [line.split() for line in far.git("ls-tree", "ledger").splitlines()]
    entries = [("40000" if mode == "040000" else mode, name, entry) for mode, _, entry, name in top]
    components = next(entry for entry in entries if entry[1] == "components")
    place = entries.index(components)
    odd = [*entries[: place + 1], (*components[:2], far.tree()), *entries[place + 1 :]]
    tree = far.tree(*(odd if order == "twice" else sorted(entries, reverse=True)))
    with guarded.unchanged():
        assert "a name twice or in the wrong place" in far.push(far.commit(tree, "ledger"), "ledger")
    (guarded.bare / "hooks" / "pre-receive").chmod(0o644)
    assert not far.push(far.commit(tree, "ledger"), "ledger")
    with pytest.raises(IntegrityError, match="a name twice or in the wrong place"):
        guarded.veto("auth", "1.0.0", lift=True)


def test_a_record_that_takes_the_place_of_another_is_refused_by_the_server(guarded: Shop) -> None:
    (built,) = lines(guarded, "auth", "1.0.0")
    with guarded.unchanged(), pytest.raises(Conflict, match=f"the record {built['id']} would say something else"):
        forge(guarded, "auth", "1.0.0", {**built, "manifest": "0" * 64})
    forge(guarded, "auth", "1.0.0", {**built, "at": "2026-11-23T08:00:00.000000Z"})  # a retried step, merged


def by_hand(shop: Shop, **files: bytes | None) -> None:
    """Push files to the ledger, past every command."""
    store = shop.by("mallory").store
    edit = Edit(branch=LEDGER, base=store.tips()[LEDGER], files=dict(files))
    store.push([edit], "by hand\n", by=store.signature, at=shop.now)


def test_a_history_or_a_table_of_hosts_that_loses_a_line_is_refused_by_the_server(guarded: Shop) -> None:
    for story in ("environments/integration/2026-11-1.jsonl", "pruned/auth.jsonl"):
        lines_there = [ledgerfiles.line(Veto(id=name, at=guarded.now)) for name in "ab"]
        by_hand(guarded, **{story: b"".join(lines_there)})
        name = story.removesuffix("/2026-11-1.jsonl")
        for less in (lines_there[1], b"", None):
            with guarded.unchanged(), pytest.raises(Conflict, match=f"{name}: . of 2 lines would be gone"):
                by_hand(guarded, **{story: less})
    by_hand(guarded, **{"deploys/integration/00/00.jsonl": b'{"host": "int1"}\n'})
    with guarded.unchanged(), pytest.raises(Conflict, match="a table of hosts is written once"):
        by_hand(guarded, **{"deploys/integration/00/00.jsonl": b'{"host": "int2"}\n'})


def test_lines_that_go_to_another_file_of_the_history_are_not_lost(guarded: Shop) -> None:
    first, second = (ledgerfiles.line(Veto(id=name, at=guarded.now)) for name in "ab")
    by_hand(guarded, **{"environments/integration.jsonl": first + second})
    by_hand(
        guarded,
        **{
            "environments/integration.jsonl": None,
            "environments/integration/2026-11-1.jsonl": second,
            "environments/integration/2026-10-1.jsonl": first,
        },
    )


def test_a_record_of_a_time_that_has_not_come_is_refused_by_the_server(guarded: Shop) -> None:
    def dated(at: datetime) -> bytes:
        return (guarded.state.ledger_file(STORY) or b"") + ledgerfiles.line(Veto(id=f"{at}", at=at))

    now = datetime.now(UTC)
    with guarded.unchanged(), pytest.raises(Conflict, match=r"records say a time that has not come.*1\.0\.0"):
        by_hand(guarded, **{STORY: dated(now + timedelta(days=2))})
    by_hand(guarded, **{STORY: dated(now + timedelta(hours=20))})  # some clock is ahead
    with guarded.unchanged(), pytest.raises(Conflict, match="records say a time that has not come"):
        by_hand(guarded, **{STORY: dated(now + timedelta(hours=40))})  # and no further with each push


def test_a_short_list_that_leaves_out_the_newest_version_is_refused_by_the_server(guarded: Shop) -> None:
    guarded.publish("auth", "1.1.0")
    path = "newest/auth.jsonl"
    whole = guarded.state.ledger_file(path) or b""
    with guarded.unchanged(), pytest.raises(Conflict, match=r"newest/auth\.jsonl leaves out auth=1\.1\.0"):
        by_hand(guarded, **{path: whole.splitlines(keepends=True)[0]})
    by_hand(guarded, **{path: None})  # it is made anew from all
    assert resolving.newest(guarded.state, "auth") == "1.1.0"
    guarded.publish("auth", "1.2.0")
    assert guarded.state.ledger_file(path)


def received(shop: Shop, before: str) -> None:
    """What the hook says of the ledger's way from a commit to where it is now."""
    Pushed(shop.state, [f"{before}..{shop.tips[LEDGER]}"])


@pytest.fixture
def cut(ready: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Each record of a history begins a file; integration got 3.0.0 and 4.0.0, and production swapped."""
    monkeypatch.setattr(chronicle, "LIMIT", 1)
    for version in ("3.0.0", "4.0.0"):
        ready.publish("auth", version)
        ready.sync()
    ready.swap()
    return ready


def test_all_that_commands_push_is_taken(cut: Shop) -> None:
    for command in (
        lambda: cut.publish("auth", "5.0.0"), cut.sync, lambda: cut.veto("auth", "5.0.0"),
        lambda: cut.rollback("integration", "auth"), lambda: cut.swap(back=True),
        lambda: pinning.hold(cut.by("olle"), "auth", "integration", until=None, why=""),
    ):  # fmt: skip
        before = cut.tips[LEDGER]
        command()
        received(cut, before)
    assert examine(cut.state).findings == ()


def test_an_upgrade_of_the_first_form_is_taken(shop: Shop) -> None:
    by_hand(shop, form=None)
    for version in ("2.0.0", "3.0.0"):
        shop.publish("auth", version)
        shop.sync()
    before = shop.tips[LEDGER]
    assert upgrade(shop.by("rita"))
    received(shop, before)
    shop.publish("auth", "4.0.0")
    shop.sync()
    received(shop, before)
    assert examine(shop.state).findings == ()


@pytest.mark.parametrize("forged", ["an older deploy", "no deploy", "an ended intent", "no swap"])
def test_an_index_that_leads_elsewhere_is_refused(cut: Shop, forged: str) -> None:
    environment = "production" if forged == "no swap" else "integration"
    path, before = f"current/{environment}.json", cut.tips[LEDGER]
    index = json.loads(cut.state.ledger_file(path) or b"")
    history = cut.state.annals.chronicle(environment)
    records = [(file, record) for file in history.files for record in history.records(file)]
    places = {record.what: {"file": file, "record": record.id} for file, record in records}  # the oldest of each kind
    assert len(history.files) > 2
    edits: dict[str, dict[str, object]] = {
        "an older deploy": {"groups": {"int": {**index["groups"].get("int", {}), "deployed": places.get("deployed")}}},
        "no deploy": {"groups": {}}, "an ended intent": {"open": [places["intent"]]}, "no swap": {"swap": None},
    }  # fmt: skip
    by_hand(cut, **{path: json.dumps(index | edits[forged]).encode()})
    with pytest.raises(GateRefused, match=f"{path} leads elsewhere than the records"):
        received(cut, before)
