"""Who is signed in: sessions, in this process's memory."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    user: str
    roles: tuple[str, ...]


class Sessions:
    """Open sessions by their token."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, session: Session) -> str:
        token = secrets.token_urlsafe(32)
        self._open[token] = session
        return token

    def find(self, token: str) -> Session | None:
        return self._open.get(token)

    def close(self, token: str) -> None:
        self._open.pop(token, None)
