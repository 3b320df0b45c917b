"""Talks HTTP with time-outs; a silent or broken server becomes RemoteUnavailable. Redirects are not followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluicegate.model.numbers import whole
from sluicegate.tools import door

if TYPE_CHECKING:
    import requests

    from sluicegate.tools.credentials import Login

LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, read whole; the names of its headers in any case."""

    status: int
    reason: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def explanation(self) -> str:
        """What the server says of it: the reason phrase, where Nexus puts its message, and a short body."""
        text = self.body[:300].decode("utf-8", "replace").strip()
        return f"{self.status} {self.reason}".strip() + (f": {text}" if text and "<" not in text[:20] else "")

    @property
    def looks_like_a_page(self) -> bool:
        return "html" in self.headers.get("Content-Type", "") or self.body[:200].lstrip()[:1] == b"<"


def get(
    url: str, *, timeout: float = 10.0, login: Login | None = None, session: requests.Session | None = None
) -> Answer:
    """GET `url` once. Any status is an answer; no answer within `timeout` seconds raises RemoteUnavailable."""
    return _send("GET", url, timeout=timeout, login=login, session=session)


def post(
    url: str, form: Mapping[str, str], *, timeout: float = 10.0, login: Login | None = None,
    session: requests.Session | None = None,
) -> Answer:  # fmt: skip
    """POST a form once. Any status is an answer."""
    return _send("POST", url, timeout=timeout, login=login, session=session, form=form)


def _send(
    method: str, url: str, *, timeout: float, login: Login | None, session: requests.Session | None,
    form: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    import requests

    from sluicegate.tools import http_sessions

    door.passing(f"{method} {url}")
    session = session or http_sessions.new_session(url, tries=1)
    headers = {"Authorization": login.basic()} if login else {}
    request = session.prepare_request(requests.Request(method, url, data=form, headers=headers))
    try:
        response = session.send(request, timeout=timeout, stream=True, allow_redirects=False, proxies=session.proxies)
        return read(response)
    except (requests.RequestException, http_sessions.HTTPError) as problem:
        raise http_sessions.failure(problem, f"{method} {http_sessions.shown(url)}", session, url) from problem


def read(response: requests.Response) -> Answer:
    """The whole of an answer that is small. Raises urllib3's HTTPError when it breaks off or is none."""
    from urllib3.exceptions import ProtocolError

    body = response.raw.read(LARGEST + 1, decode_content=True)
    if len(body) > LARGEST:
        response.close()
        raise ProtocolError(f"the answer has more than {LARGEST >> 20} MiB")
    return answer(response, body)


def answer(response: requests.Response, body: bytes = b"") -> Answer:
    """The answer with a body that was read. Raises urllib3's ProtocolError where its end was a guess."""
    from urllib3.exceptions import ProtocolError

    if whole(response.headers.get("Content-Length", "0")) is None:
        raise ProtocolError("the Content-Length of the answer is no number")
    return Answer(status=response.status_code, reason=response.reason or "", body=body, headers=response.headers)
