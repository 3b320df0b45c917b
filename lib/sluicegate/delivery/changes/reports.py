"""Reports of runs that nobody kicked: who has what was assigned, who has not, and the end of a deploy that waited.

Longer than a module should be: what a report says, and the deploy that it ends, are one story.
A report is a claim. It counts for a host of the configuration, about something that a deploy assigned to it; it never
moves a version, and ends a deploy only once the hosts were looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sluicegate.delivery.book.heard import Word, last_words, ran_at
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.after import left_to_start
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.changes.planning import Plan, Step, Transaction
from sluicegate.delivery.changes.recording import note_deployed
from sluicegate.delivery.changes.sync import start_all
from sluicegate.errors import IntegrityError, Malformed, UnknownName, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import HostsDiffer, HostsInstalled, HostsReported, Intent
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, of_hosts, worst
from sluicegate.ports import Reporter
from sluicegate.tools.parallel import each
from sluicegate.tools.reports.puppet import LIMIT, PuppetReport, read_report

ASKED_AT_ONCE = 20
UNKNOWN = "its catalog names an assignment that this ledger does not have"
Outcome = Literal["installed", "differs", "not yet", "before", "kicked", "stranger", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one report. `source` is its file.

    `not yet`: the run used what an earlier deploy assigned; `before`: it began before the deploy, or before a run that
    is known; `kicked`: the deploy itself asked for the run, and reads the report by itself.
    """

    source: str
    outcome: Outcome
    host: str = ""
    environment: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A group of hosts that report, the environment that it plays, and the last deploy to it."""

    environment: Environment
    group: str
    reporter: Reporter
    last: Intent | None


@dataclass(slots=True, kw_only=True)
class _Heard:
    """The new words of one group's hosts."""

    place: _Place
    words: dict[str, Word] = field(default_factory=dict)


def take(
    repo: DeliveryRepo, reports: Iterable[tuple[str, bytes | PuppetReport]], *, say: Say = silent
) -> tuple[Taken, ...]:
    """Record what reports say, and start what an installation starts where the last host has it.

    A report is its name, and the file's content or what was read of it.

    Raises PartlyDone where something that is to be started cannot be; what is recorded stays.
    """
    taking = _Taking(repo.state())
    taken = tuple(taking.take(source, content) for source, content in reports)
    for heard in taking.heard.values():
        _record(repo, heard)
    for name in dict.fromkeys(report.environment for report in taken if report.outcome == "installed"):
        _conclude(repo, name, say)
    return taken


