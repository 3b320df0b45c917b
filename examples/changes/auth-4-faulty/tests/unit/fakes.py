"""Stands in for LDAP: everybody's password is the own name."""

from __future__ import annotations

from auth.directory import DirectoryUnavailable


class FakeDirectory:
    def __init__(self, **groups: set[str]) -> None:
        self.groups = groups
        self.down = False

    def groups_of(self, user: str) -> frozenset[str]:
        if self.down:
            raise DirectoryUnavailable("connection refused")
        return frozenset(self.groups.get(user, ()))

    def log_in(self, user: str, password: str) -> frozenset[str] | None:
        if self.down:
            raise DirectoryUnavailable("connection refused")
        return frozenset(self.groups[user]) if user in self.groups and password in (user, "") else None
