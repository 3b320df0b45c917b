"""What is where: component x environment."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import field
from datetime import datetime

from sluicegate.delivery.book import intents, resolving
from sluicegate.delivery.book.heard import Word, differing
from sluicegate.delivery.book.state import State
from sluicegate.delivery.moves import schema
from sluicegate.delivery.moves.promote import standing_pins
from sluicegate.model.config import Environment
from sluicegate.model.evidence import BalancerOut, Failed, HostOut, InEnvironment, Vetoing
from sluicegate.model.frozen import frozen
from sluicegate.model.story import vetoes
from sluicegate.model.values import Actor, Installed, Json, Pin, read_time, stamp


@frozen
class Cell:
    """One component in one environment: desired and effective version ('' for none), and what is special."""

    pin: str
    effective: str
    marks: tuple[str, ...]

    def json(self) -> Json:
        return {"pin": self.pin, "effective": self.effective, "marks": list(self.marks)}


@frozen
class Column:
    """One environment: the group that plays it, the set that it has, and what is going on there.

    `unsure` says why nobody knows what its hosts have: the last deploy failed. `out`: its hosts that are to be left
    alone, `balancers_out`: the servers of its balancer that are. `behind`: hosts that the last deploy did not reach,
    and how it ended there. `reported`: hosts that say of themselves, in reports that nobody asked for, that they
    are not as assigned.
    `pooled`: `rollout ENV --status` tells more of it.
    `schema_due`: component -> the version whose `contract` waits until no host is below it.
    """

    name: str
    group: str
    set_name: str
    locked: str
    unsure: str
    out: tuple[HostOut, ...] = ()
    balancers_out: tuple[BalancerOut, ...] = ()
    behind: Mapping[str, str] = field(default_factory=dict)
    reported: Mapping[str, Word] = field(default_factory=dict)
    schema_due: Mapping[str, str] = field(default_factory=dict)
    pooled: bool = False

    def json(self) -> Json:
        return {
            "name": self.name, "group": self.group, "set": self.set_name, "locked": self.locked, "unsure": self.unsure,
            "out": [{"host": host.host, **_left_alone(host)} for host in self.out],
            "balancers_out": [{"balancer": balancer.name, **_left_alone(balancer)} for balancer in self.balancers_out],
            "behind": dict(self.behind), "reported": [word.json(host) for host, word in self.reported.items()],
            "schema_due": dict(self.schema_due), "pooled": self.pooled,
        }  # fmt: skip


def _left_alone(record: HostOut | BalancerOut) -> dict[str, Json]:
    return {"why": record.why, "by": record.by.user, "since": stamp(record.at)}


@frozen
class Status:
    """The matrix; `cells` by component and environment. `vetoed` has the components whose newest version is vetoed."""

    columns: tuple[Column, ...]
    newest: dict[str, str]
    vetoed: frozenset[str]
    cells: dict[str, dict[str, Cell]]

    def json(self) -> Json:
        """The shape of `status --json`."""
        return {
            "environments": [column.json() for column in self.columns],
            "components": [
                {**self._head(name), "environments": {environment: cell.json() for environment, cell in row.items()}}
                for name, row in self.cells.items()
            ],
        }

    def text(self) -> str:
        """What `status --json` prints. Each cell is laid out once: there are thousands, and most are like others."""
        cells = {cell: _laid(cell.json(), 4) for cell in {cell for row in self.cells.values() for cell in row.values()}}
        rows = []
        for name, row in self.cells.items():
            head = [(key, _quoted(fact)) for key, fact in self._head(name).items()]
            here = _object([(environment, cells[cell]) for environment, cell in row.items()], 3)
            rows.append("\n    " + _object([*head, ("environments", here)], 2))
        columns = _laid([column.json() for column in self.columns], 1)
        components = f"[{','.join(rows)}\n  ]" if rows else "[]"
        return _object([("environments", columns), ("components", components)], 0)

    def _head(self, component: str) -> dict[str, str | bool]:
        return {"name": component, "newest": self.newest[component], "newest_vetoed": component in self.vetoed}


@functools.lru_cache(maxsize=10_000)
def _quoted(fact: str | bool) -> str:
    """A text or a flag as JSON."""
    return json.dumps(fact, ensure_ascii=False)


def _laid(value: Json, depth: int) -> str:
    """A value as JSON, as it stands that deep in a document that is indented."""
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n" + "  " * depth)


def _object(facts: Iterable[tuple[str, str]], depth: int) -> str:
    """An object as JSON, its values being laid out already."""
    margin = "\n" + "  " * depth
    inside = ",".join([f"{margin}  {_quoted(name)}: {value}" for name, value in facts])
    return f"{{{inside}{margin}}}" if inside else "{}"


def from_json(value: Json) -> Status:
    """What `Status.json` gave, read again; of who left something alone and when, no more than that says."""
    rows = value["components"]
    return Status(
        columns=tuple(_column_from(column) for column in value["environments"]),
        newest={row["name"]: row["newest"] for row in rows},
        vetoed=frozenset(row["name"] for row in rows if row["newest_vetoed"]),
        cells={
            row["name"]: {
                name: Cell(pin=cell["pin"], effective=cell["effective"], marks=tuple(cell["marks"]))
                for name, cell in row["environments"].items()
            }
            for row in rows
        },
    )


def _column_from(value: Json) -> Column:
    def since(row: Json) -> dict[str, Json]:
        return {"why": row["why"], "by": Actor(user=row["by"], source=""), "at": read_time(row["since"])}

    return Column(
        name=value["name"], group=value["group"], set_name=value["set"], locked=value["locked"],
        unsure=value["unsure"], out=tuple(HostOut(host=row["host"], **since(row)) for row in value["out"]),
        balancers_out=tuple(BalancerOut(name=row["balancer"], **since(row)) for row in value["balancers_out"]),
        behind=value["behind"], schema_due=value["schema_due"], pooled=value["pooled"],
        reported={row["host"]: Word(problem=row["why"], run=row["run"]) for row in value["reported"]},
    )  # fmt: skip


def status(state: State) -> Status:
    """Read the whole matrix at the tips."""
    environments = tuple(state.config.environments.values())
    places = [_Place.at(state, environment) for environment in environments]
    running = ((name, version.version) for place in places for name, version in place.installed.items())
    state.read_stories([*running, *resolving.last_listed(state)])
    newest = {name: resolving.newest(state, name) for name in state.config.components}
    here = {(name, installed.version) for place in places for name, installed in place.installed.items()}
    doubts = {
        component_version: _Doubt.of(state, *component_version)
        for component_version in here
        if state.standing(*component_version).has(Vetoing) or state.uncounted(*component_version)
    }
    return Status(
        columns=tuple(_column(state, environment) for environment in environments),
        newest=newest,
        vetoed=frozenset(name for name, version in newest.items() if version and state.vetoed_somewhere(name, version)),
        cells={
            name: {place.environment.name: place.cell(state.now, name, doubts) for place in places}
            for name in state.config.components
        },
    )


def _column(state: State, environment: Environment) -> Column:
    standing = state.effective(environment) if environment.groups else None
    own = [i for i in state.open_intents(environment) if i.environment == environment.name]
    return Column(
        name=environment.name,
        group=state.group(environment),
        set_name=standing.set_name if standing else "",
        locked=intents.described(own[0]) if own else "",
        unsure=_unsure(state, environment) if not own else "",
        out=hosts_out(state, environment),
        balancers_out=tuple(record for _, record in sorted(state.balancers_out(environment).items())),
        behind=standing.behind if standing else {},
        reported=differing(state, environment, state.group(environment)),
        schema_due=schema.waiting(state, environment),
        pooled=environment.pool is not None,
    )


def hosts_out(state: State, environment: Environment) -> tuple[HostOut, ...]:
    """The hosts of the group that plays the environment now which are to be left alone, by name."""
    group = state.group(environment)
    records = state.hosts_out(environment) if group else {}
    return tuple(record for _, record in sorted(records.items()) if record.group == group)


def _unsure(state: State, environment: Environment) -> str:
    """How the last deploy to the environment's group failed, '' when it did not."""
    group = state.group(environment)
    intent = state.unsure(environment, group) if group else None
    if intent is None:
        return ""
    later = (
        record for environment_ in state.pair(environment) for record in state.annals.since(environment_.name, intent)
    )
    ends = (end.why for end in later if isinstance(end, Failed) and end.of == intent.id)
    why = " ".join(" ".join(ends).split()) or "nobody ended it"
    return f"the last deploy to {group} failed: {why}"


