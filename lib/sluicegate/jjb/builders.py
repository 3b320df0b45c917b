"""Builders for jenkins-job-builder: steps that call our command line, rendered as core Jenkins' shell step.

A function is found by the entry points `jenkins_jobs.builders`; its arguments are jenkins-job-builder's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from jenkins_jobs.errors import InvalidAttributeError, MissingAttributeError
from jenkins_jobs.modules.builders import shell

REFUSED = 3
PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,-]+")
Values = Mapping[str, Any]


def sluicegate_publish(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-publish

    Publish the files of a version. `component`, `version` and `files` (a list) are wanted; `figures` (a mapping of
    quality figures), `source` (the checkout) and `delivery-repo` may be given. Values may hold $VARIABLES.
    """
    _only(data, "sluicegate-publish", "component", "version", "files", "figures", "source", "delivery-repo")
    words = ["publish", f"{_text(data, 'component')}={_text(data, 'version')}", *_texts(data, "files")]
    if "source" in data:
        words += ["--source", _text(data, "source")]
    for name, value in sorted((data.get("figures") or {}).items()):
        words += ["--figure", f"{name}={value}"]
    _step(registry, xml_parent, data, words)


def sluicegate_sync(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-sync

    Make environments what their pins say. `environments` (a list) is wanted; `wait` (true) waits for a lock, and
    `delivery-repo` may be given. A refusal turns the build yellow.
    """
    _only(data, "sluicegate-sync", "environments", "wait", "delivery-repo")
    wait = data.get("wait", True)
    if not isinstance(wait, bool):
        raise InvalidAttributeError("wait", wait, (True, False))
    _step(registry, xml_parent, data, ["sync", *_texts(data, "environments"), *(["--wait"] if wait else [])])


def sluicegate_promote(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-promote

    Move versions into the next environment's pins. `versions` (a list of COMPONENT or COMPONENT=VERSION) and `to` are
    wanted; `downgrade` (a list), `why` and `delivery-repo` may be given. A refusal turns the build yellow.
    """
    _only(data, "sluicegate-promote", "versions", "to", "downgrade", "why", "delivery-repo")
    words = ["promote", *_texts(data, "versions"), "--to", _text(data, "to")]
    for component in _texts(data, "downgrade") if "downgrade" in data else ():
        words += ["--downgrade", component]
    if "why" in data:
        words.append(f"--why={_text(data, 'why')}")
    _step(registry, xml_parent, data, words)


def _step(registry: Any, xml_parent: Element, data: Values, words: Sequence[str]) -> None:
    """One shell step; Jenkins shows our refusals yellow."""
    lines = [f"export SLUICEGATE_REPO={_quoted(_text(data, 'delivery-repo'))}"] if "delivery-repo" in data else []
    lines.append(" ".join(["sluicegate", *map(_quoted, words)]))
    shell(registry, xml_parent, {"command": "\n".join(lines), "unstable-return": REFUSED})


def _quoted(word: str) -> str:
    """A word of the shell in which $NAME and ${NAME} still count, and nothing else does."""
    if PLAIN.fullmatch(word):
        return word
    escaped = re.sub(r'([\\"`])', r"\\\1", word)
    return '"' + re.sub(r"\$(?!\{?[A-Za-z_])", r"\\$", escaped) + '"'


def _only(data: Values, module: str, *known: str) -> None:
    if not isinstance(data, Mapping):
        raise InvalidAttributeError(module, data)
    for key in data:
        if key not in known:
            raise InvalidAttributeError(f"{module}.{key}", data[key], known)


def _text(data: Values, key: str) -> str:
    if key not in data:
        raise MissingAttributeError(key)
    value = data[key]
    if isinstance(value, (list, dict)) or value is None or str(value) == "":
        raise InvalidAttributeError(key, value)
    if str(value).startswith("-"):
        raise InvalidAttributeError(key, value)
    return str(value)


def _texts(data: Values, key: str) -> list[str]:
    if key not in data:
        raise MissingAttributeError(key)
    value = data[key]
    items = value if isinstance(value, list) else [value]
    if not items:
        raise InvalidAttributeError(key, value)
    return [_text({key: item}, key) for item in items]
