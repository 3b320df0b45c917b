"""What an object's fields, pages and actions work with: the runner, the request, and what the server keeps beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.web import call as calls
from sluicegate.web.call import Call, Refusal
from sluicegate.web.delivery import Delivery
from sluicegate.web.pages import Pages
from sluicegate.web.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The surroundings of one request."""

    runner: Runner
    triggers: Triggers
    views: Views
    pages: Pages
    delivery: Delivery | None
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

    def must_be_admin(self, permission: str = "hudson.model.Hudson.Administer") -> None:
        if self.call.login is None or not self.call.login.is_admin:
            message = f"{self.call.user} is missing the Overall/Administer permission"
            raise Refusal(403, message, headers={"X-Required-Permission": permission})
