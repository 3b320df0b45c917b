"""What a job declares beside its steps: its parameters, and the elements that `jobxml` reads by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary
from xml.etree.ElementTree import Element

from sluicegate.errors import ConfigError
from sluicegate.runner.elements import catalogue
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.jobxml import JobConfig
from sluicegate.runner.parameters import Definition, Kind, Value

KINDS: tuple[Kind, ...] = ("String", "Boolean", "Choice", "Text", "Password", "File")
_known: WeakKeyDictionary[JobConfig, tuple[Definition, ...]] = WeakKeyDictionary()
"""Lists show the parameters of many jobs: each config.xml is read for them once, and forgotten with its job."""


def definitions(config: JobConfig) -> tuple[Definition, ...]:
    """The parameters that a job declares, without those that are not understood."""
    if (known := _known.get(config)) is None:
        known = _known[config] = tuple(_understood(config.root))
    return known


def _understood(root: Element) -> Iterator[Definition]:
    for element in root.iterfind("properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/*"):
        # A build says why it cannot take the others; the job must be shown and kept all the same.
        with contextlib.suppress(ConfigError):
            definition = catalogue.make("parameter", element)
            if isinstance(definition, Definition):  # not a heading between parameters
                yield definition


def _declared(fields: Fields) -> tuple[object, ...]:
    return fields.parts("parameter", "parameterDefinitions/*")


def definition(kind: Kind) -> Callable[[Fields], Definition]:
    """What reads a parameter of this kind as the core declares it."""

    def read(fields: Fields) -> Definition:
        default: Value = fields.text("defaultValue")
        choices: tuple[str, ...] = ()
        if kind == "Boolean":
            default = default == "true"
        elif kind == "Choice":
            choices = fields.texts("choices//string")
            fields.harmless("choices")
            default = choices[0] if choices else ""
        return Definition(
            name=fields.text("name"),
            kind=kind,
            description=fields.text("description"),
            default=default,
            choices=choices,
            trim=fields.flag("trim"),
        )

    return read


def _read(*paths: str) -> Callable[[Fields], None]:
    """An element that `jobxml` reads by itself: these are the children that it knows."""
    return lambda fields: fields.harmless(*paths)


ELEMENTS = (
    Entry(tag="hudson.model.ParametersDefinitionProperty", plugin="core", kind="property", make=_declared),
    *(
        Entry(tag=f"hudson.model.{kind}ParameterDefinition", plugin="core", kind="parameter", make=definition(kind))
        for kind in KINDS
    ),
    Entry(tag="hudson.triggers.TimerTrigger", plugin="core", kind="trigger", make=_read("spec")),
    Entry(tag="hudson.triggers.SCMTrigger", plugin="core", kind="trigger", make=_read("spec", "ignorePostCommitHooks")),
    Entry(
        tag="jenkins.triggers.ReverseBuildTrigger",
        plugin="core",
        kind="trigger",
        make=_read("spec", "upstreamProjects", "threshold"),
    ),
    Entry(tag="jenkins.model.BuildDiscarderProperty", plugin="core", kind="property", make=_read("strategy")),
)
