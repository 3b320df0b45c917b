"""Who may log in: hashed passwords and API tokens. What a login lasts stands in sessions.py."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import shutil
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import IntegrityError, Malformed, UsageError
from sluicegate.runner import names, passwords
from sluicegate.runner.logins import Outside
from sluicegate.runner.passwords import Remembered, Throttle
from sluicegate.runner.sessions import Sessions
from sluicegate.runner.vault import Vault
from sluicegate.tools import files

ADMIN = "admin"
SHORTEST = 8
NOBODY = ("anonymous", "authenticated", "system", "unknown")
"""What is no user's name (User.ILLEGAL_PERSISTED_USERNAMES, and the words of rights.yaml)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An authenticated user; `by_token` frees from crumbs, as in Jenkins."""

    user: str
    by_token: bool = False


class Users:
    """A user is `users/NAME/password` (hashed) with `tokens.json` beside it (hashes, too), both mode 0600.

    `secrets/passwords/NAME` holds the first password until the user sets his own; an operator who writes another one
    there resets the password. Who removes `users/NAME` and that file ends the user's sessions and tokens at once.
    """

    def __init__(self, home: Path, vault: Vault) -> None:
        self.home = home
        self.vault = vault
        self.outside: Outside | None = None
        self.throttle = Throttle()
        self._lock = threading.RLock()
        self._remembered = Remembered()
        self._tokens: dict[str, tuple[int, list[dict[str, str]]]] = {}
        self._hashes: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._taken: dict[str, int] = {}
        self.sessions = Sessions(home, vault.word("session.key").encode(), self._session_secret)

    def _first(self, name: str) -> Path:
        return self.vault.folder / "passwords" / name

    def _folder(self, name: str) -> Path:
        return self.home / "users" / name

    def create(self, name: str) -> Path:
        """Make sure that a user exists; the file in which the first password stands. Raises UsageError, Malformed."""
        self.must_be_a_name(name)
        there = self.all()
        twin = next((other for other in there if other.lower() == name.lower()), "") if name not in there else ""
        if twin:
            raise UsageError(f"there is a user '{twin}': '{name}' differs from it by capitals alone")
        path = self._first(name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        if not path.exists() and not (self._folder(name) / "password").exists():
            files.replace(path, f"{secrets.token_urlsafe(18)}\n".encode(), mode=0o600)
        return path

    @staticmethod
    def must_be_a_name(name: str) -> None:
        """Raise Malformed for what no user can be called, and UsageError for what means something else."""
        names.check(name)
        if name.lower() in NOBODY:
            raise UsageError(f"nobody can be called '{name}': rules and logs mean something else by it")

    def exists(self, name: str) -> bool:
        """Whether there is such a user, here or in the directory. Raises RemoteUnavailable when it does not answer."""
        return self._safe(name) and (bool(self._hash(name)) or self._outside_groups(name) is not None)

    def is_own(self, name: str) -> bool:
        """Whether a user is this server's own, and no directory's."""
        return self._safe(name) and bool(self._hash(name))

    def groups(self, name: str) -> frozenset[str]:
        """The groups that the directory has a user in; those of rights.yaml are beside them."""
        if self.outside is None or self.is_own(name):
            return frozenset()
        return self._outside_groups(name) or frozenset()

    def _outside_groups(self, name: str) -> frozenset[str] | None:
        return self.outside.groups(name) if self.outside is not None and self._safe(name) else None

    def all(self) -> list[str]:
        names = {path.name for path in self._listed(self.vault.folder / "passwords")}
        names |= {path.name for path in self._listed(self.home / "users") if (path / "password").is_file()}
        return sorted(names)

    @staticmethod
    def _listed(folder: Path) -> list[Path]:
        if not folder.is_dir():
            return []
        return [path for path in folder.iterdir() if names.is_text(path.name) and not path.name.startswith(".")]

    def login(self, name: str, secret: str) -> Login | None:
        """The user, when `secret` is the password or a token; compared in constant time."""
        if not self.is_own(name):
            if self.outside is None:
                passwords.waste(secret)
            return self._login_outside(name, secret)
        if self._has_token(name, secret.encode("utf-8", "surrogateescape")):
            return Login(user=name, by_token=True)
        line = self._hash(name)
        if self._remembered.knows(line, secret):
            return Login(user=name)
        if not passwords.fits(secret, line):
            return None
        self._remembered.keep(line, secret)
        return Login(user=name)

    def _login_outside(self, name: str, secret: str) -> Login | None:
        """A user of the directory, by a token of this server or the directory's password."""
        if self.outside is None or not self._safe(name):
            return None
        if self._has_token(name, secret.encode("utf-8", "surrogateescape")):
            return Login(user=name, by_token=True) if self.outside.groups(name) is not None else None
        return Login(user=name) if self.outside.login(name, secret) else None

    def is_token(self, name: str, secret: str) -> bool:
        return self.exists(name) and self._has_token(name, secret.encode("utf-8", "surrogateescape"))

    def known(self, name: str, secret: str, address: str) -> Login | None:
        """An own user by a token, or by a password that was right a moment ago: what takes no hashing to know."""
        if not self._safe(name):
            return None
        with contextlib.suppress(OSError):
            if os.stat(f"{self.vault.folder}/passwords/{name}").st_mtime_ns != self._taken.get(name):
                return None
        line = self._read(name)
        if line and self._has_token(name, secret.encode("utf-8", "surrogateescape")):
            return Login(user=name, by_token=True)
        if line and self._remembered.knows(line, secret) and not self.throttle.pause(name, address):
            self.throttle.right(name, address)
            return Login(user=name)
        return None

    def objection(self, name: str, password: str) -> str:
        """What speaks against a new password, "" when nothing does."""
        if self.outside is not None and not self.is_own(name):
            return f"the password of {name} is the directory's: change it there"
        if (length := len(password.strip())) < SHORTEST:
            return f"the password has {length} characters; at least {SHORTEST} are needed"
        return ""

    def set_password(self, name: str, password: str) -> None:
        """The user's own password: the first one is forgotten, and all his sessions end. Raises UsageError."""
        if objection := self.objection(name, password):
            raise UsageError(objection)
        with self._lock:
            self._store(name, passwords.hashed(password))
            self._first(name).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Forget a user: no session and no token of his counts from now on."""
        with self._lock:
            self._first(name).unlink(missing_ok=True)
            shutil.rmtree(self._folder(name), ignore_errors=True)

    def _safe(self, name: str) -> bool:
        try:
            names.check(name)
        except Malformed:
            return False
        return not name.startswith(".") and name.lower() not in NOBODY

    def _store(self, name: str, line: str) -> None:
        files.replace(self._folder(name) / "password", f"{line}\n".encode(), mode=0o600)

    def _hash(self, name: str) -> str:
        """The hash of a user's password, "" when there is no such user. A new first password is taken over."""
        with self._lock:
            with contextlib.suppress(OSError):
                first = self._first(name)
                stamp = first.stat().st_mtime_ns
                if self._taken.get(name) != stamp:
                    kept, password = self._read(name), first.read_text().strip()
                    if password and not passwords.fits(password, kept):
                        self._store(name, passwords.hashed(password))
                    self._taken[name] = stamp
            return self._read(name)

    def _read(self, name: str) -> str:
        """The hash as it stands in the file, which is read again when it is another one."""
        path = f"{self.home}/users/{name}/password"
        try:
            now = os.stat(path)
            stamp = (now.st_ino, now.st_mtime_ns, now.st_size)
            kept = self._hashes.get(name)
            if kept is None or kept[0] != stamp:
                kept = self._hashes[name] = (stamp, Path(path).read_text().strip())
            return kept[1]
        except (OSError, ValueError):
            self._hashes.pop(name, None)
            return ""

    def _token_file(self, name: str) -> Path:
        return self._folder(name) / "tokens.json"

    def tokens(self, name: str) -> list[dict[str, str]]:
        """The tokens of a user: uuid, name, day of the last use, and the SHA-256 of the value, which is not kept."""
        with self._lock:
            try:
                stamp = os.stat(f"{self.home}/users/{name}/tokens.json").st_mtime_ns
                kept = self._tokens.get(name)
                if kept is None or kept[0] != stamp:
                    kept = self._tokens[name] = (stamp, json.loads(self._token_file(name).read_text()))
                return kept[1]
            except FileNotFoundError:
                return []
            except (OSError, ValueError) as problem:  # whoever took it for none would write the others away
                raise IntegrityError(
                    f"the tokens of {name} cannot be read: {problem}",
                    hint=f"restore {self._token_file(name)}, or revoke all of them",
                ) from problem

    def _has_token(self, name: str, secret: bytes) -> bool:
        digest = hashlib.sha256(secret).hexdigest()
        try:
            fitting = [token for token in self.tokens(name) if hmac.compare_digest(digest, token["sha256"])]
        except IntegrityError as problem:
            logging.getLogger(__name__).error("%s; none of them opens anything", problem.message)
            return False
        for token in fitting:
            self._used(name, token)
        return bool(fitting)

    def _used(self, name: str, token: dict[str, str]) -> None:
        """Note the day on which a token was used, once a day; a disk that takes nothing keeps nobody out."""
        today = time.strftime("%Y-%m-%d", time.gmtime())
        if token.get("used") == today:
            return
        with self._lock, contextlib.suppress(OSError, IntegrityError):
            rows = [{**row, "used": today} if row["uuid"] == token["uuid"] else row for row in self.tokens(name)]
            self._write_tokens(name, rows)

    def new_token(self, name: str, label: str) -> dict[str, str]:
        """Make an API token (ApiTokenProperty.generateNewToken): its value is shown once."""
        value = "11" + secrets.token_hex(16)
        token = {
            "uuid": str(uuid.uuid4()),
            "name": label or time.strftime("Token created on %Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "sha256": hashlib.sha256(value.encode()).hexdigest(),
        }
        with self._lock:
            self._write_tokens(name, [*self.tokens(name), token])
        return {"tokenName": token["name"], "tokenUuid": token["uuid"], "tokenValue": value}

    def revoke(self, name: str, token_uuid: str | None) -> None:
        """Forget one token, or all with None."""
        with self._lock:
            kept = [row for row in self.tokens(name) if row["uuid"] != token_uuid] if token_uuid is not None else []
            self._write_tokens(name, kept)

    def _write_tokens(self, name: str, tokens: list[dict[str, str]]) -> None:
        """Store a list that was read under the lock: what came or went meanwhile would be undone by another one."""
        files.replace(self._token_file(name), json.dumps(tokens, indent=1).encode(), mode=0o600)
        self._tokens.pop(name, None)

    def _session_secret(self, name: str) -> str | None:
        """What ends the sessions of a user when it changes: the hash of the password. None where there is no user."""
        return self._hash(name) if self.exists(name) else None
