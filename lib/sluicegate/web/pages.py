"""The pages for people: rendered on the server, with a little script for the live console."""

from __future__ import annotations

import time
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape

from sluicegate.runner.users import Users
from sluicegate.web.call import Call

STATES = {"blue": "success", "yellow": "unstable", "red": "failure", "notbuilt": "not built"}


class Pages:
    """Renders `templates/`; what a page shows is gathered by its object."""

    def __init__(self, users: Users, with_delivery: bool) -> None:
        self.users = users
        self.with_delivery = with_delivery
        loader = PackageLoader("sluicegate.web", "templates")
        self.environment = Environment(loader=loader, autoescape=select_autoescape(["html"]), trim_blocks=True)
        self.environment.filters["when"] = when
        self.environment.filters["span"] = span
        self.environment.filters["state"] = state
        self.environment.filters["urlencode"] = address

    def show(self, template: str, call: Call, **values: object) -> str:
        """A rendered template with what every page needs: the user, and a crumb for its forms."""
        if self.users.sessions.user(call.session) is None:
            # Of nobody: only the login form opens one of somebody, so a token or a proxy's word that ends leaves none.
            call.session = call.set_session = self.users.sessions.new()
        crumb = self.users.sessions.crumb(call.user, call.session)
        shared = {"user": call.login.user if call.login else "", "crumb": crumb, "with_delivery": self.with_delivery}
        return self.environment.get_template(template).render(**shared, **values)


def address(path: str) -> str:
    """A name within a path of an address; bytes that are no text stay the bytes that they are."""
    return quote(path, safe="/", errors="surrogateescape")


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