@frozen
class _Place:
    """What all cells of a column share."""

    environment: Environment
    pins: Mapping[str, Pin]
    installed: Mapping[str, Installed]
    scopes: tuple[str, ...]

    @classmethod
    def at(cls, state: State, environment: Environment) -> _Place:
        standing = state.effective(environment) if environment.groups else None
        pins = standing_pins(state, environment)
        return cls(
            environment=environment,
            pins=pins,
            installed=standing.installed if standing else {},
            scopes=state.config.veto_scopes(environment.name),
        )

    def cell(self, now: datetime, component: str, doubts: Mapping[tuple[str, str], _Doubt]) -> Cell:
        """`doubts`: of components and versions of which somebody said that they must not go further."""
        pin, here = self.pins.get(component), self.installed.get(component)
        desired, effective = pin.version if pin else "", here.version if here else ""
        marks: tuple[str, ...] = ("held",) if pin and pin.held(now) else ()
        if (component, effective) in doubts:
            marks += doubts[component, effective].marks(self.scopes)
        if desired != effective:
            marks += ("not deployed",)
        return _cell(desired, effective, marks)


@functools.lru_cache(maxsize=10_000)
def _cell(pin: str, effective: str, marks: tuple[str, ...]) -> Cell:
    """One of few: most components have the same in all environments."""
    return Cell(pin=pin, effective=effective, marks=marks)


@frozen
class _Doubt:
    """For which environments, '' for all, a version is vetoed, and for which somebody said what does not count."""

    vetoed: Set[str]
    uncounted: Set[str]

    @classmethod
    def of(cls, state: State, component: str, version: str) -> _Doubt:
        records = (doubt.record for doubt in state.uncounted(component, version))
        return cls(
            vetoed=vetoes(state.standing(component, version)).keys(),
            uncounted={record.env for record in records if isinstance(record, InEnvironment)},
        )

    def marks(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """What a cell says of it, in an environment for which these scopes count."""
        vetoed, uncounted = not self.vetoed.isdisjoint(scopes), not self.uncounted.isdisjoint(scopes)
        return (("vetoed",) if vetoed else ()) + (("not counted",) if uncounted else ())
