"""The queue that goes along with a home: queue.xml, as a Jenkins leaves and takes it (hudson.model.Queue).

Our own truth is the journal. queue.xml is written beside it when the server stops, and `queue.left` says what was put
into it: whoever starts next on this home sees by them whether a Jenkins has taken those items meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from sluicegate.errors import Malformed
from sluicegate.model.numbers import INT, whole
from sluicegate.runner import causes, parameters
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.records import OWN_ACTIONS
from sluicegate.tools import beneath, files, xml

NAME = "queue.xml"
LEFT = "queue.left"
NEXT_ID = "jenkins.model.queue.QueueIdStrategy$DefaultStrategy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One item: the full name of its job, why it was started, with which values, and what else its build carries."""

    job: str
    causes: tuple[Cause, ...]
    parameters: tuple[Parameter, ...]
    actions: tuple[str, ...]


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
            parameter
            for action in element.iter("hudson.model.ParametersAction")
            for parameter in parameters.read(action)
        )
        if not job or any(parameter.secret for parameter in values):
            # A password is sealed by a key of that Jenkins: without it, it would be another build.
            logging.getLogger(__name__).warning("an item of a Jenkins' queue is left out: the job '%s'", job)
            continue
        why = tuple(cause for action in element.iter("hudson.model.CauseAction") for cause in causes.read(action))
        others = tuple(xml.dump(action) for action in element.iterfind("actions/*") if action.tag not in OWN_ACTIONS)
        yield Left(job=job, causes=why, parameters=values, actions=others)


def leave(home: Path, items: Sequence[QueueItem], next_id: int, class_of: Callable[[str], str]) -> None:
    """Write what waits for a Jenkins that opens this home next; `class_of` is the class of a job.

    What has a password stays ours alone: it is sealed by a key of this home that a Jenkins does not know.
    """
    open_to_all = [item for item in items if not any(parameter.secret for parameter in item.parameters)]
    if not open_to_all:
        return
    content = "".join(
        [
            xml.HEADER,
            "<hudson.model.Queue_-State>\n  <items>\n",
            *(_element(item, class_of(item.job)) for item in open_to_all),
            f"  </items>\n  <properties>\n    <entry>\n      <string>{NEXT_ID}</string>\n",
            f"      <long>{next_id}</long>\n    </entry>\n  </properties>\n</hudson.model.Queue_-State>",
        ]
    ).encode()
    files.replace(home / NAME, content)
    # Last: without it the items are merely taken over once more, and are merged with those that wait already.
    note = {"ids": [item.id for item in open_to_all], "sha256": hashlib.sha256(content).hexdigest()}
    files.replace(home / LEFT, json.dumps(note).encode())


def _element(item: QueueItem, job_class: str) -> str:
    return (
        "    <hudson.model.Queue_-BuildableItem>\n      <actions>\n"
        f"{parameters.write(item.parameters)}{causes.write(item.causes)}"
        f"{''.join(item.actions)}      </actions>\n"
        f"{xml.tag('id', str(item.id), '      ')}      <task class={quoteattr(job_class)}>{escape(item.job)}</task>\n"
        f"{xml.tag('inQueueSince', str(item.since), '      ')}"
        f"{xml.tag('buildableStartMilliseconds', str(item.since), '      ')}      <isPending>false</isPending>\n"
        "    </hudson.model.Queue_-BuildableItem>\n"
    )


def taken(home: Path) -> list[int]:
    """The ids of what we left and a Jenkins took; what it did not take, nobody will take over twice.

    A Jenkins that has read queue.xml gives it another name, and writes another one when it stops.
    """
    try:
        note = json.loads(beneath.read(home / LEFT))
        ids, digest = [number for number in note["ids"] if isinstance(number, int)], note["sha256"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as problem:
        logging.getLogger(__name__).warning("%s cannot be read (%s): all of it waits here still", LEFT, problem)
        ids, digest = [], ""
    untouched = _has(home / NAME, digest)
    gone = not untouched and ((home / NAME).exists() or _has(home / f"{NAME}.bak", digest))
    (home / LEFT).unlink()
    if untouched:
        (home / NAME).unlink()
    return ids if gone else []


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and files.sha256(path) == digest


def done(home: Path) -> None:
    """The items are ours now: the file gets the name that a Jenkins gives it when it has read it."""
    if (home / NAME).exists():
        os.replace(home / NAME, home / f"{NAME}.bak")
