"""What an action works with: the runner, the request, and a table of actions by name and method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.web import call as calls
from sluicegate.web.api import Api
from sluicegate.web.call import Call, Refusal
from sluicegate.web.views import Views

if TYPE_CHECKING:
    from sluicegate.web.pages import Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The surroundings of one request."""

    runner: Runner
    triggers: Triggers
    views: Views
    pages: Pages
    api: Api
    call: Call

    def target(self, page: Callable[[], str]) -> Response:
        """A page that redirects lead to: HTML for browsers, an empty body for clients of the API."""
        self.must_read()
        return calls.html(page()) if self.call.wants_html else calls.empty()

    def must_read(self) -> None:
        if self.call.method not in ("GET", "HEAD", "POST"):
            raise Refusal(405, "Method Not Allowed", headers={"Allow": "GET"})

    def must_post(self) -> None:
        """State changes are refused to anything but POST, and never carried out."""
        if self.call.method != "POST":
            raise Refusal(405, "Method Not Allowed", headers={"Allow": "POST"})

    def must_be_admin(self, permission: str = "hudson.model.Hudson.Administer") -> None:
        if self.call.login is None or not self.call.login.is_admin:
            message = f"{self.call.user} is missing the Overall/Administer permission"
            raise Refusal(403, message, headers={"X-Required-Permission": permission})
