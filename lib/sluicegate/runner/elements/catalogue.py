"""XML tag -> entry, gathered from the families; others' elements come by the entry point group and are asked first."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from xml.etree.ElementTree import Element

from sluicegate.errors import ConfigError, Malformed, UsageError
from sluicegate.runner import steps
from sluicegate.runner.elements.entry import KINDS, Entry, Silent, Skipped
from sluicegate.runner.elements.fields import Fields

CORE = "core"
GROUP = "sluicegate.steps"
ROOMS = tuple(
    f"sluicegate.runner.{name}" for name in ("elements.jobs", "elements.projects", "elements.quiet", "scm.reading")
)
"""Modules with an `ELEMENTS` of their own, beside every file of runner/steps."""


@cache
def entries() -> Mapping[str, Entry]:
    """Every element of ours by its tag."""
    families = [f"{steps.__name__}.{module.name}" for module in pkgutil.iter_modules(steps.__path__)]
    known: dict[str, Entry] = {}
    for name in (*families, *ROOMS):
        for entry in getattr(importlib.import_module(name), "ELEMENTS", ()):
            if entry.tag in known:
                raise ValueError(f"<{entry.tag}> stands twice in the catalogue, the second time in {name}")
            known[entry.tag] = entry
    return known


@cache
def entry_points() -> Mapping[str, metadata.EntryPoint]:
    """The elements of others: a tag is the name, the object makes a step, wrapper, ... from `Fields`."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def plugins() -> list[str]:
    """The plugins that the catalogue knows, and those that our credentials and folders stand for."""
    return sorted({entry.plugin for entry in entries().values()} - {CORE} | {"credentials", "plain-credentials"})


def find(kind: str, element: Element) -> Entry:
    """What is known of an element in a place for this kind. Raises ConfigError when nobody knows it there."""
    tag = element.get("class") or element.tag
    if (point := entry_points().get(tag)) is not None:
        return Entry(tag=tag, plugin=point.module, kind=kind, make=point.load())
    entry = entries().get(tag)
    if entry is None or not _fits(entry.kind, kind):
        raise ConfigError([f"this runner does not know the {KINDS[kind]} <{tag}>"])
    return entry


def _fits(known: str, wanted: str) -> bool:
    # Jenkins' any-build-step and flexible-publish put publishers among builders, and builders among publishers.
    both = ("builder", "publisher")
    return known == wanted or (known in both and wanted in both)


def make(kind: str, element: Element) -> object:
    """The object of an element. Raises ConfigError with the reasons why there can be none."""
    entry = find(kind, element)
    if entry.refuses:
        raise ConfigError([f"<{entry.tag}>: {entry.refuses(Fields(element, make))}"])
    if entry.skips:
        return Skipped(label=entry.short_name, why=entry.skips, publishes=entry.publishes)
    if entry.make is None:
        return Silent(label=entry.short_name, why=entry.ignores)
    fields = Fields(element, make)
    try:
        part = entry.make(fields)
    except (UsageError, Malformed) as problem:
        raise ConfigError([*fields.reasons, problem.message]) from problem
    unknown = [f"<{entry.tag}>: this runner does not know its option <{path}>" for path in fields.unread()]
    if reasons := [*fields.reasons, *unknown]:
        raise ConfigError(reasons)
    return part
