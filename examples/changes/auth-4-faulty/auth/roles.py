"""The roles that the services know. Other groups of the directory mean nothing here."""

from collections.abc import Iterable

KNOWN_ROLES = frozenset({"viewer", "editor", "auditor"})
DEFAULT_ROLE = "viewer"


def roles_among(groups: Iterable[str]) -> tuple[str, ...]:
    """Those groups that are roles, in alphabetical order."""
    return tuple(sorted(KNOWN_ROLES.intersection(groups)))
