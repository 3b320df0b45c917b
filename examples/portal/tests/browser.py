"""A browser's view of a running portal, for the regression and acceptance tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import pytest


class StayHere(HTTPRedirectHandler):
    """Shows redirects instead of following them."""

    def redirect_request(self, *args: object, **options: object) -> None:
        return None


OPENER = build_opener(ProxyHandler({}), StayHere)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    location: str


class Browser:
    """Opens pages of portal (PORTAL_URL), sends forms to auth (AUTH_URL); keeps the session cookie for both.

    Behind a balancer the two addresses are the same.
    """

    def __init__(self) -> None:
        self.portal, self.auth = (os.environ.get(name, "").rstrip("/") for name in ("PORTAL_URL", "AUTH_URL"))
        if not self.portal or not self.auth:
            pytest.fail("PORTAL_URL and AUTH_URL are not set: these tests need both services running")
        self.session = ""

    def open(self, path: str) -> Answer:
        return self._ask(Request(self.portal + path))

    def send(self, action: str, **form: str) -> Answer:
        return self._ask(Request(self.auth + action, data=urlencode(form).encode()))

    def _ask(self, request: Request) -> Answer:
        if self.session:
            request.add_header("Cookie", f"session={self.session}")
        try:
            response = OPENER.open(request, timeout=10)
        except HTTPError as error:
            response = error
        with response:
            cookies = SimpleCookie(response.headers.get("Set-Cookie", ""))
            if "session" in cookies:
                self.session = cookies["session"].value
            return Answer(response.status, response.read().decode(), response.headers.get("Location", ""))
