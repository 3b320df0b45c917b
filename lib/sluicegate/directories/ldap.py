"""People and groups of an LDAP directory (RFC 4511), also Active Directory, by ldap3.

Longer than a module should be: every question shares one connection, its time limit and how its errors are told.
A directory that does not answer within its time limit is RemoteUnavailable, never "there is no such user". It is asked
about one person and never for a list: so neither a group's size nor a server's limit on answers matters.
"""

from __future__ import annotations

import math
import os
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from sluicegate.errors import ConfigError, Denied, Malformed, NotFound, RemoteUnavailable, UsageError
from sluicegate.model.config import Config
from sluicegate.model.numbers import decimal
from sluicegate.model.settings import Settings
from sluicegate.tools import door, extras, parallel
from sluicegate.tools.credentials import Credentials, Secret
from sluicegate.tools.sockets import is_loopback

if TYPE_CHECKING:
    from ldap3 import Connection

Answer = TypeVar("Answer")
MEMBERS = ("member", "uniqueMember")
"""Attributes of a group that hold distinguished names; `memberUid` (RFC 2307) holds login names."""
NO_PASSWORD = Secret("")
NO_LOGIN = Credentials()
INVALID_CREDENTIALS = 49
INVALID_NAME = 34
NO_SUCH_OBJECT = 32
TOO_BUSY = (3, 51, 52)
"""timeLimitExceeded, busy, unavailable (RFC 4511, appendix A)."""
GROUPS = 1000
"""Groups that one person may be in, groups of groups included."""
PART = r"""\s*[A-Za-z0-9][A-Za-z0-9.-]*\s*=\s*(?:\\.|[^\\,+"<>;\s])(?:\\.|[^\\,+"<>;])*"""
DISTINGUISHED = re.compile(rf"{PART}(?:[,+]{PART})*")
"""A distinguished name (RFC 4514), as far as typing errors go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapDirectory:
    """Where people and groups are. `name` is the attribute with the login name; `seconds` for a whole question.

    `ca` is a file or a folder of certificates. Our own login is in `credentials`, or `bind` with its `password`.
    """

    url: str
    users: str
    groups: str = ""
    name: str = "uid"
    bind: str = ""
    password: Secret = NO_PASSWORD
    credentials: Credentials = NO_LOGIN
    ca: str = ""
    seconds: float = 5.0
    plain: bool = False

    def __post_init__(self) -> None:
        if objection := _objection(self.url, self.plain):
            raise UsageError(objection, hint="use ldaps://, or say plain: true")

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> LdapDirectory:
        """Read where the directory is and how it is asked; the groups of roles must be names of it.

        `groups` is where groups of groups are looked for; `name` the attribute with the login name.
        """
        settings.only("url", "users", "groups", "name", "credentials", "ca", "seconds", "plain")
        plain = settings.flag("plain")
        if objection := _objection(settings.text("url"), plain):
            raise settings.fail(f"{objection}; use ldaps://, or say plain: true")
        for key in ("users", "groups"):
            if (key == "users" or key in settings.values) and not DISTINGUISHED.fullmatch(settings.text(key)):
                distinguished_name, example = settings.text(key), f"ou={key},dc=example,dc=com"
                raise settings.fail(
                    f"'{key}' is '{distinguished_name}', expected a distinguished name such as {example}"
                )
        seconds = decimal(settings.text("seconds", "5"), least=0.1, most=60)
        if seconds is None:
            raise settings.fail(
                f"'seconds' is '{settings.text('seconds')}', expected a number from 0.1 to 60", "seconds"
            )
        ca = settings.text("ca", "")
        if ca and not ca.startswith("/"):
            raise settings.fail(f"'ca' is '{ca}', expected an absolute path of certificates in PEM", "ca")
        _check_groups(name, config)
        return cls(
            url=settings.text("url"), users=settings.text("users"), groups=settings.text("groups", ""),
            name=settings.text("name", "uid"), ca=ca or _systems_authorities(), seconds=seconds, plain=plain,
            credentials=Credentials.configure(name, settings) if "credentials" in settings.values else NO_LOGIN,
        )  # fmt: skip

    @property
    def whole_seconds(self) -> int:
        """What ldap3 takes for an answer's limit."""
        return max(1, math.ceil(self.seconds))

    def login(self, name: str, password: str) -> frozenset[str] | None:
        """The groups of a user whose password this is; None for a wrong password and for an unknown user.

        Raises RemoteUnavailable when the directory does not answer, Denied when it does not take our own login.
        """
        if not password:
            return None  # RFC 4513: it would be taken for a login of nobody, and succeed

        def ask() -> frozenset[str] | None:
            with self._connected(*self._ours()) as connection:
                entry = self._user(connection, name)
                if entry is None:
                    return None
                groups = self._groups_of(connection, entry, name)
            try:
                with self._connected(entry, password):
                    return groups
            except Denied:
                return None

        return self._in_time(ask)

    def groups_of(self, name: str) -> frozenset[str] | None:
        """The groups of a user, None when there is no such user. Raises as `login` does."""

        def ask() -> frozenset[str] | None:
            with self._connected(*self._ours()) as connection:
                entry = self._user(connection, name)
                return None if entry is None else self._groups_of(connection, entry, name)

        return self._in_time(ask)

    def refuse_unknown(self, group: str) -> None:
        """Raise NotFound for a group that is not there, Malformed for what is no name, and what `holds` raises."""

        def ask() -> None:
            with self._connected(*self._ours()) as connection:
                self._refuse_unknown(connection, group)

        self._in_time(ask)

    def holds(self, group: str, name: str) -> bool:
        """Whether a user (login name) is in a group (distinguished name), or in one below `groups` that is in it.

        Raises NotFound for a group that is not there, RemoteUnavailable when there is no answer in time, Denied when
        the directory does not take our own login.
        """

        def ask() -> bool:
            with self._connected(*self._ours()) as connection:
                self._refuse_unknown(connection, group)
                entry = self._user(connection, name)
                return entry is not None and self._is_in(connection, group, entry, name)

        return bool(name) and self._in_time(ask)

    # -- one answer --
    def _in_time(self, ask: Callable[[], Answer]) -> Answer:
        """The answer within `seconds`, names and handshakes included, however the server spreads what it sends."""
        with suppress(ImportError):
            import ldap3  # noqa: F401  # which takes a while that is not the directory's

        late = f"the directory {self.url} does not answer within {self.seconds:g} s"
        return parallel.within(self.seconds, ask, late)

    def _ours(self) -> tuple[str, str]:
        login = self.credentials.login(self.url)
        return (login.user, login.password.reveal()) if login else (self.bind, self.password.reveal())

    def _refuse_unknown(self, connection: Connection, group: str) -> None:
        if not self._search(connection, group, "(objectClass=*)", ["1.1"], base=True):
            raise NotFound(f"the directory {self.url} has no group '{group}'")

    def _is_in(self, connection: Connection, group: str, entry: str, name: str) -> bool:
        """Whether the group has the entry, or a group that has it; the server compares names, which have many forms."""
        from ldap3.utils.conv import escape_filter_chars

        by_name = f"(memberUid={escape_filter_chars(name)})"
        reached, outermost = {entry.casefold()}, [entry]
        while outermost:
            held = f"(|{''.join(map(_having, outermost))}{by_name})"
            if self._search(connection, group, held, ["1.1"], base=True):
                return True
            if not self.groups:
                return False
            around = [above for above, _ in self._search(connection, self.groups, held, ["1.1"])]
            outermost = [above for above in around if above.casefold() not in reached]
            reached |= {above.casefold() for above in outermost}
            if len(reached) > GROUPS:
                raise Denied(f"the directory {self.url} has '{name}' in more than {GROUPS} groups")
            by_name = ""
        return False

    # -- one answer --
    def _user(self, connection: Connection, name: str) -> str | None:
        """The distinguished name of a user who is called exactly so: directories do not heed capitals, rights do."""
        from ldap3.utils.conv import escape_filter_chars

        rows = self._search(connection, self.users, f"({self.name}={escape_filter_chars(name)})", [self.name])
        exact = [entry for entry, values in rows if name in values.get(self.name, ())]
        return exact[0] if len(exact) == 1 else None

    def _groups_of(self, connection: Connection, entry: str, name: str) -> frozenset[str]:
        """The names of the groups that have the entry, or a group that has it."""
        from ldap3.utils.conv import escape_filter_chars

        found: set[str] = set()
        reached, held = {entry.casefold()}, f"{_having(entry)}(memberUid={escape_filter_chars(name)})"
        while self.groups and held:
            rows = self._search(connection, self.groups, f"(|{held})", ["cn"])
            found.update(cn for _, values in rows for cn in values.get("cn", ()))
            above = [group for group, _ in rows if group.casefold() not in reached]
            reached |= {group.casefold() for group in above}
            if len(reached) > GROUPS:
                raise Denied(f"the directory {self.url} has '{name}' in more than {GROUPS} groups")
            held = "".join(map(_having, above))
        return frozenset(found)

    def _search(
        self, connection: Connection, place: str, condition: str, attributes: list[str], *, base: bool = False
    ) -> list[tuple[str, dict[str, list[str]]]]:
        """Entries with their attributes, which are texts."""
        from ldap3 import BASE, SUBTREE
        from ldap3.core.exceptions import LDAPException

        try:
            connection.search(
                place,
                condition,
                search_scope=BASE if base else SUBTREE,
                attributes=attributes,
                time_limit=self.whole_seconds,
            )
        except LDAPException as problem:
            raise RemoteUnavailable(f"the directory {self.url} does not answer: {_words(problem)}") from problem
        # The library raises for a broken connection only; what the server refuses stands in the result.
        status, complaint = connection.result["result"], connection.result["description"]
        if status in TOO_BUSY:
            raise RemoteUnavailable(f"the directory {self.url} does not answer: {complaint}")
        if status == INVALID_NAME:
            raise Malformed(f"the directory {self.url} says that '{place}' is no distinguished name")
        if status not in (0, NO_SUCH_OBJECT):
            raise Denied(f"the directory {self.url} refuses to search: {complaint}")
        rows = []
        for row in connection.response or ():
            if row.get("type") == "searchResEntry":
                values = {key: [str(text) for text in _listed(value)] for key, value in row["attributes"].items()}
                rows.append((str(row["dn"]), values))
        return rows

    @contextmanager
    def _connected(self, user: str, password: str) -> Iterator[Connection]:
        """A connection as a user, or as nobody. Raises RemoteUnavailable, and Denied for a wrong password."""
        try:
            import ldap3
            from ldap3.core.exceptions import LDAPException
        except ImportError as problem:
            raise UsageError("directories need the extra 'ldap'", hint=extras.install("ldap")) from problem

        door.passing(f"ldap {urlsplit(self.url).hostname}")
        folder = os.path.isdir(self.ca)
        try:
            tls = ldap3.Tls(
                validate=ssl.CERT_REQUIRED,
                ca_certs_file=None if folder else self.ca or None,
                ca_certs_path=self.ca if folder else None,
            )
            server = ldap3.Server(self.url, connect_timeout=self.seconds, get_info=ldap3.NONE, tls=tls)
            connection = ldap3.Connection(
                server,
                user=user or None,
                password=password if user else None,
                receive_timeout=self.whole_seconds,
                read_only=True,
                check_names=False,
                auto_referrals=False,  # our password goes to no other server
            )
            bound = connection.bind()
        except (LDAPException, OSError) as problem:
            raise RemoteUnavailable(f"the directory {self.url} does not answer: {_words(problem)}") from problem
        try:
            if not bound:
                complaint = connection.result["description"]
                if connection.result["result"] != INVALID_CREDENTIALS:
                    raise RemoteUnavailable(f"the directory {self.url} refuses a login: {complaint}")
                raise Denied(f"the directory {self.url} refuses the login of '{user}': {complaint}")
            yield connection
        finally:
            with suppress(LDAPException, OSError):
                connection.unbind()


