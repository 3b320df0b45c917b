"""What a login lasts: signed sessions that survive a restart, their end before their time, and crumbs."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sluicegate.errors import IntegrityError
from sluicegate.model.numbers import required
from sluicegate.tools import files

SESSION_SECONDS = 12 * 3600
CLOCK_SECONDS = 3600
"""How far a clock may be set back without an end to the sessions that were made just before."""
ENDED_SECONDS = 30 * 24 * 3600
"""How long it is known beyond its time that a session was ended: a clock that goes ahead for a while revives none."""


class Sessions:
    """The sessions of one home. `secret` says what a user's are signed with beside `key`, None where nobody is."""

    def __init__(self, home: Path, key: bytes, secret: Callable[[str], str | None]) -> None:
        self._key = key
        self._secret = secret
        self._ended = Ended(home / "users" / ".ended-sessions")

    def new(self, user: str = "", now: float | None = None) -> str:
        """A session cookie's value. It is signed, not stored, so a restart forgets nobody; a new password ends it."""
        until = int((time.time() if now is None else now) + SESSION_SECONDS)
        body = f"{user.encode().hex()}.{until}.{secrets.token_hex(8)}"
        return f"{body}.{self._sign(body, (user and self._secret(user)) or '')}"

    @staticmethod
    def named_in(cookie: str) -> str:
        """Whom a session claims to be of, true or not; "" where it names nobody."""
        try:
            return bytes.fromhex(cookie.partition(".")[0]).decode()
        except ValueError:
            return ""

    def user(self, cookie: str, now: float | None = None) -> str | None:
        """The user of a session cookie, empty for an anonymous one, None when it is not valid."""
        user, until = self._signed(cookie)
        left = until - (time.time() if now is None else now)
        # One that was made while the clock went ahead would last until it has caught up.
        return user if 0 <= left <= SESSION_SECONDS + CLOCK_SECONDS else None

    def end(self, cookie: str) -> None:
        """Log out: this session counts no more, whoever kept a copy of it, and whatever the clock says meanwhile."""
        user, until = self._signed(cookie)
        if user:
            self._ended.add(cookie.rpartition(".")[0], until)

    def _signed(self, cookie: str) -> tuple[str | None, int]:
        """Whose session we signed, and until when; None where it is none of ours, was ended, or its user is gone."""
        body, _, signature = cookie.rpartition(".")
        try:
            name, end, _ = body.split(".")
            user, until = bytes.fromhex(name).decode(), required(end)
        except (ValueError, UnicodeDecodeError):
            return None, 0
        secret = self._secret(user) if user else ""
        if self._ended.has(body) or secret is None:
            return None, 0
        fits = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(body, secret).encode())
        return (user, until) if fits else (None, 0)

    def crumb(self, user: str, session: str) -> str:
        """The crumb for a user's session: bound to both (DefaultCrumbIssuer)."""
        return hmac.new(self._key, f"crumb\0{user}\0{session}".encode(), "sha256").hexdigest()

    def crumb_fits(self, crumb: str, user: str, session: str) -> bool:
        if self.user(session) is None:
            return False
        return hmac.compare_digest(crumb.encode("utf-8", "replace"), self.crumb(user, session).encode())

    def _sign(self, body: str, secret: str) -> str:
        return hmac.new(self._key, f"session\0{body}\0{secret}".encode(), "sha256").hexdigest()


class Ended:
    """The sessions that were ended before their time, until that time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            rows = json.loads(path.read_text())
            self._until = {str(name): int(until) for name, until in rows.items()}
        except FileNotFoundError:
            self._until = {}
        except (OSError, ValueError, AttributeError, TypeError) as problem:  # else a session that was ended would go on
            hint = f"restore it; without it ({path}) sessions that were ended go on until they run out"
            raise IntegrityError(
                f"{path}: the sessions that were ended cannot be read: {problem}", hint=hint
            ) from problem

    def has(self, session: str) -> bool:
        return hashlib.sha256(session.encode("utf-8", "replace")).hexdigest() in self._until

    def add(self, session: str, until: int) -> None:
        with self._lock:
            long_ago = time.time() - ENDED_SECONDS
            kept = {name: end for name, end in self._until.items() if end > long_ago}
            self._until = {**kept, hashlib.sha256(session.encode("utf-8", "replace")).hexdigest(): until}
            files.replace(self.path, json.dumps(self._until).encode(), mode=0o600)
