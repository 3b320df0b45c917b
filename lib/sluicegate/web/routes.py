"""URL -> what it means: Stapler's nested objects, each with its reading and its posting actions."""

from __future__ import annotations

from starlette.responses import Response

from sluicegate.runner.items import Item
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.web.answers import answer_api
from sluicegate.web.api import Api
from sluicegate.web.call import Call, not_found
from sluicegate.web.delivery import Delivery
from sluicegate.web.objects import build as build_actions
from sluicegate.web.objects import item as item_actions
from sluicegate.web.objects import job as job_actions
from sluicegate.web.objects import root as root_actions
from sluicegate.web.pages import Pages
from sluicegate.web.site import Site
from sluicegate.web.views import Views

ALL_VIEW = "<hudson.model.AllView>\n  <name>{}</name>\n</hudson.model.AllView>"


class Routes:
    """Finds the object that a path names and lets it answer."""

    def __init__(self, runner: Runner, triggers: Triggers, delivery: Delivery | None = None) -> None:
        self.runner = runner
        self.triggers = triggers
        self.views = Views(runner.home.path)
        self.pages = Pages(runner, delivery is not None)
        self.delivery = delivery

    def answer(self, call: Call) -> Response:
        """The response to an authenticated request. Raises UsageError and Refusal."""
        api = Api(self.runner, self.views, call.base)
        site = Site(runner=self.runner, triggers=self.triggers, views=self.views, pages=self.pages, api=api, call=call)
        folder, rest = self._walk(call.segments)
        if call.segments[:1] == ("delivery",) and self.delivery is not None:
            return self.delivery.page(self.pages, call)
        if folder is not None and not folder.is_folder:
            return self._job(site, folder, rest)
        return self._container(site, folder, rest)

    def _walk(self, segments: tuple[str, ...]) -> tuple[Item | None, tuple[str, ...]]:
        """Follow `job/A/job/B` (and `view/V/` before it) to the innermost item."""
        item: Item | None = None
        rest = segments
        while len(rest) >= 2:
            if rest[0] == "view" and rest[2:3] == ("job",):
                rest = rest[2:]
            elif rest[0] == "job":
                name = f"{item.full_name}/{rest[1]}" if item is not None else rest[1]
                item = self.runner.items.get(name)
                if item is None:
                    raise not_found()
                rest = rest[2:]
            else:
                break
        return item, rest

    def _container(self, site: Site, folder: Item | None, rest: tuple[str, ...]) -> Response:
        if rest[:1] == ("view",) and len(rest) >= 2:
            return self._view(site, folder, rest[1], rest[2:])
        if not rest or rest == ("configure",):
            return site.target(self.pages.jobs(site.call, folder))
        if rest[:1] == ("api",):
            return answer_api(site.call, rest, site.api.item(folder) if folder else site.api.root())
        if folder is not None and (done := item_actions.answer(site, folder, rest)) is not None:
            return done
        return root_actions.answer(site, folder, rest)

    def _view(self, site: Site, folder: Item | None, name: str, rest: tuple[str, ...]) -> Response:
        owner = folder.full_name if folder else ""
        if name in ("all", "All"):
            if rest[:1] == ("api",):
                return answer_api(site.call, rest, site.api.all_view(folder))
            if rest == ("config.xml",):
                site.must_read()
                return Response(ALL_VIEW.format(name), headers={"content-type": "application/xml"})
            return self._container(site, folder, rest)
        view = self.views.get(owner, name)
        if view is None:
            raise not_found()
        if rest[:1] == ("api",):
            return answer_api(site.call, rest, site.api.view(view))
        if not rest or rest == ("configure",):
            return site.target(self.pages.jobs(site.call, folder, view))
        return root_actions.answer_view(site, view, rest)

    def _job(self, site: Site, item: Item, rest: tuple[str, ...]) -> Response:
        if not rest or rest == ("configure",):
            return site.target(self.pages.job(site.call, item))
        if rest[:1] == ("api",):
            return answer_api(site.call, rest, site.api.item(item))
        if rest[0].isdigit() or rest[0].endswith("Build"):
            record = item.history.resolve(rest[0])
            if record is None:
                raise not_found()
            if rest[1:2] == ("api",):
                return answer_api(site.call, rest[1:], site.api.build(item, record))
            return build_actions.answer(site, item, record, rest[1:])
        done = item_actions.answer(site, item, rest)
        return done if done is not None else job_actions.answer(site, item, rest)
