"""What portal answers, address by address."""

from __future__ import annotations

from portal.page import NOTICE, SIGN_IN, greeting, page
from portal.people import AuthUnavailable, People
from portal.serving import Reply, Request, as_json, route


class Portal:
    """The application: takes a request, gives a reply."""

    def __init__(self, *, people: People, version: str) -> None:
        self.people = people
        self.version = version
        self.routes = {
            ("GET", "/"): self.start,
            ("GET", "/health"): self.health,
            ("GET", "/version"): self.show_version,
        }

    def __call__(self, request: Request) -> Reply:
        return route(self.routes, request)

    def start(self, request: Request) -> Reply:
        try:
            person = self.people.find(request.cookies.get("session", ""))
            content = greeting(person) if person else SIGN_IN
        except AuthUnavailable:
            content = NOTICE
        return Reply(body=page(content, self.version), content_type="text/html")

    def health(self, request: Request) -> Reply:
        return as_json({"status": "ok"})

    def show_version(self, request: Request) -> Reply:
        return as_json({"component": "portal", "version": self.version})
