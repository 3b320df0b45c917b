"""The order of versions, as the ecosystem of a component orders them, and ranges such as `1.x` or `>=1.2,<2`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sluicegate.errors import Malformed
from sluicegate.model import snapshots
from sluicegate.model.evidence import Built, Deployed, Tests
from sluicegate.model.story import Story

if TYPE_CHECKING:
    from univers.versions import Version

LONGEST = 200
PLAIN = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:_-]*")
BY_EVIDENCE = ("commit", "tested", "deployed")
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
    """A value that compares as the scheme says. Raises Malformed for what is no version there."""
    check_version(version)
    try:
        return _kind(scheme)(snapshots.ordered_as(scheme, version))
    except Exception as problem:  # univers raises a different error for each scheme
        raise Malformed(f"'{version}' is not a version that {scheme} can order") from problem


def check_version(version: str) -> None:
    """Refuse what no repository and no file name takes as a version."""
    if not VERSION.fullmatch(version) or len(version) > LONGEST or ".." in version:
        raise Malformed(f"'{version[:60]}' is not a version; expected a form such as 1.4.2")
    if version.lower() in ("latest", "release", "newest"):
        raise Malformed(f"'{version}' is a word for a version that moves; name one that stays, such as 1.4.2")


def lower(scheme: str, one: str, other: str) -> bool:
    """Whether `one` is lower than `other`."""
    plain = PLAIN.fullmatch(one), PLAIN.fullmatch(other)
    if plain[0] and plain[1]:
        return _numbers(plain[0]) < _numbers(plain[1])
    return bool(order(scheme, one) < order(scheme, other))


def _numbers(plain: re.Match[str]) -> tuple[int, ...]:
    """1.10.0 as 1, 10, 0: every scheme orders three plain numbers so, and univers is slow to start."""
    return tuple(int(number) for number in plain.groups())


def prerelease(scheme: str, version: str) -> bool:
    """Whether `latest` passes the version over: 1.0.0-rc1, 1.0~beta2, 1.0-SNAPSHOT and its publications.

    In semver whatever follows a hyphen is one; elsewhere it is known by its word.
    """
    if snapshots.base(version) or (scheme == "semver" and "-" in version.partition("+")[0]):
        return True
    return re.search(r"[0-9][-~.]?(alpha|beta|rc|cr|m|snapshot|pre|dev)[0-9.-]*$", version, re.IGNORECASE) is not None


def sort(scheme: str, versions: Iterable[str]) -> list[str]:
    """Oldest first; what the scheme can't order comes before everything.

    Three numbers mean the same in every scheme and are ordered as such: univers needs 0.8 s for 10,000 of them. The
    others take their places among these by univers.
    """
    plain: list[tuple[tuple[int, ...], str]] = []
    known: list[tuple[Version, str]] = []
    strange: list[str] = []
    for version in versions:
        if numbers := PLAIN.fullmatch(version):
            plain.append((_numbers(numbers), version))
            continue
        try:
            known.append((order(scheme, version), version))
        except Malformed:
            strange.append(version)
    found = [version for _, version in sorted(plain)]
    for key, version in sorted(known, key=lambda pair: pair[0]):
        found.insert(bisect_right(found, key, key=lambda text: order(scheme, text)), version)
    return sorted(strange) + found


def matching(scheme: str, versions: Iterable[str], spec: str) -> list[str]:
    """The versions within `spec`, oldest first: `latest`, an exact version, `1.x`, `>=1.2,<2`, or `1.4.2-SNAPSHOT`."""
    if spec.endswith(snapshots.ENDING):
        known = list(versions)
        return [version for version in known if version == spec] + snapshots.publications(known, spec)
    ordered = sort(scheme, versions)
    if spec in ("", "latest"):
        return [version for version in ordered if not prerelease(scheme, version)]
    if wildcard := re.fullmatch(r"((?:[0-9]+\.)*)[x*]", spec):
        return [v for v in ordered if v.startswith(wildcard[1]) and not prerelease(scheme, v)]
    if spec[0] in "<>=!":
        conditions = _conditions(scheme, spec)
        return [v for v in ordered if not prerelease(scheme, v) and _within(scheme, v, conditions)]
    if not VERSION.fullmatch(spec):
        raise _no_range(spec)
    return [version for version in ordered if version == spec]


def _no_range(spec: str) -> Malformed:
    return Malformed(f"'{spec}' is not a range; expected a form such as '>=1.2,<2' or '1.x'")


def tells(story: Story, kind: str, value: str) -> bool:
    """Whether a version's story says: built from this commit, tested or deployed in this environment.

    `tested` wants at least one suite, and that the last run of every suite there failed nowhere.
    """
    if kind == "commit":
        if not re.fullmatch(r"[0-9a-fA-F]{4,64}", value):
            raise Malformed(f"'{value}' is no commit; expected at least 4 digits of its hash")
        return any(built.commit.startswith(value.lower()) for built in story.of(Built))
    if kind == "deployed":
        return story.has(Deployed, env=value)
    last = {run.suite: run for run in story.of(Tests, env=value)}
    return bool(last) and all(run.failed == 0 and run.passed for run in last.values())


def _conditions(scheme: str, spec: str) -> list[tuple[str, Version]]:
    """`>=1.2,<2` as pairs of comparison and bound."""
    found = [CONDITION.fullmatch(part) for part in spec.split(",")]
    if None in found:
        raise _no_range(spec)
    return [(one[1], order(scheme, one[2])) for one in found if one]


def _within(scheme: str, version: str, conditions: Iterable[tuple[str, Version]]) -> bool:
    """False also for what the scheme can't order, such as a version from before the scheme was changed."""
    try:
        one = order(scheme, version)
    except Malformed:
        return False
    return all(
        {
            ">=": one >= bound, "<=": one <= bound, ">": one > bound, "<": one < bound, "=": one == bound,
            "!=": one != bound,
        }[comparison]
        for comparison, bound in conditions
    )  # fmt: skip
