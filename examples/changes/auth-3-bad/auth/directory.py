"""The organisation's directory, over LDAP."""

from __future__ import annotations

from typing import Protocol

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.core.results import (
    RESULT_INAPPROPRIATE_AUTHENTICATION,
    RESULT_INVALID_CREDENTIALS,
    RESULT_INVALID_DN_SYNTAX,
    RESULT_NO_SUCH_OBJECT,
    RESULT_SUCCESS,
)
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

WRONG_USER_OR_PASSWORD = {
    RESULT_INAPPROPRIATE_AUTHENTICATION,
    RESULT_INVALID_CREDENTIALS,
    RESULT_INVALID_DN_SYNTAX,
    RESULT_NO_SUCH_OBJECT,
}
TIMEOUT = 3  # seconds


class DirectoryUnavailable(Exception):
    """The directory does not answer, or not with what was asked for."""


class Directory(Protocol):
    """Where people and their groups are known."""

    def log_in(self, user: str, password: str) -> frozenset[str] | None:
        """The user's groups, or None if user or password is wrong."""

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user who has signed in, as they are now."""


def person_dn(user: str, base: str) -> str:
    return f"uid={escape_rdn(user)},ou=people,{base}"


class LdapDirectory:
    """People are uid=USER,ou=people,BASE; groups are groupOfNames under ou=groups,BASE."""

    def __init__(self, *, url: str, base: str) -> None:
        self.url = url
        self.base = base

    def log_in(self, user: str, password: str) -> frozenset[str] | None:
        person = person_dn(user, self.base)
        try:
            connection = self._connect(person, password)
            try:
                if not connection.bind():
                    if connection.result["result"] in WRONG_USER_OR_PASSWORD:
                        return None
                    raise DirectoryUnavailable(f"bind: {connection.result['description']}")
                return self._groups(connection, person)
            finally:
                connection.unbind()
        except LDAPException as error:
            raise DirectoryUnavailable(str(error)) from error

    def groups_of(self, user: str) -> frozenset[str]:
        try:
            connection = self._connect()
            try:
                if not connection.bind():
                    raise DirectoryUnavailable(f"bind: {connection.result['description']}")
                return self._groups(connection, user)
            finally:
                connection.unbind()
        except LDAPException as error:
            raise DirectoryUnavailable(str(error)) from error

    def _connect(self, person: str | None = None, password: str | None = None) -> ldap3.Connection:
        server = ldap3.Server(self.url, connect_timeout=TIMEOUT, get_info=ldap3.NONE)
        return ldap3.Connection(server, person, password, receive_timeout=TIMEOUT, read_only=True)

    def _groups(self, connection: ldap3.Connection, person: str) -> frozenset[str]:
        query = f"(&(objectClass=groupOfNames)(member={escape_filter_chars(person)}))"
        connection.search(f"ou=groups,{self.base}", query, search_scope=ldap3.LEVEL, attributes=["cn"])
        if connection.result["result"] != RESULT_SUCCESS:
            raise DirectoryUnavailable(f"search for groups: {connection.result['description']}")
        return frozenset(name for entry in connection.response for name in entry["attributes"]["cn"])
