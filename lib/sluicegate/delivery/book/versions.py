"""The order of versions, as the ecosystem of a component orders them, and ranges such as `1.x` or `>=1.2,<2`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from sluicegate.delivery.book.order import SCHEMES, Order
from sluicegate.errors import Malformed
from sluicegate.model import snapshots
from sluicegate.model.evidence import Built, Deployed, Tests
from sluicegate.model.prereleases import prerelease
from sluicegate.model.story import Story

LONGEST = 200
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~^:_-]*")
BY_EVIDENCE = ("commit", "tested", "deployed")
CONDITION = re.compile(r"\s*(>=|<=|>|<|=|!=)\s*(\S+)\s*")
ZEROS_AND_OTHERS = re.compile("[^1-9]+")


@lru_cache(maxsize=4096)
def order(scheme: str, version: str) -> Order:
    """A value that compares as the scheme says; spellings are equal. Raises Malformed for what is no version there."""
    check_version(version)
    try:
        return Order(SCHEMES[scheme].key(snapshots.ordered_as(scheme, version)))
    except ValueError as problem:
        raise Malformed(f"'{version}' is not a version that {scheme} can order") from problem


def check_version(version: str) -> None:
    """Refuse what no repository and no file name takes as a version."""
    if not VERSION.fullmatch(version) or len(version) > LONGEST or ".." in version:
        raise Malformed(f"'{version[:60]}' is not a version; expected a form such as 1.4.2")
    if version.lower() in ("latest", "release", "newest"):
        raise Malformed(f"'{version}' is a word for a version that moves; name one that stays, such as 1.4.2")


def check_form(scheme: str, version: str) -> None:
    """Refuse to publish what the scheme does not order, and what it knows a better spelling for."""
    order(scheme, version)
    if SCHEMES[scheme].form.fullmatch(version) or snapshots.base(version):
        return
    plain = version.removeprefix("v")
    hint = f"publish it as {plain}" if plain != version and SCHEMES[scheme].form.fullmatch(plain) else ""
    raise Malformed(f"'{version}' is no version of {scheme}: expected {SCHEMES[scheme].expected}", hint=hint)


def lower(scheme: str, left: str, right: str) -> bool:
    """Whether `left` is lower than `right`; of two spellings of a version, by their characters."""
    first, second = order(scheme, left), order(scheme, right)
    return first < second or (not second < first and left < right)


def respelled(scheme: str, versions: Iterable[str], version: str) -> str:
    """The other spelling of `version` among `versions`, such as 1.1.0 for 1.1; '' when there is none."""
    key, digits = _key(scheme, version), ZEROS_AND_OTHERS.sub("", version)
    # Whatever else differs in the spelling, the numbers are the same: most versions are told apart by their digits.
    alike = (known for known in versions if known != version and ZEROS_AND_OTHERS.sub("", known) == digits)
    return next((known for known in alike if key and _key(scheme, known) == key), "")


def _key(scheme: str, version: str) -> Order | None:
    """None for what the scheme can't order, such as a version from before the scheme was changed."""
    try:
        return order(scheme, version)
    except Malformed:
        return None


def sort(scheme: str, versions: Iterable[str]) -> list[str]:
    """Oldest first, always in the same order; what the scheme can't order comes before everything."""
    known: list[tuple[Order, str]] = []
    strange: list[str] = []
    for version in sorted(versions):
        if (key := _key(scheme, version)) is None:
            strange.append(version)
        else:
            known.append((key, version))
    return strange + [version for _, version in sorted(known, key=lambda pair: pair[0])]


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


def _conditions(scheme: str, spec: str) -> list[tuple[str, Order]]:
    """`>=1.2,<2` as pairs of comparison and bound."""
    conditions = [CONDITION.fullmatch(part) for part in spec.split(",")]
    if None in conditions:
        raise _no_range(spec)
    return [(condition[1], order(scheme, condition[2])) for condition in conditions if condition]


def _within(scheme: str, version: str, conditions: Iterable[tuple[str, Order]]) -> bool:
    """False also for what the scheme can't order."""
    key = _key(scheme, version)
    return key is not None and all(
        {
            ">=": not key < bound, "<=": not bound < key, ">": bound < key, "<": key < bound, "=": key == bound,
            "!=": key != bound,
        }[comparison]
        for comparison, bound in conditions
    )  # fmt: skip
