"""Talks HTTP with time-outs; a silent or broken server becomes RemoteUnavailable. Redirects are not followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluicegate.errors import RemoteUnavailable
from sluicegate.tools import door

if TYPE_CHECKING:
    import requests

Login = tuple[str, str]
"""User and password or token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def get(url: str, *, timeout: float = 10.0, login: Login | None = None) -> Answer:
    """GET `url`. Any status is an answer; no answer within `timeout` seconds raises RemoteUnavailable."""
    response = _send("GET", url, timeout=timeout, login=login)
    return Answer(status=response.status_code, body=response.content, headers=response.headers)


def post(url: str, form: Mapping[str, str], *, timeout: float = 10.0, login: Login | None = None) -> Answer:
    """POST a form. Any status is an answer."""
    response = _send("POST", url, timeout=timeout, login=login, form=form)
    return Answer(status=response.status_code, body=response.content, headers=response.headers)


def _send(
    method: str, url: str, *, timeout: float, login: Login | None = None,
    form: Mapping[str, str] | None = None,
) -> requests.Response:  # fmt: skip
    import requests

    door.passing(f"{method} {url}")
    try:
        return requests.request(method, url, data=form, timeout=timeout, auth=login, allow_redirects=False)
    except requests.RequestException as problem:
        raise RemoteUnavailable(f"{url} did not answer: {problem}") from problem
