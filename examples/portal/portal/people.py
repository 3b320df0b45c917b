"""Who is asking: answered by the service auth."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http.client import HTTPException
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT = 2.0  # seconds; a page without a name is better than no page
TOKEN = re.compile(r"[\w-]{1,128}", re.ASCII)
OPENER = build_opener(ProxyHandler({}))  # auth is a neighbour, never behind a proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    user: str
    roles: tuple[str, ...]


class AuthUnavailable(Exception):
    """auth does not answer, or nothing that makes sense."""


class People(Protocol):
    """Knows the person of a session."""

    def find(self, token: str) -> Person | None:
        """The person, or None when nobody is signed in by this token (which may be empty or made up)."""


def cookie(token: str) -> dict[str, str]:
    """The header that carries the session; none for what cannot be a token of auth."""
    return {"Cookie": f"session={token}"} if TOKEN.fullmatch(token) else {}


class AuthService:
    def __init__(self, *, url: str, timeout: float = TIMEOUT) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout

    def find(self, token: str) -> Person | None:
        request = Request(f"{self.url}/auth/whoami", headers=cookie(token))
        try:
            with OPENER.open(request, timeout=self.timeout) as response:
                answer = json.load(response)
            return Person(user=str(answer["user"]), roles=tuple(map(str, answer["roles"])))
        except HTTPError as error:
            if error.code == 401:
                return None
            raise AuthUnavailable(str(error)) from error
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise AuthUnavailable(str(error)) from error
