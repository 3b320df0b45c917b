"""Whence users come beside the server's own: a directory, and a proxy that says whom it let in. `<home>/logins.yaml`.

    ldap: {url: "ldaps://ldap.example.com", users: "ou=people,dc=example,dc=com", groups: "ou=groups,dc=example,dc=com"}
    proxy: {header: X-Forwarded-User, groups: X-Forwarded-Groups, from: [10.0.0.5, 10.1.0.0/16], secret: {file: ...}}

Further keys of ldap: name (uid), bind, password ({file: ...} or {env: ...}), ca (PEM), seconds (5), plain (true: ldap://
beyond this machine). The server's own users come first: nobody of a directory takes the place of one.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sluicegate.directories.ldap import NO_PASSWORD, LdapDirectory
from sluicegate.errors import UsageError
from sluicegate.model.numbers import decimal
from sluicegate.runner.passwords import Remembered
from sluicegate.runner.settings import Reader
from sluicegate.tools import yamltext
from sluicegate.tools.credentials import Secret

FILE = "logins.yaml"
SECRET = "x-proxy-secret"
"""The header by which a proxy shows that it is no other program at its address."""
FRESH = 60.0
"""Seconds for which the directory's word counts: whoever it forgets has no session and no token after that."""
MANY = 10_000
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
Groups = frozenset[str]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A header that says who is logged in, believed when it comes from one of these addresses, with the secret."""

    header: str
    groups: str
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    secret: Secret = NO_PASSWORD

    @property
    def is_open_to_builds(self) -> bool:
        """Whether a build on this machine could say who it is, as the proxy may."""
        return not self.secret.reveal() and any(
            network.overlaps(own) for network in self.networks for own in LOOPBACK if network.version == own.version
        )

    def speaks(self, address: str, secret: str) -> bool:
        """Whether the other end of a connection is the proxy; `secret` is what it sent in the header SECRET."""
        ours = self.secret.reveal().encode()
        return self.speaks_from(address) and (
            not ours or hmac.compare_digest(secret.encode("latin-1", "replace"), ours)
        )

    def speaks_from(self, address: str) -> bool:
        try:
            where = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(where in network for network in self.networks)

    def client_of(self, address: str, forwarded: Sequence[str]) -> str:
        """Whence a request came: what the last proxy that is trusted wrote into X-Forwarded-For, else `address`."""
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        while self.speaks_from(address) and hops:
            hop = hops.pop()
            try:
                address = str(ipaddress.ip_address(hop))
            except ValueError:
                break
        return address


class Outside:
    """The users of a directory, as far as it was asked lately."""

    def __init__(self, directory: LdapDirectory) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Groups | None]] = {}
        self._remembered = Remembered()
        self._mark = secrets.token_hex(8)

    def login(self, name: str, password: str) -> bool:
        """Whether this is the password of a user. Raises RemoteUnavailable, Denied."""
        if not name or not password:
            return False
        line = f"{self._mark}\0{name}"
        if self._remembered.knows(line, password, FRESH) and self.groups(name) is not None:
            return True
        groups = self.directory.login(name, password)
        if groups is None:
            return False
        self._note(name, groups)
        self._remembered.keep(line, password)
        return True

    def groups(self, name: str) -> Groups | None:
        """The groups of a user, None when there is no such user (any more). Raises RemoteUnavailable, Denied."""
        with self._lock:
            asked_at, groups = self._known.get(name, (-FRESH, None))
        if time.monotonic() - asked_at < FRESH:
            return groups
        groups = self.directory.groups_of(name)
        if groups is None:
            self._remembered = Remembered()
        self._note(name, groups)
        return groups

    def _note(self, name: str, groups: Groups | None) -> None:
        with self._lock:
            while len(self._known) >= MANY:
                self._known.pop(next(iter(self._known)))
            self._known[name] = (time.monotonic(), groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """The sources of a server; None where there is no such one."""

    outside: Outside | None = None
    proxy: Proxy | None = None
    files: tuple[Path, ...] = ()
    """Files with secrets that were read."""


def read(home: Path) -> Logins:
    """The file of a home. Raises ConfigError with every mistake."""
    path = home / FILE
    if not path.exists():
        return Logins()
    reader = Reader(yamltext.read(path.read_bytes(), str(path)), path)
    reader.only(("ldap", "proxy"))
    directory = _directory(reader) if reader.below("ldap") else None
    proxy = _proxy(reader) if reader.below("proxy") else None
    reader.finish()
    outside = Outside(directory) if directory is not None else None
    return Logins(outside=outside, proxy=proxy, files=tuple(reader.files))


def _directory(reader: Reader) -> LdapDirectory | None:
    reader.only(("url", "users", "groups", "name", "bind", "password", "ca", "seconds", "plain"), "ldap")
    seconds = decimal(reader.text("ldap", "seconds") or "5", least=0.1, most=60.0)
    if seconds is None:
        reader.mistake(("ldap", "seconds"), "seconds: expected a number from 0.1 to 60")
    if not reader.text("ldap", "users"):
        reader.mistake(("ldap",), "users: expected the distinguished name below which the users are")
    try:
        return LdapDirectory(
            url=reader.text("ldap", "url"),
            users=reader.text("ldap", "users"),
            groups=reader.text("ldap", "groups"),
            name=reader.text("ldap", "name") or "uid",
            bind=reader.text("ldap", "bind"),
            password=Secret(reader.secret("ldap", "password").strip())
            if reader.has("ldap", "password")
            else NO_PASSWORD,
            ca=reader.text("ldap", "ca"),
            seconds=seconds or 5.0,
            plain=reader.text("ldap", "plain") == "true",
        )
    except UsageError as problem:
        reader.mistake(("ldap", "url"), problem.message)
        return None


def _proxy(reader: Reader) -> Proxy | None:
    reader.only(("header", "groups", "from", "secret"), "proxy")
    header, networks = reader.text("proxy", "header"), []
    for address in reader.texts("proxy", "from"):
        try:
            networks.append(ipaddress.ip_network(address))
        except ValueError:
            reader.mistake(("proxy", "from"), f"'{address}' is neither an address nor a network")
    if not header or not networks:
        reader.mistake(("proxy",), "a proxy needs its header, and `from`: the addresses that may send it")
    secret = reader.secret("proxy", "secret").strip() if reader.has("proxy", "secret") else ""
    if reader.has("proxy", "secret") and not secret:
        reader.mistake(("proxy", "secret"), "secret: it is empty")
    return Proxy(
        header=header.lower(),
        groups=reader.text("proxy", "groups").lower(),
        networks=tuple(networks),
        secret=Secret(secret),
    )
