"""Plan a deploy: what it would change on the hosts of the group that plays an environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sluicegate.delivery.answers.asking import installed, refused
from sluicegate.delivery.book.state import State
from sluicegate.errors import GateRefused, PartlyDone, SluicegateError, UsageError
from sluicegate.model import rollouts
from sluicegate.model.config import ALL_HOSTS, TEN_HOSTS, Environment
from sluicegate.model.evidence import Failed, HostOut
from sluicegate.model.manifest import Release, Source
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome, of_hosts
from sluicegate.model.serving import Serving
from sluicegate.model.values import Installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of one host; `after` is '' when the component goes away."""

    host: str
    component: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.after:
            return f"{self.host}: remove {self.component} {self.before}"
        if self.before == self.after:
            return f"{self.host}: {self.component} {self.after} is to answer"
        return f"{self.host}: {self.component} {self.before or '-'} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """The steps of one host, which are made together and in this order."""

    host: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a deploy would do to a group of hosts to reach `target`: component -> version.

    A batch is begun when the one before it has ended well; its hosts are worked on side by side. `down`: the hosts that
    could not be asked, and why; `refusals`: what keeps hosts from being given this, a sentence each. `max_failed` hosts
    may be down or fail, over all batches. `out`: the hosts that are left alone, and why. `schema`: the steps of schema
    changes that come before. `endings`: what became of each host that was to be changed, once applied.
    """

    environment: str
    group: str
    target: Mapping[str, str]
    batches: tuple[tuple[Transaction, ...], ...] = ()
    at_once: int = 1
    max_failed: int = 0
    down: Mapping[str, Outcome] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    out: Mapping[str, str] = field(default_factory=dict)
    schema: tuple[str, ...] = ()
    endings: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for batch in self.batches for transaction in batch for step in transaction.steps)

    def refuse_unsafe(self) -> None:
        """Raise all at once what keeps hosts from answering, or from taking this."""
        problems = [outcome.problem for outcome in self.down.values() if outcome.problem]
        if len(problems) > self.max_failed:
            lines = [problem.message for problem in problems]
            raise problems[0].saying("\n".join(lines)) if len(lines) > 1 else problems[0]
        if self.refusals:
            raise SluicegateError("\n".join(self.refusals), hint="nothing was changed; mend that, then deploy again")

    @property
    def behind(self) -> dict[str, Outcome]:
        """The hosts that do not have what they should, and why."""
        return {host: outcome for host, outcome in self.endings.items() if outcome != DONE}

    def tell_behind(self) -> None:
        """Raise PartlyDone that names every host which does not have what it should."""
        if self.behind:
            lines = [f"{len(self.behind)} of {len(self.endings)} hosts of {self.environment} are behind"]
            lines += [f"  {host}: {outcome.ending}: {outcome.why}" for host, outcome in self.behind.items()]
            raise PartlyDone("\n".join(lines), hint="mend that, then run the same again: it changes only these")

    def wanted(self, transaction: Transaction, releases: Mapping[str, Release]) -> dict[str, Release | None]:
        """What a host shall have: first what goes away, then the releases, in the plan's own order."""
        going: dict[str, Release | None] = {step.component: None for step in transaction.steps if not step.after}
        return going | {name: releases[name] for name in self.target if name in releases}


def make_plan(
    state: State, environment: Environment, target: Mapping[str, str], *, only: str = "", back: bool = False
) -> Plan:
    """Compare the hosts of the group that plays the environment now with the target; those that are out are not asked.

    `only` is a single host, out or not, all of whose components are to be brought there and to answer. Where the hosts
    are a pool their batches are those of a rollout, on a way `back` without canary hosts.
    """
    group = state.group(environment)
    if not group or environment.deploy is None:
        raise UsageError(f"{environment.name} has no 'hosts' and 'deploy', so nothing can be deployed there")
    out = {} if only else _out(state, environment, group)
    hosts = (only,) if only else tuple(host for host in state.config.groups[group] if host not in out)
    if not hosts:
        raise GateRefused(f"every host of {group} is out", hint=f"sluicegate host in {next(iter(out))}")

    # Ask the hosts, and the pool whom users reach.
    answers = installed(state, environment, hosts)
    down = of_hosts(hosts, answers.failed)
    serving = state.pool(environment).survey() if environment.pool else {}
    # What each host that answered lacks; one that users do not reach gets everything anew.
    in_order = {name: target[name] for name in state.config.in_order(set(target))}
    transactions = [
        Transaction(host=name, steps=steps)
        for name in hosts
        if name in answers.done
        and (
            steps := tuple(
                _steps(state, name, answers.done[name], target, all=bool(only) or _kept_away(serving.get(name)))
            )
        )
    ]
    # In which order, and how many at a time.
    if environment.pool:
        having = len(hosts) - len(transactions) - len(down)
        batches = rolled(state, environment, transactions, serving, having=having, back=back)
    else:
        batches = batched(transactions, _unwell(state, environment, group))
    plan = Plan(
        environment=environment.name, group=group, target=in_order, batches=batches, down=down, out=out,
        at_once=_at_once(state, environment, len(hosts)),
        max_failed=0 if only else environment.max_failed.of(len(hosts)),
    )  # fmt: skip
    return replace(plan, refusals=_refusals(state, plan, environment))


