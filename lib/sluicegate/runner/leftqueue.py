"""What a Jenkins left in its queue when it stopped: queue.xml of its home (hudson.model.Queue.save and load)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed
from sluicegate.model.numbers import INT, whole
from sluicegate.runner import causes, parameters
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.tools import beneath, xml

NAME = "queue.xml"
NEXT_ID = "jenkins.model.queue.QueueIdStrategy$DefaultStrategy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One item: the full name of its job, why it was started, and with which values."""

    job: str
    causes: tuple[Cause, ...]
    parameters: tuple[Parameter, ...]


def take(home: Path) -> tuple[list[Left], int]:
    """The items, oldest first, and the number of the next one (0: unknown); nothing where there is no such file."""
    try:
        root = xml.parse(beneath.read(home / NAME), source=NAME)
    except FileNotFoundError:
        return [], 0
    except (OSError, Malformed) as problem:
        logging.getLogger(__name__).warning("the queue of a Jenkins cannot be read: %s", problem)
        return [], 0
    entries = {xml.text(entry, "string"): xml.text(entry, "long") for entry in root.iterfind("properties/entry")}
    elements = sorted(root.iterfind("items/*"), key=lambda item: whole(xml.text(item, "id"), most=INT) or 0)
    return list(_items(elements)), whole(entries.get(NEXT_ID, ""), most=INT) or 0


def _items(elements: list[Element]) -> Iterator[Left]:
    for element in elements:
        job = xml.text(element, "task").strip()
        values = tuple(
            one for action in element.iter("hudson.model.ParametersAction") for one in parameters.read(action)
        )
        if not job or any(one.secret for one in values):
            # A password is sealed by a key of that Jenkins: without it, it would be another build.
            logging.getLogger(__name__).warning("an item of a Jenkins' queue is left out: the job '%s'", job)
            continue
        why = tuple(one for action in element.iter("hudson.model.CauseAction") for one in causes.read(action))
        yield Left(job=job, causes=why, parameters=values)


def done(home: Path) -> None:
    """The items are ours now: the file gets the name that a Jenkins gives it when it has read it."""
    if (home / NAME).exists():
        os.replace(home / NAME, home / f"{NAME}.bak")
