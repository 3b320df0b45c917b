"""Causes and parameters of builds and of what waits in the queue."""

from __future__ import annotations

from sluicegate.runner import causes
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.web.kind import plain


def actions(parameters: tuple[Parameter, ...], found: tuple[Cause, ...]) -> list[object]:
    """The ParametersAction, where there are parameters, and the CauseAction."""
    values = [_parameter(one) for one in parameters]
    given = [plain("hudson.model.ParametersAction", parameters=values)] if values else []
    return [*given, plain("hudson.model.CauseAction", causes=[_cause(one) for one in found])]


def _parameter(one: Parameter) -> object:
    """A value; a password's is never shown."""
    shown = {} if one.secret else {"value": one.value}
    return plain(one.value_class, name=one.name, **shown)


def _cause(one: Cause) -> object:
    """A cause as the remote API shows it, with who or what is behind it."""
    more: dict[str, object] = {}
    if one.kind == "user":
        more = {"userId": one.user or None, "userName": one.user or "anonymous"}
    elif one.kind == "upstream":
        more = {"upstreamBuild": one.build, "upstreamProject": one.project, "upstreamUrl": one.url}
    elif one.kind == "remote":
        more = {"addr": one.note, "note": None}
    return plain(causes.CLASSES[one.kind], shortDescription=one.summary, **more)
