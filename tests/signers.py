"""Keys for tests that sign records, and an organisation that counts only what is signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluicegate.delivery.book.state import LEDGER
from sluicegate.model import ledgerfiles
from sluicegate.tools import sshsig
from sluicegate.tools.git import Edit
from tests.worlds import CONFIG, Shop

SIGNING = b"name: shop\nevidence: {signed-by: allowed-signers}\n" + CONFIG
VARIABLE = "SLUICEGATE_SIGNING_KEY"


def made_key(path: Path) -> Path:
    """A private key without a passphrase."""
    private, public = sshsig.make_key()
    path.write_bytes(private)
    path.with_suffix(".pub").write_text(public)
    return path


def allowed(key: Path, options: str = "", who: str = "approving-jobs") -> str:
    """The line of allowed signers for a key."""
    return " ".join(filter(None, (who, options, key.with_suffix(".pub").read_text())))


def lines(shop: Shop, component: str, version: str) -> list[dict[str, Any]]:
    """The lines of a version's story as they stand in the ledger."""
    content = shop.by("reader").store.read(shop.tips[LEDGER], ledgerfiles.component_path(component, version)) or b""
    return [json.loads(line) for line in content.splitlines()]


def forge(shop: Shop, component: str, version: str, *forged: dict[str, Any], instead: bool = False) -> None:
    """Push lines to a version's story, behind those that stand there or in their place, past every command."""
    store, path = shop.by("mallory").store, ledgerfiles.component_path(component, version)
    tip = store.tips()[LEDGER]
    before = b"" if instead else store.read(tip, path) or b""
    content = before + b"".join(json.dumps(line).encode() + b"\n" for line in forged)
    store.push([Edit(branch=LEDGER, base=tip, files={path: content})], "x\n", by=store.signature, at=shop.now)