def _at_once(state: State, environment: Environment, hosts: int) -> int:
    """As many as sluicegate.yaml says; else ten, and all of those that are only waited for."""
    reporter = state.drivers.reporter(state.config, environment)
    usual = ALL_HOSTS if reporter is not None and reporter.waits else TEN_HOSTS
    return max((environment.at_once or usual).of(hosts), 1)


def _refusals(state: State, plan: Plan, environment: Environment) -> tuple[str, ...]:
    """Asked of every host that would be changed, before the first one is."""
    carries = state.drivers.deployer(state.config, environment).carries
    releases = {
        name: Release(component=name, version=version, manifest=state.manifest(name, version))
        if carries else by_itself(state, name, version)
        for name, version in plan.target.items()
    }  # fmt: skip
    transactions = [transaction for batch in plan.batches for transaction in batch]
    answers = refused(
        state, environment, {transaction.host: plan.wanted(transaction, releases) for transaction in transactions}
    )
    if answers.first_failure is not None:
        raise answers.first_failure
    return tuple(refusal for transaction in transactions for refusal in answers.done[transaction.host])


def by_itself(state: State, name: str, version: str) -> Release:
    """A release that hosts get past us, and where."""
    component, built = state.component(name), state.built(name, version)
    repository = state.drivers.repository(state.config, component.repository)
    sources = [
        Source(url=repository.address(component, version, artifact.name), artifact=artifact)
        for artifact in built.artifacts
    ]
    return Release(component=name, version=version, manifest=built.manifest, sources=tuple(sources))


def _out(state: State, environment: Environment, group: str) -> dict[str, str]:
    """The hosts of the group that are to be left alone: by whom, since when and why."""
    records = state.hosts_out(environment)
    return {host: told_out(records[host]) for host in state.config.groups[group] if host in records}


def told_out(record: HostOut) -> str:
    """By whom, since when and why a host is out."""
    return f"out since {record.at:%Y-%m-%d %H:%M} UTC by {record.by.user}: {record.why}"


def _unwell(state: State, environment: Environment, group: str) -> frozenset[str]:
    """The hosts that the last deploy to the group could not bring to its end."""
    standing = state.group_state(environment, group)
    behind = standing.behind if standing else {}
    if last := state.unsure(environment, group):
        later = [record for player in state.pair(environment) for record in state.annals.since(player.name, last)]
        ends = [end for end in later if isinstance(end, Failed) and end.of == last.id]
        behind = {host: ending for end in ends for host, ending in end.behind.items()}
    return frozenset(host for host, ending in behind.items() if ending != NOT_STARTED.ending)


def batched(
    transactions: Sequence[Transaction], unwell: frozenset[str] = frozenset()
) -> tuple[tuple[Transaction, ...], ...]:
    """The first host alone, a well one where there is one: what breaks it breaks no other one. Then all others.

    Of these the unwell ones come first: else the last healthy one might be taken down before they are mended.
    """
    gatekeeper = next(
        (transaction for transaction in transactions if transaction.host not in unwell),
        transactions[0] if transactions else None,
    )
    rest = sorted(
        (transaction for transaction in transactions if transaction is not gatekeeper),
        key=lambda transaction: transaction.host not in unwell,
    )
    return tuple(filter(None, ((gatekeeper,) if gatekeeper else (), tuple(rest))))


def rolled(
    state: State, environment: Environment, transactions: Sequence[Transaction], serving: Mapping[str, Serving], *,
    having: int, back: bool,
) -> tuple[tuple[Transaction, ...], ...]:  # fmt: skip
    """The batches of a rollout; `having` hosts of its group have the target, and serve."""
    rolling, members = environment.rolling, len(state.config.groups[state.group(environment)])
    by_host = {transaction.host: transaction for transaction in transactions}
    hosts = rollouts.in_order(by_host, serving, rolling.capacity.at_least(members))
    batches = rollouts.batches(hosts, rolling, members=members, having=having, back=back)
    return tuple(tuple(by_host[host] for host in batch) for batch in batches)


def _kept_away(serving: Serving | None) -> bool:
    """Whether users are not led to a host: whatever it has is installed again, and answers, before it serves."""
    return serving is not None and serving.standing in ("drain", "out")


def _steps(
    state: State, host: str, has: Mapping[str, Installed], target: Mapping[str, str], *, all: bool
) -> Iterable[Step]:
    """What goes away, dependents first; then what comes or changes, or `all`, each after what it needs."""
    for name in reversed(state.config.in_order(set(has) - set(target))):
        yield Step(host=host, component=name, before=has[name].version, after="")
    for name in state.config.in_order(set(target)):
        here = has.get(name)
        if all or here is None or not here.is_version(target[name], state.manifest(name, target[name])):
            yield Step(host=host, component=name, before=here.version if here else "", after=target[name])
