"""Make a delivery repo."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from sluicegate.delivery.book.pins import pins_path
from sluicegate.delivery.book.repo import SERVERS_HEAD
from sluicegate.delivery.book.state import CONFIG_FILE, FORM, FORM_FILE, LEDGER, MAIN, SERVERS_FILE, first_roles
from sluicegate.delivery.book.upgrade import raised
from sluicegate.errors import UsageError
from sluicegate.model.config import Config
from sluicegate.ports import Drivers
from sluicegate.tools import files
from sluicegate.tools.git import Edit, Store, init_store, update_work_tree

SAMPLE = """\
# What flows where. Check it with: sluicegate check
requires: ">=0.2"
name: delivery     # no other delivery repo has it: a signature holds in this one alone

repositories:
  releases: {driver: directory, path: /srv/releases}     # an absolute path, the same on every machine that uses it

components:
  app: {repository: releases, group: com.example}

roles:
  qa: {members: []}                                      # who may give the seal
  release-manager: {members: []}

hosts:
  int1: {driver: local, folder: /srv/hosts/int1, ports: {app: 8101}}
groups:
  int: [int1]

environments:
  integration:
    follow: latest
    hosts: int
    deploy: {driver: archive}

objective: {commit-to-integration: 15 min}
"""


def init_repo(folder: Path, drivers: Drivers, *, bare: bool = False, config: bytes | None = None) -> None:
    """Make the repository with both branches, or nothing at all. Raises UsageError for a folder that is not empty."""
    stood = folder.exists()
    if stood and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder")
    content = config if config is not None else SAMPLE.replace("name: delivery", f"name: {_name(folder)}").encode()
    content = raised(content)
    parsed = drivers.config(content, lambda path: None)
    try:
        init_store(folder, bare=bare, branch=MAIN)
        _first_commit(folder, parsed, content)
        if not bare:
            update_work_tree(folder)
    except BaseException:  # half a repository would be in the way of the next try
        for path in [*folder.iterdir()] if stood else [folder]:
            files.remove(path)
        raise


def _name(folder: Path) -> str:
    """A name that no other delivery repo has, and that says which one it is."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name.removesuffix(".git")).lstrip("._-")[:60]
    return f"{stem or 'delivery'}-{secrets.token_hex(4)}"


def _first_commit(folder: Path, parsed: Config, content: bytes) -> None:
    first: dict[str, bytes | None] = {CONFIG_FILE: content, SERVERS_FILE: _servers(parsed)}
    for name in parsed.environments:
        first[pins_path(name)] = (
            f"# the pins of {name}: `component: version`; a commit here directs the pipeline\n".encode()
        )
    attributes: dict[str, bytes | None] = {
        ".gitattributes": b"*.jsonl merge=union\n", FORM_FILE: b"%d\n" % FORM,
    }  # fmt: skip
    with Store(str(folder), (MAIN, LEDGER)) as store:
        edits = (Edit(branch=MAIN, base="", files=first), Edit(branch=LEDGER, base="", files=attributes))
        store.push(edits, "A new delivery repo\n", by=store.signature, at=datetime.now(UTC))


def _servers(config: Config) -> bytes:
    lines = ""
    for environment in config.environments.values():
        if environment.swaps_with:
            roles = first_roles(environment)
            lines += "".join(f"{name}: {roles[name]}\n" for name in (environment.swaps_with, environment.name))
    return (SERVERS_HEAD + lines).encode()
