"""Who may log in: hashed passwords and API tokens, signed sessions and crumbs. All survive a restart.

Longer than a module should be: what a user may log in with is kept under one lock.
"""

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
from sluicegate.model.numbers import required
from sluicegate.runner import names, passwords
from sluicegate.runner.logins import Outside
from sluicegate.runner.passwords import Remembered, Throttle
from sluicegate.runner.vault import Vault
from sluicegate.tools import files

ADMIN = "admin"
SESSION_SECONDS = 12 * 3600
CLOCK_SECONDS = 3600
"""How far a clock may be set back without an end to the sessions that were made just before."""
ENDED_SECONDS = 30 * 24 * 3600
"""How long it is known beyond its time that a session was ended: a clock that goes ahead for a while revives none."""
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
        self._key = vault.word("session.key").encode()
        self._ended = Ended(home / "users" / ".ended-sessions")

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

    def session(self, user: str = "", now: float | None = None) -> str:
        """A session cookie's value. It is signed, not stored, so a restart forgets nobody; a new password ends it."""
        until = int((time.time() if now is None else now) + SESSION_SECONDS)
        body = f"{user.encode().hex()}.{until}.{secrets.token_hex(8)}"
        return f"{body}.{self._sign(body, user)}"

    @staticmethod
    def named_in(cookie: str) -> str:
        """Whom a session claims to be of, true or not; "" where it names nobody."""
        try:
            return bytes.fromhex(cookie.partition(".")[0]).decode()
        except ValueError:
            return ""

    def session_user(self, cookie: str, now: float | None = None) -> str | None:
        """The user of a session cookie, empty for an anonymous one, None when it is not valid."""
        user, until = self._signed(cookie)
        left = until - (time.time() if now is None else now)
        # One that was made while the clock went ahead would last until it has caught up.
        return user if 0 <= left <= SESSION_SECONDS + CLOCK_SECONDS else None

    def end_session(self, cookie: str) -> None:
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
        if self._ended.has(body) or (user and not self.exists(user)):
            return None, 0
        fits = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(body, user).encode())
        return (user, until) if fits else (None, 0)

    def crumb(self, user: str, session: str) -> str:
        """The crumb for a user's session: bound to both (DefaultCrumbIssuer)."""
        return hmac.new(self._key, f"crumb\0{user}\0{session}".encode(), "sha256").hexdigest()

    def crumb_fits(self, crumb: str, user: str, session: str) -> bool:
        if self.session_user(session) is None:
            return False
        return hmac.compare_digest(crumb.encode("utf-8", "replace"), self.crumb(user, session).encode())

    def _sign(self, body: str, user: str) -> str:
        password = self._hash(user) if user else ""
        return hmac.new(self._key, f"session\0{body}\0{password}".encode(), "sha256").hexdigest()


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
