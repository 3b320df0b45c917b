"""The queue, and each item that waits in it or left it a moment ago."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from sluicegate.model.numbers import whole
from sluicegate.runner.queue import Queue
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.rights import Right
from sluicegate.web import call as calls
from sluicegate.web.call import not_found
from sluicegate.web.kind import ABSENT, Kind, Path, always, plain
from sluicegate.web.objects import cause
from sluicegate.web.objects.computer import shown
from sluicegate.web.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An item with its state, looked at once: Waiting, Blocked, Buildable or Left."""

    item: QueueItem
    state: str
    why: str | None


def seen(site: Site, item: QueueItem) -> Seen:
    left = item.cancelled or item.number is not None
    state, reason = ("Left", None) if left else why(site, item)
    return Seen(item=item, state=state, why=reason)


def why(site: Site, item: QueueItem) -> tuple[str, str]:
    """The state and the sentence, in which nothing is named that this user may not see."""
    state, reason = site.runner.why(item)
    if not site.may(Right.READ) and any(name in reason for name in site.runner.items.by_name if not site.sees(name)):
        return state, "It waits for another job"
    return state, reason


def _page(site: Site, queue: Queue) -> Response:
    def page() -> str:
        runner = site.runner
        rows = [
            (queued, why(site, queued)[1], runner.items.get(queued.job))
            for queued in queue.items()
            if site.sees(queued.job)
        ]
        return site.show("queue.html", rows=rows, executors=shown(site))

    return site.target(page)


def _below(site: Site, queue: Queue, rest: Path) -> tuple[object, Path] | None:
    if rest[0] != "item" or len(rest) < 2:
        return None
    number = whole(rest[1])
    item = None if number is None else queue.get(number)
    if item is None or not site.sees(item.job):
        raise not_found(f"no item {rest[1]} waits in the queue")
    return seen(site, item), rest[2:]


def address(site: Site, item: QueueItem) -> str:
    """The URL of an item, which a trigger is answered with."""
    return f"{site.base}queue/item/{item.id}/"


def _item_page(site: Site, seen_item: Seen) -> Response:
    """Where a merged trigger leads to. Clients that follow it, as python-jenkins, look for the address in the end."""
    page = _page(site, site.runner.queue)
    page.headers["location"] = address(site, seen_item.item)
    return page


def _cancel(site: Site, text: str) -> Response:
    # Jenkins 2 says 204, some clients insist on 302 and others on 200 after it: 302 suits all.
    number = whole(text)
    item = None if number is None else site.runner.queue.get(number)
    if item is not None and site.sees(item.job):
        site.must(Right.BUILD, item.job)
    else:
        item = None
    if item is None or not site.runner.queue.cancel(item.id):
        raise not_found(f"no item {text} waits in the queue")
    return calls.redirect("queue/")


KIND: Kind[Queue] = Kind(
    cls="hudson.model.Queue",
    fields={
        "discoverableItems": always([]),
        "items": lambda site, queue: [
            seen(site, queued) for queued in reversed(queue.items()) if site.sees(queued.job)
        ],
    },
    reads={"": _page},
    rights={"cancelItem": Right.READ},  # the action looks at the item's job
    posts={"cancelItem": lambda site, queue: _cancel(site, site.call.need("id"))},
    below=_below,
)


# -- items --
def _task(site: Site, seen_item: Seen) -> object:
    item = site.runner.items.get(seen_item.item.job)
    if item is None:
        return plain("hudson.model.FreeStyleProject", name=seen_item.item.job)
    return plain(item.config.job_class, name=item.name, url=site.base + item.path, color=item.color)


def _executable(site: Site, seen_item: Seen) -> object:
    if seen_item.state != "Left":
        return ABSENT
    item = site.runner.items.get(seen_item.item.job)
    if seen_item.item.number is None or item is None:
        return None
    url = f"{site.base}{item.path}{seen_item.item.number}/"
    return plain(item.config.build_class, number=seen_item.item.number, url=url)


def _buildable_since(site: Site, seen_item: Seen) -> object:
    return (
        seen_item.item.buildable_since or seen_item.item.ready_at
        if seen_item.state in ("Blocked", "Buildable")
        else ABSENT
    )


def _secretless(site: Site, seen_item: Seen) -> str:
    return "".join(f"\n{p.name}={p.text}" for p in seen_item.item.parameters if not p.secret)


ITEM: Kind[Seen] = Kind(
    cls=lambda site, seen_item: f"hudson.model.Queue${seen_item.state}Item",
    fields={
        "actions": lambda site, seen_item: cause.actions(seen_item.item.parameters, seen_item.item.causes),
        "blocked": lambda site, seen_item: seen_item.state == "Blocked",
        "buildable": lambda site, seen_item: seen_item.state == "Buildable",
        "id": lambda site, seen_item: seen_item.item.id,
        "inQueueSince": lambda site, seen_item: seen_item.item.since,
        "params": _secretless,
        "stuck": always(False),
        "task": _task,
        "url": lambda site, seen_item: f"queue/item/{seen_item.item.id}/",
        "why": lambda site, seen_item: seen_item.why,
        "timestamp": lambda site, seen_item: seen_item.item.ready_at if seen_item.state == "Waiting" else ABSENT,
        "cancelled": lambda site, seen_item: seen_item.item.cancelled if seen_item.state == "Left" else ABSENT,
        "executable": _executable,
        "buildableStartMilliseconds": _buildable_since,
        "pending": lambda site, seen_item: False if seen_item.state == "Buildable" else ABSENT,
    },
    inline=True,
    reads={"": _item_page},
    rights={"cancelQueue": Right.READ},
    posts={"cancelQueue": lambda site, seen_item: _cancel(site, str(seen_item.item.id))},
)
