"""The values that a job offers for its next build, where these are not written in the job: they come from its builds,
from another job's builds, or by chance."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sluicegate.model.jobs import path_of
from sluicegate.runner import names
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.item import Item
from sluicegate.runner.items import Items
from sluicegate.runner.parameters import RUN, Definition, Parameter, Value
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result

WORST: Mapping[str, Result] = {"STABLE": Result.SUCCESS, "SUCCESSFUL": Result.UNSTABLE}
"""The worst result of the builds that a run parameter offers, by its filter (RunParameterFilter)."""
LOOKED_AT = 100
"""Builds that are looked at for one that fits."""


def offered(item: Item, items: Items) -> tuple[Definition, ...]:
    """The parameters of a job with the defaults that hold now."""
    return tuple(_now(definition, item, items) for definition in definitions(item.config))


def _now(definition: Definition, item: Item, items: Items) -> Definition:
    if definition.default_from == "chance":
        return replace(definition, default=secrets.token_hex(8))
    if definition.default_from == "run":
        job = items.job(names.resolve(definition.run_of, names.folder_of(item.full_name)))
        run = None if job is None else _first(job.history.newest(LOOKED_AT), WORST.get(definition.run_filter))
        return definition if run is None else replace(definition, default=f"{run.job}#{run.number}")
    if definition.default_from in ("last build", "last good build"):
        worst = Result.UNSTABLE if definition.default_from == "last good build" else None
        record = _first(item.history.newest(LOOKED_AT), worst)
        value = None if record is None else _value(record.parameters, definition.name)
        return definition if value is None else replace(definition, default=value)
    return definition


def _first(records: Iterable[Record], worst: Result | None) -> Record | None:
    for record in records:
        if worst is None or (record.result is not None and record.result <= worst):
            return record
    return None


def _value(parameters: Iterable[Parameter], name: str) -> Value | None:
    return next((parameter.value for parameter in parameters if parameter.name == name and not parameter.secret), None)


def of_runs(parameters: Iterable[Parameter], items: Items, url: str) -> dict[str, str]:
    """The variables that a build's run parameters set (RunParameterValue.buildEnvironment)."""
    variables: dict[str, str] = {}
    for parameter in parameters:
        if parameter.value_class != RUN:
            continue
        job, _, number = parameter.text.partition("#")
        item = items.job(job)
        record = item.history.resolve(number) if item is not None else None
        result = record.result.name if record is not None and record.result is not None else "UNKNOWN"
        variables |= {
            parameter.name: f"{url}{path_of(job)}{number}/" if record is not None else "UNKNOWN",
            f"{parameter.name}_JOBNAME": job,
            f"{parameter.name}_NUMBER": number,
            f"{parameter.name}_NAME": (record.display_name if record is not None else "") or f"#{number}",
            f"{parameter.name}_RESULT": result,
        }
    return variables
