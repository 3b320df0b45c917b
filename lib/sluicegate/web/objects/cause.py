"""Causes and parameters of builds and of what waits in the queue."""

from __future__ import annotations

from sluicegate.runner import causes
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.web.kind import plain


def actions(parameters: tuple[Parameter, ...], causes_listed: tuple[Cause, ...]) -> list[object]:
    """The ParametersAction, where there are parameters, and the CauseAction."""
    values = [_parameter(parameter) for parameter in parameters]
    with_values = [plain("hudson.model.ParametersAction", parameters=values)] if values else []
    return [*with_values, plain("hudson.model.CauseAction", causes=[_cause(cause) for cause in causes_listed])]


def _parameter(parameter: Parameter) -> object:
    """A value; a password's is never shown."""
    shown = {} if parameter.secret else {"value": parameter.value}
    return plain(parameter.value_class, name=parameter.name, **shown)


def _cause(cause: Cause) -> object:
    """A cause as the remote API shows it, with who or what is behind it."""
    more: dict[str, object] = {}
    if cause.kind == "user":
        more = {"userId": cause.user or None, "userName": cause.user or "anonymous"}
    elif cause.kind == "upstream":
        more = {"upstreamBuild": cause.build, "upstreamProject": cause.project, "upstreamUrl": cause.url}
    elif cause.kind == "remote":
        more = {"addr": cause.note, "note": None}
    return plain(causes.CLASSES[cause.kind], shortDescription=cause.summary, **more)
