"""Parity: what two environments' hosts have differently, from the way of deploying to the operating system."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.delivery.answers.asking import Asked, ask, installed
from sluicegate.delivery.book.state import State
from sluicegate.errors import SluicegateError
from sluicegate.model.config import Environment, Share
from sluicegate.model.outcomes import of_hosts
from sluicegate.ports import Host

FACTS = r"""
if [ -r /etc/os-release ]; then printf 'system\t%s\n' "$(. /etc/os-release; echo "$PRETTY_NAME")"; fi
printf 'kernel\t%s\narchitecture\t%s\n' "$(uname -r)" "$(uname -m)"
python=$(python3 --version 2>&1) && printf 'python\t%s\n' "${python#Python }"
java=$(java -version 2>&1) && printf 'java\t%s\n' "$(printf %s "$java" | head -n 1)"
if command -v dpkg-query >/dev/null; then
    dpkg-query --show --showformat '${db:Status-Status}\tpackage ${Package}\t${Version}\n' | sed -n 's/^installed\t//p'
elif command -v rpm >/dev/null; then
    rpm -qa --queryformat 'package %{NAME}\t%{VERSION}-%{RELEASE}\n' | sort
fi
"""
"""Asked in one go, by what every POSIX shell has; a line is a fact and its value."""

Values = Mapping[str, tuple[str, ...]]
"""Value -> the hosts that have it; '' is the value of hosts that lack the thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the two environments have differently."""

    what: str
    first: Values
    second: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The differences: method, versions, system, packages; and the hosts that could not be asked."""

    first: str
    second: str
    differences: tuple[Difference, ...]
    silent: tuple[str, ...]


def parity(state: State, first: str, second: str) -> Parity:
    """Ask every host of both now. Raises RemoteUnavailable when none of one of them answered."""
    sides = [state.config.environment(name) for name in (first, second)]
    surveys = [_asked(state, side) for side in sides]
    for side, answers in zip(sides, surveys, strict=True):
        answers.refuse_silence(side.name)
    method = _differing([_method(side) for side in sides])
    facts = _differing([_by_value(answers) for answers in surveys])
    return Parity(
        first=first, second=second, differences=(*method, *sorted(facts, key=_order)),
        silent=tuple(line for answers in surveys for line in answers.silent_lines),
    )  # fmt: skip


def _asked(state: State, environment: Environment) -> Asked[dict[str, str]]:
    """Fact -> value of each host: its components, and what the script says."""
    survey = ask(state, environment, _facts)
    if environment.deploy is None:
        return survey
    standing = installed(state, environment, [*survey.answers])
    silent = {**survey.silent, **of_hosts(survey.answers, standing.failed)}
    answers = {
        host: facts | {f"version {name}": there.version for name, there in standing.done[host].items()}
        for host, facts in survey.answers.items() if host in standing.done
    }  # fmt: skip
    return Asked(group=survey.group, answers=answers, silent=silent)


def _facts(host: Host) -> dict[str, str]:
    """What the script says."""
    done = host.run(["sh", "-c", FACTS], timeout=120.0)
    if done.status != 0 and not done.stdout:
        raise SluicegateError(f"the host '{host.name}' tells nothing of itself: {done.error_text}")
    lines = (line.partition("\t") for line in done.lines)
    return {name: value for name, tab, value in lines if tab}


def _method(environment: Environment) -> dict[str, Values]:
    """How it is deployed, a line a setting."""
    if environment.deploy is None:
        return {}
    settings: dict[str, object] = {"driver": environment.deploy.driver, **environment.deploy.settings.values}
    at_once = _share(environment.at_once) if environment.at_once else "usual"
    settings |= {"at-once": at_once, "max-failed": _share(environment.max_failed)}
    shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    return {f"deploy {name}": {value: ()} for name, value in shown.items()}


def _share(share: Share) -> str:
    return f"{share.number}{'%' if share.percent else ''}"


def _by_value(survey: Asked[dict[str, str]]) -> Mapping[str, Values]:
    """Fact -> its values in one environment; a host that lacks what another one has counts as ''."""
    by_fact: dict[str, dict[str, tuple[str, ...]]] = {}
    for name in dict.fromkeys(name for facts in survey.answers.values() for name in facts):
        for host, facts in survey.answers.items():
            values = by_fact.setdefault(name, {})
            value = facts.get(name, "")
            values[value] = (*values.get(value, ()), host)
    return by_fact


def _differing(sides: Sequence[Mapping[str, Values]]) -> Iterable[Difference]:
    left, right = sides
    for what in dict.fromkeys([*left, *right]):
        mine, theirs = left.get(what, {"": ()}), right.get(what, {"": ()})
        if set(mine) != set(theirs):
            yield Difference(what=what, first=mine, second=theirs)


def _order(difference: Difference) -> tuple[int, str]:
    """Versions, then the system, then packages."""
    return {"version": 0, "package": 2}.get(difference.what.split(" ")[0], 1), difference.what
