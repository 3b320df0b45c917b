"""Talks HTTP with time-outs; a silent or broken server becomes RemoteUnavailable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.errors import RemoteUnavailable
from sluicegate.tools import door

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def get(url: str, *, timeout: float = 10.0) -> Answer:
    """GET `url`. Any status is an answer; no answer within `timeout` seconds raises RemoteUnavailable."""
    response = _get(url, timeout=timeout)
    return Answer(status=response.status_code, body=response.content)


def download(url: str, to: Path, *, timeout: float = 30.0) -> int:
    """Stream `url` into the new file `to` and return the status; nothing is written unless it is 200."""
    import requests

    response = _get(url, timeout=timeout, stream=True)
    try:
        if response.status_code == 200:
            with to.open("wb") as stream:
                for block in response.iter_content(1 << 20):
                    stream.write(block)
    except requests.RequestException as problem:
        raise RemoteUnavailable(f"{url} broke off: {problem}") from problem
    finally:
        response.close()
    return response.status_code


def _get(url: str, *, timeout: float, stream: bool = False) -> requests.Response:
    import requests

    door.passing(f"GET {url}")
    try:
        return requests.get(url, timeout=timeout, stream=stream, allow_redirects=False)
    except requests.RequestException as problem:
        raise RemoteUnavailable(f"{url} did not answer: {problem}") from problem
