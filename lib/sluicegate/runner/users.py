"""Who may log in: generated passwords, hashed API tokens, signed sessions and crumbs. All survive a restart."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import Malformed
from sluicegate.model.numbers import required
from sluicegate.runner import names
from sluicegate.runner.vault import Vault
from sluicegate.tools import files

ADMIN = "admin"
SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An authenticated user; `by_token` frees from crumbs, as in Jenkins."""

    user: str
    by_token: bool = False


class Users:
    """Passwords in `secrets/passwords/NAME` (mode 0600), token hashes in `users/NAME/tokens.json`."""

    def __init__(self, home: Path, vault: Vault) -> None:
        self.home = home
        self.vault = vault
        self._lock = threading.RLock()
        self._tokens: dict[str, list[dict[str, str]]] = {}
        self._key = vault.word("session.key").encode()
        self._passwords: dict[str, tuple[int, str]] = {}

    def create(self, name: str) -> Path:
        """Make sure that a user exists; the file with the password."""
        names.check(name)
        folder = self.vault.folder / "passwords"
        folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / name
        if not path.exists():
            files.replace(path, f"{secrets.token_urlsafe(18)}\n".encode(), mode=0o600)
        return path

    def exists(self, name: str) -> bool:
        return self._safe(name) and (self.vault.folder / "passwords" / name).is_file()

    def all(self) -> list[str]:
        folder = self.vault.folder / "passwords"
        return (
            sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
        )

    def login(self, name: str, secret: str) -> Login | None:
        """The user, when `secret` is the password or a token; compared in constant time."""
        if not self._safe(name):
            return None
        given = secret.encode("utf-8", "surrogateescape")
        if self._has_token(name, given):
            return Login(user=name, by_token=True)
        password = self._password(name)
        if password and hmac.compare_digest(password.encode(), given):
            return Login(user=name)
        return None

    def _safe(self, name: str) -> bool:
        try:
            names.check(name)
        except Malformed:
            return False
        return not name.startswith(".")

    def _password(self, name: str) -> str:
        path = self.vault.folder / "passwords" / name
        try:
            stamp = path.stat().st_mtime_ns
            kept = self._passwords.get(name)
            if kept is None or kept[0] != stamp:
                kept = self._passwords[name] = (stamp, path.read_text().strip())
            return kept[1]
        except OSError:
            return ""

    def _token_file(self, name: str) -> Path:
        return self.home / "users" / name / "tokens.json"

    def tokens(self, name: str) -> list[dict[str, str]]:
        """The tokens of a user: uuid, name and the SHA-256 of the value. The values themselves are not kept."""
        with self._lock:
            if name not in self._tokens:
                path = self._token_file(name)
                self._tokens[name] = json.loads(path.read_text()) if path.exists() else []
            return self._tokens[name]

    def _has_token(self, name: str, given: bytes) -> bool:
        digest = hashlib.sha256(given).hexdigest()
        return sum(hmac.compare_digest(digest, token["sha256"]) for token in self.tokens(name)) > 0

    def new_token(self, name: str, label: str) -> dict[str, str]:
        """Make an API token (ApiTokenProperty.generateNewToken): its value is shown once."""
        value = "11" + secrets.token_hex(16)
        token = {
            "uuid": str(uuid.uuid4()),
            "name": label or time.strftime("Token created on %Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "sha256": hashlib.sha256(value.encode()).hexdigest(),
        }
        self._write_tokens(name, [*self.tokens(name), token])
        return {"tokenName": token["name"], "tokenUuid": token["uuid"], "tokenValue": value}

    def revoke(self, name: str, token_uuid: str | None) -> None:
        """Forget one token, or all with None."""
        kept = [token for token in self.tokens(name) if token_uuid is not None and token["uuid"] != token_uuid]
        self._write_tokens(name, kept)

    def _write_tokens(self, name: str, tokens: list[dict[str, str]]) -> None:
        with self._lock:
            files.replace(self._token_file(name), json.dumps(tokens, indent=1).encode(), mode=0o600)
            self._tokens[name] = tokens

    def session(self, user: str = "", now: float | None = None) -> str:
        """A session cookie's value. It is signed, not stored, so a restart forgets nobody; a new password ends it."""
        until = int((time.time() if now is None else now) + SESSION_SECONDS)
        body = f"{user.encode().hex()}.{until}.{secrets.token_hex(8)}"
        return f"{body}.{self._sign(body, user)}"

    def session_user(self, cookie: str, now: float | None = None) -> str | None:
        """The user of a session cookie, empty for an anonymous one, None when it is not valid."""
        body, _, signature = cookie.rpartition(".")
        try:
            name, until, _ = body.split(".")
            user = bytes.fromhex(name).decode()
            if required(until) < (time.time() if now is None else now):
                return None
        except (ValueError, UnicodeDecodeError):
            return None
        fits = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(body, user).encode())
        return user if fits else None

    def crumb(self, user: str, session: str) -> str:
        """The crumb for a user's session: bound to both (DefaultCrumbIssuer)."""
        return hmac.new(self._key, f"crumb\0{user}\0{session}".encode(), "sha256").hexdigest()

    def crumb_fits(self, crumb: str, user: str, session: str) -> bool:
        if self.session_user(session) is None:
            return False
        return hmac.compare_digest(crumb.encode("utf-8", "replace"), self.crumb(user, session).encode())

    def _sign(self, body: str, user: str) -> str:
        password = self._password(user) if user else ""
        return hmac.new(self._key, f"session\0{body}\0{password}".encode(), "sha256").hexdigest()