def _check_groups(directory: str, config: Config) -> None:
    """Raise ConfigError for members of roles that can be no group of the directory."""
    groups = [group for role in config.roles.values() for group in role.groups if group.directory == directory]
    mistakes = [
        f"{group.where}: the member '{group}' is none, expected '{directory}:' and the distinguished name of a group,"
        " such as cn=qa,ou=groups,dc=example,dc=com"
        for group in groups
        if not DISTINGUISHED.fullmatch(group.name)
    ]
    if mistakes:
        raise ConfigError(mistakes)


def _having(entry: str) -> str:
    """The conditions on a group that has an entry."""
    from ldap3.utils.conv import escape_filter_chars

    return "".join(f"({attribute}={escape_filter_chars(entry)})" for attribute in MEMBERS)


def _objection(url: str, plain: bool) -> str:
    """What is wrong with an address: on some ways passwords would travel in clear, but to this machine."""
    scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    if scheme not in ("ldap", "ldaps") or not host:
        return f"'{url}' is no address of a directory; expected ldaps://HOST or ldap://HOST"
    if scheme == "ldap" and not (plain or is_loopback(host)):
        return f"passwords would travel to {host} in clear"
    return ""


def _systems_authorities() -> str:
    """The file or folder of this system, whatever SSL_CERT_FILE and SSL_CERT_DIR of a job's step say."""
    places = ssl.get_default_verify_paths()
    return next((place for place in (places.openssl_cafile, places.openssl_capath) if os.path.exists(place)), "")


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _words(problem: Exception) -> str:
    """An error in a line; ldap3's carry lists of tuples."""
    return " ".join(str(problem).split())[:200]
