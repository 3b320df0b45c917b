"""The pages for people: rendered on the server, with a little script for the live console."""

from __future__ import annotations

import time
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, select_autoescape

from sluicegate.runner.items import Item
from sluicegate.runner.records import Record
from sluicegate.runner.service import Runner
from sluicegate.runner.steps import junit
from sluicegate.web.call import Call
from sluicegate.web.views import View

Page = Callable[[], str]
BUILDS_SHOWN = 50
STATES = {"blue": "success", "yellow": "unstable", "red": "failure", "notbuilt": "not built"}


class Pages:
    """Makes pages; each method returns a function, so that clients that want no HTML cost no rendering."""

    def __init__(self, runner: Runner, with_delivery: bool) -> None:
        self.runner = runner
        self.with_delivery = with_delivery
        loader = PackageLoader("sluicegate.web", "templates")
        self.environment = Environment(loader=loader, autoescape=select_autoescape(["html"]), trim_blocks=True)
        self.environment.filters["when"] = when
        self.environment.filters["span"] = span
        self.environment.filters["state"] = state

    def show(self, template: str, call: Call, **values: object) -> str:
        """A rendered template with what every page needs: the user, and a crumb for its forms."""
        users = self.runner.users
        if users.session_user(call.session) is None:
            call.session = call.set_session = users.session(call.user if call.login else "")
        crumb = users.crumb(call.user, call.session)
        shared = {"user": call.login.user if call.login else "", "crumb": crumb, "with_delivery": self.with_delivery}
        return self.environment.get_template(template).render(**shared, **values)

    def jobs(self, call: Call, folder: Item | None, view: View | None = None) -> Page:
        def page() -> str:
            found = self.runner.items.children(folder.full_name if folder else "")
            shown = [one for one in found if view is None or view.shows(one.name)]
            rows = [(one, None if one.is_folder else one.history.last()) for one in shown]
            return self.show(
                "jobs.html", call, folder=folder, view=view, rows=rows, waiting=len(self.runner.queue.items())
            )

        return page

    def job(self, call: Call, item: Item) -> Page:
        def page() -> str:
            builds = item.history.newest(BUILDS_SHOWN)
            waiting = [(one, self.runner.why(one)[1]) for one in self.runner.queue.of_job(item.full_name)]
            return self.show("job.html", call, item=item, builds=builds, waiting=waiting)

        return page

    def parameters(self, call: Call, item: Item) -> Page:
        return lambda: self.show("parameters.html", call, item=item)

    def build(self, call: Call, item: Item, record: Record) -> Page:
        def page() -> str:
            archive = record.archive
            names = [p.relative_to(archive).as_posix() for p in sorted(archive.rglob("*")) if p.is_file()]
            upstream = [one for one in record.causes if one.kind == "upstream"]
            values = [(one.name, "****" if one.secret else one.text) for one in record.parameters]
            has_tests = (record.folder / "junitResult.xml").exists()
            return self.show(
                "build.html",
                call,
                item=item,
                record=record,
                artifacts=names,
                upstream=upstream,
                values=values,
                has_tests=has_tests,
            )

        return page

    def tests(self, call: Call, item: Item, record: Record) -> Page:
        def page() -> str:
            suites = junit.read(record.folder) or []
            return self.show("tests.html", call, item=item, record=record, suites=suites, counts=junit.counts(suites))

        return page

    def queue(self, call: Call) -> Page:
        def page() -> str:
            rows = [(one, self.runner.why(one)[1], self.runner.items.get(one.job)) for one in self.runner.queue.items()]
            return self.show("queue.html", call, rows=rows, executors=self.runner.executors, items=self.runner.items)

        return page

    def login(self, call: Call, *, failed: bool) -> Page:
        return lambda: self.show("login.html", call, failed=failed)

    def user(self, call: Call, name: str, made: str = "") -> Page:
        return lambda: self.show("user.html", call, name=name, made=made, tokens=self.runner.users.tokens(name))


def when(milliseconds: int) -> str:
    """A moment for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000)) if milliseconds else ""


def span(milliseconds: int) -> str:
    """A duration for people."""
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def state(color: str) -> str:
    """The word for the colour of Jenkins' ball: `blue_anime` is "success, building"."""
    name, _, moving = color.partition("_")
    return STATES.get(name, name) + (", building" if moving else "")
