"""People and groups of an LDAP directory (RFC 4511), also Active Directory, by ldap3.

A directory that does not answer within its time limit is RemoteUnavailable, never "there is no such user".
"""

from __future__ import annotations

import ipaddress
import math
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sluicegate.errors import Denied, NotFound, RemoteUnavailable, UsageError
from sluicegate.tools import door, extras
from sluicegate.tools.credentials import Secret

if TYPE_CHECKING:
    from ldap3 import Connection

MEMBERS = ("member", "uniqueMember")
"""Attributes of a group that hold distinguished names; `memberUid` (RFC 2307) holds login names."""
NO_PASSWORD = Secret("")
INVALID_CREDENTIALS = 49
NO_SUCH_OBJECT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapDirectory:
    """Where people and groups are. `name` is the attribute with the login name; seconds for each answer."""

    url: str
    users: str
    groups: str = ""
    name: str = "uid"
    bind: str = ""
    password: Secret = NO_PASSWORD
    ca: str = ""
    seconds: float = 5.0
    plain: bool = False

    def __post_init__(self) -> None:
        """Refuse a way on which passwords would travel in clear, but to this machine."""
        scheme, host = urlsplit(self.url).scheme, urlsplit(self.url).hostname or ""
        if scheme not in ("ldap", "ldaps") or not host:
            raise UsageError(f"'{self.url}' is no address of a directory; expected ldaps://HOST or ldap://HOST")
        if scheme == "ldap" and not (self.plain or _is_loopback(host)):
            raise UsageError(f"passwords would travel to {host} in clear", hint="use ldaps://, or say plain: true")

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
        with self._connected(self.bind, self.password.reveal()) as connection:
            entry = self._user(connection, name)
            if entry is None:
                return None
            groups = self._groups_of(connection, entry, name)
        try:
            with self._connected(entry, password):
                return groups
        except Denied:
            return None

    def groups_of(self, name: str) -> frozenset[str] | None:
        """The groups of a user, None when there is no such user. Raises as `login` does."""
        with self._connected(self.bind, self.password.reveal()) as connection:
            entry = self._user(connection, name)
            return None if entry is None else self._groups_of(connection, entry, name)

    def members(self, group: str) -> frozenset[str]:
        """The login names of those in a group, which is named by its distinguished name.

        Raises NotFound when there is none, RemoteUnavailable, Denied. Groups in groups are not followed.
        """
        with self._connected(self.bind, self.password.reveal()) as connection:
            rows = self._search(connection, group, "(objectClass=*)", [*MEMBERS, "memberUid"], base=True)
            if not rows:
                raise NotFound(f"the directory {self.url} has no group '{group}'")
            _, values = rows[0]
            names = set(values.get("memberUid", ()))
            for entry in (entry for attribute in MEMBERS for entry in values.get(attribute, ())):
                for _, found in self._search(connection, entry, "(objectClass=*)", [self.name], base=True):
                    names |= set(found.get(self.name, ()))
            return frozenset(names)

    # -- one answer --
    def _user(self, connection: Connection, name: str) -> str | None:
        """The distinguished name of a user who is called exactly so: directories do not heed capitals, rights do."""
        from ldap3.utils.conv import escape_filter_chars

        rows = self._search(connection, self.users, f"({self.name}={escape_filter_chars(name)})", [self.name])
        exact = [entry for entry, values in rows if name in values.get(self.name, ())]
        return exact[0] if len(exact) == 1 else None

    def _groups_of(self, connection: Connection, entry: str, name: str) -> frozenset[str]:
        from ldap3.utils.conv import escape_filter_chars

        if not self.groups:
            return frozenset()
        who = escape_filter_chars(entry)
        either = "".join(f"({attribute}={who})" for attribute in MEMBERS)
        rows = self._search(connection, self.groups, f"(|{either}(memberUid={escape_filter_chars(name)}))", ["cn"])
        return frozenset(cn for _, values in rows for cn in values.get("cn", ()))

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
        if connection.result["result"] not in (0, NO_SUCH_OBJECT):
            raise Denied(f"the directory {self.url} refuses to search: {connection.result['description']}")
        rows = []
        for row in connection.response or ():
            if row.get("type") == "searchResEntry":
                values = {key: [str(one) for one in _listed(value)] for key, value in row["attributes"].items()}
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
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self.ca or None)
        try:
            server = ldap3.Server(self.url, connect_timeout=self.seconds, get_info=ldap3.NONE, tls=tls)
            connection = ldap3.Connection(
                server,
                user=user or None,
                password=password if user else None,
                receive_timeout=self.whole_seconds,
                read_only=True,
                check_names=False,
            )
            bound = connection.bind()
        except (LDAPException, OSError) as problem:
            raise RemoteUnavailable(f"the directory {self.url} does not answer: {_words(problem)}") from problem
        try:
            if not bound:
                said = connection.result["description"]
                if connection.result["result"] != INVALID_CREDENTIALS:
                    raise RemoteUnavailable(f"the directory {self.url} refuses a login: {said}")
                raise Denied(f"the directory {self.url} refuses the login of '{user}': {said}")
            yield connection
        finally:
            with suppress(LDAPException, OSError):
                connection.unbind()


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _words(problem: Exception) -> str:
    """An error in a line; ldap3's carry lists of tuples."""
    return " ".join(str(problem).split())[:200]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
