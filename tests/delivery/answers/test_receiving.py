"""The hook of docs/how-to/trust.md: a push that is not well is refused before anybody sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.delivery.book.state import LEDGER
from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict
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
