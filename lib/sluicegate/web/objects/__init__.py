"""What the server's URLs name: one file an object, as in Jenkins' Stapler, each with its fields, reads and posts."""

from __future__ import annotations

from typing import Any

from sluicegate.runner.fingerprints import Fingerprint
from sluicegate.runner.item import Item
from sluicegate.runner.queue import Queue
from sluicegate.runner.records import Record
from sluicegate.runner.rights import Right
from sluicegate.runner.service import Runner
from sluicegate.runner.settings import Shared
from sluicegate.runner.vault import Credential, Vault
from sluicegate.web.delivery import Delivery
from sluicegate.web.kind import Kind
from sluicegate.web.objects import (
    artifact,
    build,
    computer,
    credentials,
    delivery,
    fingerprint,
    folder,
    job,
    queue,
    root,
    settings,
    static,
    tests,
    user,
    view,
)
from sluicegate.web.views import View

SMALL: Kind[object] = Kind(rights={"api": Right.NONE})
"""Objects that were made whole, with nothing behind them but their API."""
KINDS: dict[type, Kind[Any]] = {
    Runner: root.KIND,
    View: view.KIND,
    Record: build.KIND,
    artifact.Artifact: artifact.KIND,
    tests.Report: tests.KIND,
    Queue: queue.KIND,
    queue.Seen: queue.ITEM,
    computer.Nodes: computer.NODES,
    computer.Node: computer.NODE,
    Fingerprint: fingerprint.KIND,
    user.User: user.KIND,
    Shared: settings.KIND,
    Vault: credentials.KIND,
    Credential: credentials.ONE,
    Delivery: delivery.KIND,
    static.Asset: static.KIND,
}


def kind_of(value: object) -> Kind[Any]:
    """The tables of an object."""
    if isinstance(value, Item):
        return folder.KIND if value.is_folder else job.KIND
    return KINDS.get(type(value), SMALL)
