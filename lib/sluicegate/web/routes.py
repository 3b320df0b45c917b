"""URL -> object -> answer: follows a path from object to object and lets the last one answer."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.runner import names
from sluicegate.runner.item import Item
from sluicegate.runner.rights import Right
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.web.answers import answer_api
from sluicegate.web.call import Call, Refusal, not_found
from sluicegate.web.delivery import Delivery
from sluicegate.web.kind import Path
from sluicegate.web.lists import Lists
from sluicegate.web.objects import kind_of
from sluicegate.web.pages import Pages
from sluicegate.web.site import Site
from sluicegate.web.views import Views

AT_HAND = frozenset(("name", "fullName", "url"))
"""Fields of a job that are known without its configuration, and without its builds."""


class Routes:
    """Finds the object that a path names and lets it answer."""

    def __init__(self, runner: Runner, triggers: Triggers, delivery: Delivery | None = None) -> None:
        self.runner = runner
        self.triggers = triggers
        self.views = Views(runner.home.path)
        self.pages = Pages(runner.users, delivery is not None)
        self.delivery = delivery
        self.lists = Lists()

    def is_at_hand(self, call: Call) -> bool:
        """Whether an answer comes from memory at once: what a job is called, or that there is none (python-jenkins).

        Nothing of that reads a file or waits for anybody, so it needs no thread, whose start costs more than the rest.
        """
        way, form = call.segments[:-2], call.segments[-2:]
        if form != ("api", "json") or call.method != "GET" or len(way) % 2 or set(way[::2]) != {"job"}:
            return False
        if len(way) > 2 * names.DEEPEST:
            return False
        if not AT_HAND.issuperset(call.query.get("tree", "*").split(",")):
            return False
        parts = way[1::2]
        items = [self.runner.items.get("/".join(parts[: depth + 1])) for depth in range(len(parts))]
        return all(item is None or item.is_read for item in items) and (items[-1] is None or not items[-1].is_folder)

    def answer(self, call: Call) -> Response:
        """The response to an authenticated request. Raises Refusal, and every error of the runner."""
        site = Site(
            runner=self.runner,
            triggers=self.triggers,
            views=self.views,
            pages=self.pages,
            delivery=self.delivery,
            lists=self.lists,
            call=call,
        )
        here: object = self.runner
        rest, scope = call.segments, ""
        while rest and (step := kind_of(here).below(site, here, rest)) is not None:
            here, rest = step
            if isinstance(here, Item):
                scope = here.full_name
                if not site.sees(scope):
                    raise not_found()
        return _answer(site, here, rest, scope)


def _answer(site: Site, here: object, rest: Path, scope: str) -> Response:
    """The answer of the last object on the path, for who has the right on the item that it belongs to.

    A change is made by POST alone, and never by anything else.
    """
    kind = kind_of(here)
    name = "/".join(rest)
    if rest[:1] == ("api",) and name not in kind.reads:
        _must(site, kind.rights.get("api", Right.READ), scope)
        return answer_api(site, kind_of, here, rest)
    reading, posting, deleting = kind.reads.get(name), kind.posts.get(name), kind.deletes.get(name)
    method = site.call.method
    if method == "POST" and posting is not None:
        _must(site, kind.rights.get(name, Right.ADMINISTER), scope)
        return posting(site, here)
    if method in ("GET", "HEAD", "POST") and reading is not None:
        _must(site, kind.rights.get(name, Right.READ), scope)
        return reading(site, here)
    if method == "DELETE" and deleting is not None:
        _must(site, kind.rights.get(name, Right.ADMINISTER), scope)
        return deleting(site, here)
    allowed = [verb for verb, action in (("GET", reading), ("POST", posting), ("DELETE", deleting)) if action]
    if allowed:
        raise Refusal(405, "Method Not Allowed", headers={"Allow": ", ".join(allowed)})
    raise not_found()


def _must(site: Site, right: Right, scope: str) -> None:
    """Who may see something below a folder may look at the folder, which shows him no more than that."""
    if right > Right.READ or not site.sees(scope):
        site.must(right, scope)
