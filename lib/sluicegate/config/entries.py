"""One entry of sluicegate.yaml -> a value of the model. Each raises ConfigError with its place."""

from __future__ import annotations

import re

from sluicegate.model.config import (
    SCHEMA_STEPS,
    TAG_VERSION,
    UNDRAINED,
    VERBS,
    After,
    Analysis,
    Component,
    DriverSpec,
    Follow,
    Group,
    Role,
    Rolling,
    Schema,
    Share,
    Undrained,
)
from sluicegate.model.numbers import decimal, whole
from sluicegate.model.settings import Settings


def driver(name: str, settings: Settings) -> DriverSpec:
    return DriverSpec(driver=settings.text("driver"), settings=settings.without("driver"))


def share(settings: Settings, key: str, default: Share, *, least: int) -> Share:
    if key not in settings.values:
        return default
    text = settings.text(key)
    number = whole(text.removesuffix("%"), least=least, most=100 if text.endswith("%") else 100_000)
    if number is None:
        raise settings.fail(
            f"'{key}' is '{text}', expected a number of hosts from {least} on, or a share such as 25%", key
        )
    return Share(number=number, percent=text.endswith("%"))


def rolling(settings: Settings) -> Rolling:
    settings.only("batch", "canary", "capacity", "limit", "undrained", "pause", "approval", "analysis")
    usual = Rolling()
    return Rolling(
        batch=share(settings, "batch", usual.batch, least=1),
        canary=share(settings, "canary", usual.canary, least=0),
        capacity=share(settings, "capacity", usual.capacity, least=0),
        limit=settings.span("limit") if "limit" in settings.values else None,
        undrained=_undrained(settings.choice("undrained", UNDRAINED, usual.undrained)),
        pause=settings.span("pause", "0 s"),
        approval=settings.text("approval", ""),
        analysis=_analysis(settings.below("analysis")) if "analysis" in settings.values else None,
    )


def _undrained(word: str) -> Undrained:
    return next(policy for policy in UNDRAINED if policy == word)


def _analysis(settings: Settings) -> Analysis:
    settings.only("requests", "errors", "slower")
    usual = Analysis()
    numbers: dict[str, float] = {}
    for key, default in (("errors", usual.errors), ("slower", usual.slower)):
        number = decimal(settings.text(key, str(default)).removesuffix("%"), most=1000)
        if number is None or number <= 0:
            raise settings.fail(f"'{key}' is '{settings.text(key)}', expected a number above 0", key)
        numbers[key] = number
    return Analysis(
        requests=settings.number("requests", usual.requests), errors=numbers["errors"], slower=numbers["slower"]
    )


def host(name: str, settings: Settings) -> DriverSpec:
    return driver(name, settings.without("variables"))


def component(name: str, settings: Settings) -> Component:
    settings.only(
        "repository", "group", "versions", "git", "branch", "needs", "probe", "issues", "tag-pattern", "schema"
    )
    return Component(
        name=name,
        repository=settings.text("repository"),
        group=settings.text("group", ""),
        versions=settings.choice("versions", ("semver", "maven", "deb", "rpm"), "semver"),
        git=settings.text("git", ""),
        branch=settings.text("branch", ""),
        needs=settings.texts("needs"),
        probe=settings.text("probe", "/version"),
        issues=_issues(settings),
        tag_pattern=_tag_pattern(settings),
        schema=_schema(settings),
    )


def _issues(settings: Settings) -> str:
    pattern = settings.text("issues", "")
    try:
        re.compile(pattern)
    except re.error as problem:
        raise settings.fail(f"'issues' is '{pattern}', which is no pattern: {problem}", "issues") from problem
    return pattern


def _tag_pattern(settings: Settings) -> str:
    pattern = settings.text("tag-pattern", "")
    if pattern and pattern.count(TAG_VERSION) != 1:
        raise settings.fail(
            f"'tag-pattern' is '{pattern}', expected {TAG_VERSION} once, such as 'release-{TAG_VERSION}'",
            "tag-pattern",
        )
    return pattern


def _schema(settings: Settings) -> Schema | None:
    """`expand`, `verify` and `contract`: each a job's name or a list of words."""
    if "schema" not in settings.values:
        return None
    below = settings.below("schema")
    below.only("expand", "verify", "contract", "timeout")
    steps = {}
    for step in (known_step for known_step in SCHEMA_STEPS if known_step in below.values):
        job = below.values[step] if isinstance(below.values[step], str) else ""
        command = () if job else below.texts(step)
        if not job and not command:
            raise below.fail(f"'{step}' of 'schema' is empty, expected a job's name, or a program and its arguments")
        steps[step] = After(name=step, job=str(job), command=command)
    if "expand" not in steps:
        raise below.fail(
            "'schema' has no 'expand': verify and contract belong to the version that was expanded for", "schema"
        )
    return Schema(steps=steps, timeout=below.span("timeout", "10 min"))


def role(name: str, settings: Settings) -> Role:
    settings.only("members", "jobs")
    if not isinstance(settings.values.get("jobs", {}), dict):
        jobs = ", ".join(settings.texts("jobs"))
        meant = ", ".join(f"{verb}: [{jobs}]" for verb in ("approve", "reject"))
        raise settings.fail(
            f"'jobs' says for each verb which jobs may carry it, as a job that rejects must not prove an approval;"
            f" write jobs: {{{meant}}}, each with the jobs of that verb alone",
            "jobs",
        )
    below = settings.below("jobs")
    below.only(*VERBS)
    people = tuple(member for member in settings.texts("members") if ":" not in member)
    for member in people:
        if "=" in member:
            raise settings.fail(
                f"'{member}' in 'members' is no person's name; the commas of a group need quotes,"
                ' such as "ldap:cn=qa,ou=groups,dc=example,dc=com"',
                "members",
            )
    return Role(
        name=name, members=people, groups=_groups(settings), jobs={verb: below.texts(verb) for verb in below.values}
    )


def _groups(settings: Settings) -> tuple[Group, ...]:
    """The members that are groups of a directory, `ldap:cn=qa,...`."""
    parts = (member.partition(":") for member in settings.texts("members") if ":" in member)
    return tuple(Group(directory=name, name=group.strip(), where=settings.where) for name, _, group in parts)


def follow(settings: Settings) -> Follow | None:
    value = settings.values.get("follow")
    if value is None:
        return None
    if value == "latest":
        return Follow()
    below = settings.below("follow")
    below.only("range")
    return Follow(range=below.text("range"))


def host_groups(settings: Settings) -> tuple[str, ...]:
    value = settings.values.get("hosts", ())
    if isinstance(value, str):
        return (value,)
    below = settings.below("hosts")
    below.only("one-of")
    return below.texts("one-of")
