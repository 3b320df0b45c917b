"""Which version is meant: a range, `latest`, a SNAPSHOT, a commit, or what was tested or deployed somewhere.

The newest versions of a component stand in a short list in the ledger, so that `latest` does not cost more with each
version: a list of all has to be read whole and put in order, half a second for 100,000. It is written in the same
commit as a version's first record, so that it never lags; it is no evidence: a version counts only where its records
say so. Lines that a union merge doubled or mixed do no harm: the last LENGTH of them are the newest of all whichever
ledger they came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

from sluicegate.delivery.book import versions
from sluicegate.delivery.book.state import State
from sluicegate.errors import UnknownName
from sluicegate.model import snapshots
from sluicegate.model.evidence import Built, Pruned

LENGTH = 50
LINE = re.compile(r'^\{"scheme": "([a-z]+)", "version": "([^"\\\n]+)"\}$', re.MULTILINE)


def newest_path(component: str) -> str:
    return f"newest/{component}.jsonl"


def read(content: bytes | None, scheme: str) -> list[str] | None:
    """The newest versions, oldest first; None where there is no list, or one in the order of another scheme."""
    lines = [line for line in (content or b"").decode("utf-8", "replace").split("\n") if line.strip()]
    pairs = LINE.findall("\n".join(lines))
    if len(pairs) != len(lines):  # somebody else has written it
        try:
            pairs = [(value["scheme"], str(value["version"])) for value in map(json.loads, lines)]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
    if any(known_scheme != scheme for known_scheme, _ in pairs):
        return None
    return versions.sort(scheme, {version for _, version in pairs})[-LENGTH:] if pairs else None


def extended(content: bytes | None, scheme: str, added: Iterable[str], everything: Callable[[], list[str]]) -> bytes:
    """The list with these versions too, made from `everything` where there is none."""
    known = read(content, scheme)
    listed = versions.sort(scheme, {*(everything() if known is None else known), *added})[-LENGTH:]
    return b"".join(json.dumps({"scheme": scheme, "version": version}).encode() + b"\n" for version in listed)


def resolve(state: State, component: str, spec: str = "latest") -> str:
    """The newest version within `spec`: a range, a SNAPSHOT, `commit:HASH`, `tested:ENV` or `deployed:ENV`.

    Raises UnknownName when there is none.
    """
    scheme = state.config.component(component).versions
    kind, colon, value = spec.partition(":")
    if colon and kind in versions.BY_EVIDENCE:
        return _by_evidence(state, component, kind, value)
    if early := _last_there(state, component, versions.matching(scheme, listed(state, component), spec)):
        return early
    known = state.versions(component)
    matching = versions.matching(scheme, known, spec)
    if not matching:
        state.refuse_pruned(component, spec)
        raise state.unknown_version(component, spec, known)
    return matching[-1]


def newest(state: State, component: str) -> str:
    """The newest published version, prereleases too; '' when there is none."""
    return _last_there(state, component, listed(state, component)) or (state.versions(component) or [""])[-1]


def newest_within(state: State, component: str, spec: str, suits: Callable[[str], bool]) -> str:
    """The newest published version within a range that suits; '' when there is none."""
    scheme = state.config.component(component).versions
    for known in (listed, State.versions):
        for version in reversed(versions.matching(scheme, known(state, component), spec)):
            if _is_there(state, component, version) and suits(version):
                return version
    return ""


def publication(state: State, component: str, version: str) -> str:
    """The version itself; for a SNAPSHOT its newest publication, which stays what it is."""
    return resolve(state, component, version) if version.endswith(snapshots.ENDING) else version


def listed(state: State, component: str) -> list[str]:
    """The short list of the newest versions, oldest first; empty where there is none."""
    if component not in state.lists:
        scheme = state.config.component(component).versions
        state.lists[component] = read(state.ledger_file(newest_path(component)), scheme) or []
    return state.lists[component]


def last_listed(state: State) -> list[tuple[str, str]]:
    """The last of each component's short list: what is most likely asked for."""
    components = list(state.config.components)
    state.read_ledger(newest_path(name) for name in components)
    return [(name, known[-1]) for name in components if (known := listed(state, name))]


def _last_there(state: State, component: str, known: list[str]) -> str:
    return next((version for version in reversed(known) if _is_there(state, component, version)), "")


def _is_there(state: State, component: str, version: str) -> bool:
    """Whether the records say that the version was published and not pruned since."""
    story = state.standing(component, version)
    return story.has(Built) and not story.has(Pruned)


def _by_evidence(state: State, component: str, kind: str, value: str) -> str:
    """The newest version whose story says what `kind` asks for."""
    if kind != "commit":
        state.config.environment(value)
    for version in reversed(state.versions(component)):
        if versions.tells(state.story(component, version), kind, value):
            return version
    raise UnknownName(f"{component} has no version '{kind}:{value}'", hint=f"sluicegate history {component}")
