"""A browser's view of a running auth, for the regression and acceptance tests."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import pytest

PASSWORDS = {"anna": "anna-secret", "rita": "rita-secret", "olle": "olle-secret"}
OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Answer:
    status: int
    content: dict[str, Any]
    session: str


class Client:
    """Asks the service at AUTH_URL; remembers its session, as a browser does."""

    def __init__(self) -> None:
        self.url = os.environ.get("AUTH_URL", "").rstrip("/")
        if not self.url:
            pytest.fail("AUTH_URL is not set: these tests need a running auth, e.g. AUTH_URL=http://127.0.0.1:8001")
        self.session = ""

    def get(self, path: str) -> Answer:
        return self._ask(Request(self.url + path))

    def post(self, path: str, **form: str) -> Answer:
        return self._ask(Request(self.url + path, data=urlencode(form).encode()))

    def log_in(self, user: str, password: str | None = None) -> Answer:
        return self.post("/auth/login", user=user, password=PASSWORDS[user] if password is None else password)

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
            return Answer(response.status, json.load(response), self.session)
