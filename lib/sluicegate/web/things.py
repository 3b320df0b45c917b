"""Small objects of the remote API that others are made of: parameters, causes, test cases."""

from __future__ import annotations

from collections.abc import Callable

from sluicegate.runner import causes
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.steps import junit
from sluicegate.web.tree import Thing


def constant(value: object) -> Callable[[], object]:
    return lambda: value


def plain(cls: str, **values: object) -> Thing:
    """An inline thing of constant fields."""
    return Thing(cls=cls, fields={name: constant(value) for name, value in values.items()}, inline=True)


def parameter(one: Parameter) -> Thing:
    """A value; a password's is never shown."""
    shown = {} if one.secret else {"value": one.value}
    return plain(one.value_class, name=one.name, **shown)


def cause_action(found: tuple[causes.Cause, ...]) -> Thing:
    things = [cause(one) for one in found]
    return Thing(cls="hudson.model.CauseAction", fields={"causes": constant(things)}, inline=True)


def cause(one: causes.Cause) -> Thing:
    """A cause as the remote API shows it, with who or what is behind it."""
    more: dict[str, object] = {}
    if one.kind == "user":
        more = {"userId": one.user or None, "userName": one.user or "anonymous"}
    elif one.kind == "upstream":
        more = {"upstreamBuild": one.build, "upstreamProject": one.project, "upstreamUrl": one.url}
    elif one.kind == "remote":
        more = {"addr": one.note, "note": None}
    return plain(causes.CLASSES[one.kind], shortDescription=one.summary, **more)


STATUS = {"passed": "PASSED", "failed": "FAILED", "skipped": "SKIPPED"}


def case(one: junit.Case) -> Thing:
    """A test case; without history each failure is as old as this build."""
    failed = one.state == "failed"
    return plain(
        "hudson.tasks.junit.CaseResult",
        age=1 if failed else 0,
        className=one.class_name,
        duration=one.duration,
        errorDetails=one.details or None if failed else None,
        errorStackTrace=one.trace or one.details or None if failed else None,
        failedSince=0,
        name=one.name,
        skipped=one.state == "skipped",
        skippedMessage=one.details or None if one.state == "skipped" else None,
        status=STATUS[one.state],
        stderr=None,
        stdout=None,
    )
