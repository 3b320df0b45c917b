"""The order of versions, as the ecosystem of a component orders them, and ranges such as `1.x` or `>=1.2,<2`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sluicegate.errors import UsageError

if TYPE_CHECKING:
    from univers.versions import Version

LONGEST = 200
CONDITION = re.compile(r"\s*(>=|<=|>|<|=|!=)\s*(\S+)\s*")


def _kind(scheme: str) -> type[Version]:
    from univers import versions

    kinds: dict[str, Any] = {
        "semver": versions.SemverVersion,
        "maven": versions.MavenVersion,
        "deb": versions.DebianVersion,
        "rpm": versions.RpmVersion,
    }
    kind: type[Version] = kinds[scheme]
    return kind


def order(scheme: str, version: str) -> Version:
    """A value that compares as the scheme says. Raises UsageError for what is no version there."""
    check_version(version)
    try:
        return _kind(scheme)(version)
    except Exception as problem:  # univers raises a different error for each scheme
        raise UsageError(f"'{version}' is not a version that {scheme} can order") from problem


def check_version(version: str) -> None:
    """Refuse what no repository and no file name takes as a version."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+~:_-]*", version) or len(version) > LONGEST or ".." in version:
        raise UsageError(f"'{version[:60]}' is not a version; expected a form such as 1.4.2")
    if version.lower() in ("latest", "release", "newest"):
        raise UsageError(f"'{version}' is a word for a version that moves; name one that stays, such as 1.4.2")


def lower(scheme: str, one: str, other: str) -> bool:
    """Whether `one` is lower than `other`."""
    return bool(order(scheme, one) < order(scheme, other))


def prerelease(version: str) -> bool:
    """Whether `latest` passes the version over: 1.0.0-rc1, 1.0~beta2, 1.0-SNAPSHOT."""
    return re.search(r"[0-9][-~.]?(alpha|beta|rc|cr|m|snapshot|pre|dev)[0-9.-]*$", version, re.IGNORECASE) is not None


def sort(scheme: str, versions: Iterable[str]) -> list[str]:
    """Oldest first; what the scheme can't order comes before everything."""
    known: list[tuple[Version, str]] = []
    strange: list[str] = []
    for version in versions:
        try:
            known.append((order(scheme, version), version))
        except UsageError:
            strange.append(version)
    return sorted(strange) + [version for _, version in sorted(known, key=lambda pair: pair[0])]


def matching(scheme: str, versions: Iterable[str], spec: str) -> list[str]:
    """The versions within `spec`, oldest first: `latest`, an exact version, `1.x`, or `>=1.2,<2`."""
    ordered = sort(scheme, versions)
    if spec in ("", "latest"):
        return [version for version in ordered if not prerelease(version)]
    if wildcard := re.fullmatch(r"((?:[0-9]+\.)*)[x*]", spec):
        return [v for v in ordered if v.startswith(wildcard[1]) and not prerelease(v)]
    if spec[0] in "<>=!":
        return [v for v in ordered if not prerelease(v) and _ordered(scheme, v) and _within(scheme, v, spec)]
    return [version for version in ordered if version == spec]


def _ordered(scheme: str, version: str) -> bool:
    """False for what the scheme can't order, such as a version from before the scheme was changed."""
    try:
        order(scheme, version)
    except UsageError:
        return False
    return True


def _within(scheme: str, version: str, spec: str) -> bool:
    for part in spec.split(","):
        found = CONDITION.fullmatch(part)
        if not found:
            raise UsageError(f"'{spec}' is not a range; expected a form such as '>=1.2,<2' or '1.x'")
        one, other = order(scheme, version), order(scheme, found[2])
        held = {
            ">=": one >= other, "<=": one <= other, ">": one > other, "<": one < other, "=": one == other,
            "!=": one != other,
        }  # fmt: skip
        if not held[found[1]]:
            return False
    return True
