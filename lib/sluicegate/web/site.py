"""What an object's fields, pages and actions work with: the runner, the request, and what the server keeps beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.responses import Response

from sluicegate.runner.item import Item
from sluicegate.runner.rights import Right, allowed, seen
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.web import call as calls
from sluicegate.web.call import Call, Refusal
from sluicegate.web.delivery import Delivery
from sluicegate.web.lists import Lists
from sluicegate.web.pages import Pages
from sluicegate.web.views import Views

PERMISSIONS = {
    Right.READ: ("Overall/Read", "hudson.model.Hudson.Read"),
    Right.BUILD: ("Job/Build", "hudson.model.Item.Build"),
    Right.CONFIGURE: ("Job/Configure", "hudson.model.Item.Configure"),
    Right.ADMINISTER: ("Overall/Administer", "hudson.model.Hudson.Administer"),
}
"""What Jenkins calls our rights, for people and for programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The surroundings of one request."""

    runner: Runner
    triggers: Triggers
    views: Views
    pages: Pages
    delivery: Delivery | None
    lists: Lists
    call: Call

    @property
    def base(self) -> str:
        """The client's spelling of the root URL, with a slash at the end."""
        return self.call.base

    def show(self, template: str, **values: object) -> str:
        """A rendered page."""
        return self.pages.show(template, self.call, **values)

    def target(self, page: Callable[[], str]) -> Response:
        """A page that redirects lead to: HTML for browsers; clients of the API get an empty body, and none is made."""
        return calls.html(page()) if self.call.wants_html else calls.empty()

    def may(self, right: Right, full_name: str = "") -> bool:
        """Whether the user of this request has a right on an item; without a name: on the whole server."""
        return right <= allowed(self.call.rules, full_name)

    def must(self, right: Right, full_name: str = "") -> None:
        """Raise Refusal without that right."""
        if not self.may(right, full_name):
            shown, permission = PERMISSIONS[right]
            message = f"{self.call.user} is missing the {shown} permission"
            raise Refusal(403, message, headers={"X-Required-Permission": permission})

    def sees(self, full_name: str) -> bool:
        """Whether an item is there for this user, by a right on it or on something below it."""
        return seen(self.call.rules, full_name)

    def seen(self, items: Iterable[Item]) -> list[Item]:
        """The items that are there for this user."""
        return list(items) if self.may(Right.READ) else [item for item in items if self.sees(item.full_name)]