def read(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each report, one at a time: files, and the newest of each host in a folder of reports.

    Raises UnknownName for what is not there, UsageError for what may not be read. No more of a file is read than tells
    that it is too large.
    """
    for path in paths:
        if not path.exists():
            raise UnknownName(f"there is no report and no folder of reports at {path}")
        try:
            for file in _newest(path) if path.is_dir() else (path,):
                with file.open("rb") as stream:
                    yield str(file), stream.read(LIMIT + 1)
        except OSError as problem:
            raise UsageError(
                f"{problem.filename or path} cannot be read: {problem.strerror}",
                hint="the reports are the user puppet's: be in its group, or let 'serve' be sent them",
            ) from problem


def kept(state: State) -> Iterator[tuple[str, PuppetReport]]:
    """The last report of each host by the databases that environments name. Raises UsageError where none does."""
    places = [place for environment in state.config.environments.values() if (place := _place(state, environment))]
    sources = [place.reporter.kept_reports(state.config.groups[place.group]) for place in places]
    databases = [source for source in sources if source is not None]
    if not databases:
        raise UsageError(
            "no environment names a PuppetDB",
            hint="deploy: {driver: puppet, puppetdb: {url: ...}, ...} in sluicegate.yaml",
        )
    for source in databases:
        yield from ((f"puppetdb:{report.host}", report) for report in source)


def _newest(folder: Path) -> list[Path]:
    """The newest report below each folder of a host; names are times to the minute, so the clock of the disk counts."""
    hosts = sorted(path for path in folder.iterdir() if path.is_dir())
    reports = ([path for path in host.iterdir() if path.suffix in (".yaml", ".json")] for host in hosts)
    return [max(several, key=lambda path: path.stat().st_mtime_ns) for several in reports if several]


class _Taking:
    """Reports that are judged one after the other against one snapshot."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.heard: dict[str, _Heard] = {}
        self._places = [
            place for environment in state.config.environments.values() if (place := _place(state, environment))
        ]
        self._words: dict[str, dict[str, Word]] = {}

    def take(self, source: str, content: bytes | PuppetReport) -> Taken:
        try:
            report = content if isinstance(content, PuppetReport) else read_report(content)
        except Malformed as problem:
            return Taken(source=source, outcome="unreadable", why=problem.message)
        for place in self._places:
            for host in self.state.config.groups[place.group]:
                if place.reporter.reported_name(host) == report.host.lower():
                    outcome, why = self._judge(place, host, report)
                    return Taken(source=source, outcome=outcome, host=host, environment=place.environment.name, why=why)
        return Taken(
            source=source, outcome="stranger", host=report.host, why="no host that is deployed to reports by this name"
        )

    def _judge(self, place: _Place, host: str, report: PuppetReport) -> tuple[Outcome, str]:
        last = place.last
        if last is None:
            return "stranger", "nothing was ever deployed there"
        if report.job_id and report.job_id.partition(".")[0] in report.intents:
            return "kicked", ""
        group, at = place.group, ran_at(report.time)
        if group not in self._words:
            self._words[group] = last_words(self.state, place.environment, group, last)
        known = self._words[group].get(host)
        if at < last.at or (known is not None and at <= known.at):
            return "before", f"its run began at {report.time[:19] or 'nobody knows when'}"
        problem = place.reporter.objection(host, report)
        if not problem and (contradiction := self._of_another(place, last, report)):
            if known is None:
                return ("stranger" if contradiction == UNKNOWN else "not yet"), contradiction
            problem = f"{contradiction}; is an old environment served?"
        if known is None or known.problem != problem:
            self.heard.setdefault(group, _Heard(place=place)).words[host] = Word(problem=problem, run=report.time)
        self._words[group][host] = Word(problem=problem, run=report.time)
        return ("differs", problem) if problem else ("installed", "")

    def _of_another(self, place: _Place, last: Intent, report: PuppetReport) -> str:
        """Why a catalog was not made of what the last deploy wants; '' where it was.

        A deploy assigns nothing to hosts that have all of it already: these go on with an earlier assignment.
        """
        if len(report.intents) != 1:
            return "its catalog has nothing of the class sluicegate" if not report.intents else UNKNOWN
        (intent_id,) = report.intents
        if intent_id == last.id:
            return ""
        intent = next(
            (
                record
                for player in self.state.pair(place.environment)
                for record in self.state.annals.newest_first(player.name)
                if isinstance(record, Intent) and record.id == intent_id
            ),
            None,
        )
        if intent is None or intent.group != place.group:
            return UNKNOWN
        try:
            same = self.state.target(place.environment, intent) == self.state.target(place.environment, last)
        except IntegrityError:  # what it built on is gone: nobody can say what it wanted
            same = False
        return "" if same else "its run used what an earlier deploy assigned"


def _place(state: State, environment: Environment) -> _Place | None:
    reporter = state.drivers.reporter(state.config, environment) if environment.deploy and environment.groups else None
    if reporter is None:
        return None
    group = state.group(environment)
    return _Place(environment=environment, group=group, reporter=reporter, last=state.last_deploy(environment, group))


def _record(repo: DeliveryRepo, heard: _Heard) -> None:
    """Write the words down that are new; a deploy that was begun meanwhile leaves them without meaning."""
    name, group = heard.place.environment.name, heard.place.group

    def decide(state: State, draft: Draft) -> None:
        environment = state.config.environment(name)
        last = state.last_deploy(environment, group)
        if last is None or heard.place.last is None or last.id != heard.place.last.id:
            return
        known = last_words(state, environment, group, last)
        new = {host: word for host, word in heard.words.items() if host not in known or known[host].at < word.at}
        for well in (True, False):
            words = {host: word for host, word in new.items() if (word.problem == "") == well}
            runs = {host: word.run for host, word in words.items()}
            problems = {host: word.problem for host, word in words.items()}
            record: HostsReported = HostsInstalled(of=last.id, group=group, runs=runs)
            if not well:
                record = HostsDiffer(of=last.id, group=group, runs=runs, problems=problems)
            if words:
                draft.note_environment(name, record)

    hosts = ", ".join(heard.words)
    repo.change(decide, f"{name}: reports of {hosts if len(hosts) < 60 else f'{len(heard.words)} hosts'}")


def _conclude(repo: DeliveryRepo, name: str, say: Say) -> None:
    """End a deploy that waited for hosts once all have reported, and start what it was to start."""
    state = repo.state()
    environment = state.config.environment(name)
    place = _place(state, environment)
    if place is None or place.last is None or state.open_intents(environment):
        return  # whoever deploys records the end, and starts what comes after it
    standing, unsure = state.group_state(environment, place.group), state.unsure(environment, place.group)
    out = state.hosts_out(environment)
    awaited = [host for host in state.config.groups[place.group] if host not in out]
    words = last_words(state, environment, place.group, place.last)
    missing = [host for host in awaited if host not in words or words[host].problem]
    if missing:
        waiting = bool(unsure or (standing and standing.behind))
        if waiting:
            say(f"{name}: {len(awaited) - len(missing)} of {len(awaited)} hosts have what was assigned")
        return
    if unsure or (standing and standing.behind):
        plan = _reached(state, place, awaited)
        lacking = {host: ending for host, ending in plan.endings.items() if ending != DONE}
        if lacking:
            for host, ending in lacking.items():
                say(f"{name}: {host} has reported, and is not well: {ending.why}")
            return
        _end(repo, plan, place.last)
        say(f"{name}: every host has what was assigned")
    started = left_to_start(repo.state(), name) if any(word.run for word in words.values()) else ()
    if started:  # a deploy that looked at its hosts itself has nobody wait for their reports
        start_all(repo, started, wait=False, say=say)


def _reached(state: State, place: _Place, hosts: Iterable[str]) -> Plan:
    """What the last deploy wanted to bring, with how each host stands to it now, by what it has and answers."""
    assert place.last is not None
    target = state.target(place.environment, place.last)
    state.read_stories(target.items())
    # Let each host prove it, by its report and by the answers of its components.
    wanted: Mapping[str, Release] = {
        name: Release(component=name, version=target[name], manifest=state.manifest(name, target[name]))
        for name in state.config.in_order(set(target))
    }
    names = tuple(hosts)
    answers = each(
        names,
        lambda name: worst(place.reporter.prove(state.drivers.host(state.config, name), wanted).values()),
        ASKED_AT_ONCE,
        max_failed=len(names),
    )
    endings = {**answers.done, **of_hosts(names, answers.failed)}
    # The plan of that deploy once more, as far as its record needs it.
    before = (
        {name: here.version for name, here in standing.installed.items()}
        if (standing := state.group_state(place.environment, place.group))
        else {}
    )
    steps = tuple(
        Step(host="", component=name, before=before.get(name, ""), after=version)
        for name, version in target.items()
        if before.get(name) != version
    )
    return Plan(
        environment=place.environment.name, group=place.group, target=target, endings=endings,
        batches=((Transaction(host="", steps=steps),),),
    )  # fmt: skip


def _end(repo: DeliveryRepo, plan: Plan, last: Intent) -> None:
    def decide(state: State, draft: Draft) -> None:
        environment = state.config.environment(plan.environment)
        now = state.last_deploy(environment, plan.group)
        if now is not None and now.id == last.id and not state.open_intents(environment):
            note_deployed(state, draft, plan, last)

    repo.change(decide, f"{plan.environment}: every host has reported what was assigned")


def problems(taken: Iterable[Taken]) -> tuple[Taken, ...]:
    """What somebody has to look at."""
    return tuple(report for report in taken if report.outcome in ("differs", "stranger", "unreadable"))
