"""The nodes: this machine alone, with its executors."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from sluicegate.runner.records import Record
from sluicegate.runner.rights import Right
from sluicegate.runner.worker import Worker
from sluicegate.web import call as calls
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path, always, plain
from sluicegate.web.site import Site

NAMES = ("(built-in)", "(master)", "Built-In Node", "master")
SHOWN = "Built-In Node"
DESCRIPTION = "the Jenkins controller's built-in node"
LABELS = [{"name": "built-in"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """All nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The only one, by the name that the client uses."""

    name: str


def busy(site: Site) -> int:
    return sum(record is not None for record in site.runner.executors)


def shown(site: Site) -> list[Record | None]:
    """What each executor builds, as far as this user may know."""
    return [record if record is not None and site.sees(record.job) else None for record in site.runner.executors]


def label(site: Site, name: str) -> object:
    """What runs what has this label: here each label means this machine."""
    executors = len(site.runner.executors)
    return plain(
        "hudson.model.labels.LabelAtom",
        busyExecutors=busy(site),
        description=None,
        idleExecutors=executors - busy(site),
        name=name,
        nodes=[plain("hudson.model.Hudson", nodeName="")],
        offline=bool(site.runner.offline),
        totalExecutors=executors,
    )


def _executor(site: Site, number: int, record: Record | None) -> object:
    item = site.runner.items.get(record.job) if record is not None else None
    current: object = None
    if record is not None and item is not None:
        url = f"{site.base}{item.path}{record.number}/"
        current = plain(item.config.build_class, number=record.number, url=url, queueId=record.queue_id)
    return plain("", currentExecutable=current, idle=record is None, likelyStuck=False, number=number, progress=-1)


def _workers(site: Site, nodes: Nodes) -> list[object]:
    """The threads of the server, and the last trouble of each."""
    return [
        plain(
            "",
            name=worker.name,
            alive=worker.alive,
            trouble=worker.trouble if site.may(Right.READ) else "",  # it may tell of any job
            troubledAt=int(worker.troubled_at * 1000),
        )
        for worker in _threads(site)
    ]


def _threads(site: Site) -> tuple[Worker, ...]:
    return (
        *site.runner.workers,
        *site.runner.keepers,
        *site.triggers.workers,
        *(site.delivery.workers if site.delivery else ()),
    )


def _page(site: Site, here: object) -> Response:
    runner = site.runner
    workers = _threads(site)
    return site.target(
        lambda: site.show(
            "computer.html",
            executors=shown(site),
            offline=runner.offline.strip(),
            workers=workers,
            with_trouble=site.may(Right.READ),
            confinement=runner.confinement.words(),
        )
    )


def _below(site: Site, nodes: Nodes, rest: Path) -> tuple[object, Path] | None:
    if rest[0] == "api":
        return None
    if rest[0] not in NAMES:
        raise not_found()
    return Node(name=rest[0]), rest[1:]


def _toggle(site: Site, node: Node) -> Response:
    site.runner.offline = "" if site.runner.offline else (site.call.value("offlineMessage") or " ")
    site.runner.queue.wake()
    return calls.redirect(f"computer/{quote(node.name)}/")


def _change_cause(site: Site, node: Node) -> Response:
    if site.runner.offline:
        site.runner.offline = site.call.value("offlineMessage") or " "
    return calls.redirect(f"computer/{quote(node.name)}/")


NODES: Kind[Nodes] = Kind(
    cls="hudson.model.ComputerSet",
    fields={
        "busyExecutors": lambda site, nodes: busy(site),
        "computer": lambda site, nodes: [Node(name=NAMES[0])],
        "displayName": always("Nodes"),
        "totalExecutors": lambda site, nodes: len(site.runner.executors),
        "workers": _workers,
    },
    hidden=("workers",),
    reads={"": _page},
    below=_below,
)
NODE: Kind[Node] = Kind(
    cls="hudson.model.Hudson$MasterComputer",
    fields={
        "actions": always([]),
        "assignedLabels": always(LABELS),
        "description": always(DESCRIPTION),
        "displayName": always(SHOWN),
        "executors": lambda site, node: [_executor(site, n, record) for n, record in enumerate(shown(site))],
        "icon": always("symbol-computer"),
        "iconClassName": always("symbol-computer"),
        "idle": lambda site, node: not busy(site),
        "jnlpAgent": always(False),
        "launchSupported": always(True),
        "manualLaunchAllowed": always(True),
        "monitorData": always({}),
        "numExecutors": lambda site, node: len(site.runner.executors),
        "offline": lambda site, node: bool(site.runner.offline),
        "offlineCause": lambda site, node: {} if site.runner.offline else None,
        "offlineCauseReason": lambda site, node: site.runner.offline.strip(),
        "oneOffExecutors": always([]),
        "temporarilyOffline": lambda site, node: bool(site.runner.offline),
    },
    inline=True,
    reads={"": _page},
    posts={"toggleOffline": _toggle, "changeOfflineCause": _change_cause},
)
