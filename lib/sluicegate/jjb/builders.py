"""Builders for jenkins-job-builder: steps that call our command line, rendered as core Jenkins' shell step.

A function is found by the entry points `jenkins_jobs.builders`; its arguments are jenkins-job-builder's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from jenkins_jobs.errors import InvalidAttributeError, JenkinsJobsException, MissingAttributeError
from jenkins_jobs.modules.builders import shell

REFUSED = 3
PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,-]+")
Values = Mapping[str, Any]


def sluicegate_publish(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-publish

    Publish the files of a version. `component`, `version` and `files` (a list) are wanted; `figures` (a mapping of
    quality figures), `source` (the checkout) and `delivery-repo` may be given. Values may hold $VARIABLES.
    """
    _only(data, "component", "version", "files", "figures", "source", "delivery-repo")
    words = ["publish"]
    if "source" in data:
        words.append(f"--source={_text(data, 'source')}")
    for name, value in sorted(_figures(data).items()):
        words.append(f"--figure={name}={value}")
    words += ["--", f"{_text(data, 'component')}={_text(data, 'version')}", *_texts(data, "files")]
    _step(registry, xml_parent, data, words)


def sluicegate_sync(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-sync

    Make environments what their pins say. `environments` (a list) is wanted; `wait` (true) waits for a lock, and
    `delivery-repo` may be given. A refusal turns the build yellow.
    """
    _only(data, "environments", "wait", "delivery-repo")
    wait = data.get("wait", True)
    if not isinstance(wait, bool):
        raise InvalidAttributeError("wait", wait, (True, False), pos=_pos(data, "wait"))
    _step(registry, xml_parent, data, ["sync", *(["--wait"] if wait else []), "--", *_texts(data, "environments")])


def sluicegate_promote(registry: Any, xml_parent: Element, data: Values) -> None:
    """yaml: sluicegate-promote

    Move versions into the next environment's pins. `versions` (a list of COMPONENT or COMPONENT=VERSION) and `to` are
    wanted; `downgrade` (a list), `why` and `delivery-repo` may be given. A refusal turns the build yellow.
    """
    _only(data, "versions", "to", "downgrade", "why", "delivery-repo")
    words = ["promote", f"--to={_text(data, 'to')}"]
    words += [f"--downgrade={component}" for component in (_texts(data, "downgrade") if "downgrade" in data else ())]
    if "why" in data:
        words.append(f"--why={_text(data, 'why')}")
    words += ["--", *_texts(data, "versions")]
    _step(registry, xml_parent, data, words)


def _step(registry: Any, xml_parent: Element, data: Values, words: Sequence[str]) -> None:
    """One shell step; Jenkins shows our refusals yellow. What variables hold comes after `--` or `=`: no options."""
    lines = [f"export SLUICEGATE_REPO={_quoted(_text(data, 'delivery-repo'))}"] if "delivery-repo" in data else []
    lines.append(" ".join(["sluicegate", *map(_quoted, words)]))
    shell(registry, xml_parent, {"command": "\n".join(lines), "unstable-return": REFUSED})


def _quoted(word: str) -> str:
    """A word of the shell in which $NAME and ${NAME} still count, and nothing else does."""
    if PLAIN.fullmatch(word):
        return word
    escaped = re.sub(r'([\\"`])', r"\\\1", word)
    return '"' + re.sub(r"\$(?!\{?[A-Za-z_])", r"\\$", escaped) + '"'


def _figures(data: Values) -> Mapping[str, object]:
    figures = data.get("figures") or {}
    if not isinstance(figures, Mapping):
        raise InvalidAttributeError("figures", figures, pos=_pos(data, "figures"))
    return figures


def _only(data: Values, *known: str) -> None:
    if not isinstance(data, Mapping):
        raise JenkinsJobsException(f"Expected a mapping with {', '.join(known)}, but found: {data!r}")
    for key in data:
        if key not in known:
            raise InvalidAttributeError(key, data[key], known, pos=_pos(data, key))


def _pos(data: Values, key: str) -> Any:
    """Where a value stands in the YAML; None where it comes from elsewhere."""
    return getattr(data, "value_pos", {}).get(key)


def _text(data: Values, key: str) -> str:
    if key not in data:
        raise MissingAttributeError(key)
    return _word(data, key, data[key])


def _texts(data: Values, key: str) -> list[str]:
    if key not in data:
        raise MissingAttributeError(key)
    value = data[key]
    items = value if isinstance(value, list) else [value]
    if not items:
        raise InvalidAttributeError(key, value, pos=_pos(data, key))
    return [_word(data, key, item) for item in items]


def _word(data: Values, key: str, value: object) -> str:
    """A value as one word of the command line, which may neither be empty nor look like an option."""
    if isinstance(value, (list, dict)) or value is None or str(value) == "" or str(value).startswith("-"):
        raise InvalidAttributeError(key, value, pos=_pos(data, key))
    return str(value)
