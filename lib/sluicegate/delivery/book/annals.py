"""What happened in the environments: which deploy, swap or intent came last, and the sets that deploys brought.

Longer than a module should be: every answer from an index is compared here with the records behind it.
An index leads to the records; the newest file of the history is read beside it, and a set counts only when it has the
name that its record gives it. What disagrees is put together from all records, and remembered in `disagreeing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sluicegate.delivery.book import chronicle, current
from sluicegate.delivery.book.chronicle import Chronicle
from sluicegate.delivery.book.current import Index, Place
from sluicegate.delivery.book.sets import Step, following, name_of_set, preceding
from sluicegate.errors import IntegrityError
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Deployed, Ending, HostOut, HostRecord, Intent, Record, Swapped
from sluicegate.model.story import Story, newest
from sluicegate.model.values import Installed

Last = TypeVar("Last", bound=Record)


class Annals:
    """The histories of all environments at one tip of the ledger, of the first form or of the second."""

    def __init__(
        self,
        *,
        form: int,
        read: Callable[[str], bytes | None],
        entries: Callable[[str], Mapping[str, str]],
        installed: Callable[[Mapping[str, str]], dict[str, Installed]],
        notice: Callable[[str], None],
    ) -> None:
        self.form = form
        self.disagreeing: dict[str, str] = {}  # environment -> why its index counts no more
        self._notice = notice
        self._read = read
        self._entries = entries
        self._installed = installed
        self._chronicles: dict[str, Chronicle] = {}
        self._indexes: dict[str, Index] = {}

    def chronicle(self, environment: str) -> Chronicle:
        if environment not in self._chronicles:
            names = self._entries(chronicle.folder(environment)) if self.form > 1 else {}
            files = {
                f"{chronicle.folder(environment)}/{name}": content
                for name, content in names.items()
                if chronicle.FILE.fullmatch(name)
            }
            first = ledgerfiles.environment_path(environment)  # of the first form, or of a writer that knew no other
            if content := self._entries("environments").get(first.rpartition("/")[2]):
                files[first] = content
            self._chronicles[environment] = Chronicle(environment, files, self._read)
        return self._chronicles[environment]

    def recent(self, environment: str) -> Story:
        """The last records, which the next one is compared with; all of them where no index is in order."""
        history = self.chronicle(environment)
        self.index(environment)
        return history.recent() if self._by_index(environment) else history.whole()

    def index(self, environment: str) -> Index:
        """What stands now: as the index says, where it was made of just these files; else by all records."""
        if environment not in self._indexes:
            written_index = current.read(self._read(current.current_path(environment)))
            if self.form > 1 and (problem := self._disagreement(environment, written_index)):
                self._put_aside(environment, problem)
            if written_index is None or not self._by_index(environment):
                written_index = replace(self.remade(environment), pins=written_index.pins if written_index else {})
            self._indexes[environment] = written_index
        return self._indexes[environment]

    def _by_index(self, environment: str) -> bool:
        return self.form > 1 and environment not in self.disagreeing

    def _disagreement(self, environment: str, index: Index | None) -> str:
        """Why the index can't be followed, '' where it can."""
        history = self.chronicle(environment)
        if index is None:
            return "it cannot be read"
        if index.history != history.digest:
            return "it was made from other records"
        # Its entries lead to files of this history ...
        places = [*index.open, *index.hosts.values(), *filter(None, (index.swap,))]
        places += [place for group in index.groups.values() for place in (group.intent, group.deployed) if place]
        if any(place.file not in history.files for place in places):
            return "it names a file that is not there"
        # ... and say of the newest file what its records say.
        for path in list(history.files)[:1]:
            last = current.advanced(Index(), path, history.records(path), lambda deployed: {})
            ended = {ending.of for ending in history.records(path).of(Ending)}
            groups = {name: index.groups.get(name, current.NOTHING) for name in last.groups}
            if (
                not set(last.open) <= set(index.open)
                or any(place.record in ended for place in index.open)
                or (last.swap and last.swap != index.swap)
                or any(index.hosts.get(host) != place for host, place in last.hosts.items())
                or any(group.intent and group.intent != groups[name].intent for name, group in last.groups.items())
                or any(
                    group.deployed and group.deployed != groups[name].deployed for name, group in last.groups.items()
                )
            ):
                return f"{path} says otherwise"
        return ""

    def remade(self, environment: str) -> Index:
        """The index by all records, without the versions of sets."""
        history = self.chronicle(environment)
        index = Index(history=history.digest)
        where = {record.id: path for path in history.files for record in history.records(path)}
        for record in history.whole():
            index = current.advanced(index, where[record.id], (record,), lambda deployed: {})
        return index

    def distrust(self, environment: str, why: str) -> None:
        """Put the index aside: what follows is found by all records."""
        self._put_aside(environment, why)
        pins = self._indexes.pop(environment, Index()).pins
        self._indexes[environment] = replace(self.remade(environment), pins=pins)

    def _put_aside(self, environment: str, why: str) -> None:
        self.disagreeing.setdefault(environment, why)
        path = current.current_path(environment)
        self._notice(f"{path} disagrees with the records: {why}; the records count, and the next change mends it")

    def _last(
        self, environments: Sequence[str], where: Callable[[Index], Place | None], kind: type[Last]
    ) -> tuple[str, Last] | None:
        """The newest record that the indexes of the environments lead to, and whose history has it."""
        candidates: list[tuple[str, Last]] = []
        for environment in environments:
            record = self._at(environment, where(self.index(environment)))
            if where(self.index(environment)) and not isinstance(record, kind):
                self.distrust(environment, "it names a record that is not there")
                record = self._at(environment, where(self.index(environment)))
            if isinstance(record, kind):
                candidates.append((environment, record))
        last = newest(record for _, record in candidates)
        return next(((name, record) for name, record in candidates if record is last), None)

    def _at(self, environment: str, place: Place | None) -> Record | None:
        return self.chronicle(environment).record(place.file, place.record) if place else None

    def last_deployed(self, environments: Sequence[str], group: str) -> tuple[str, Deployed] | None:
        """The last deploy to a group that ended well, with the environment that the group played."""
        return self._last(environments, lambda index: index.groups.get(group, current.NOTHING).deployed, Deployed)

    def last_deploy(self, environments: Sequence[str], group: str) -> Intent | None:
        """The last deploy to a group that was begun."""
        place = self._last(environments, lambda index: index.groups.get(group, current.NOTHING).intent, Intent)
        return place[1] if place else None

    def last_swap(self, environments: Sequence[str]) -> Swapped | None:
        """The last swap, with both of its sets whole."""
        place = self._last(environments, lambda index: index.swap, Swapped)
        return self.swapped(environments, place[1]) if place else None

    def swapped(self, environments: Sequence[str], swap: Swapped) -> Swapped:
        """A swap with both of its sets whole. Raises IntegrityError where the records give another than they name."""
        if not swap.base:
            return swap
        for environment in environments:
            index = self.index(environment)
            if index.swap and index.swap.record == swap.id and index.swapped:
                if name_of_set(self._installed(index.swapped)) == swap.set:
                    return _whole(swap, index.swapped)
                self.distrust(environment, "what it says of the last swap is not the set of its record")
        whole_set = self._folded(environments, swap)
        return _whole(swap, {name: here.version for name, here in whole_set.items()})

    def swaps(self, environments: Sequence[str], environment: str) -> Iterator[Swapped]:
        """The swaps of a production with both of their sets whole, newest first; read as far as asked for."""
        known: dict[str, dict[str, str]] = {}
        for record in self.newest_first(environment):
            if isinstance(record, Swapped):
                after = known.pop(record.id, None)
                whole = (
                    self.swapped(environments, record) if after is None or not record.base else _whole(record, after)
                )
                if record.base:
                    known[record.base] = dict(whole.before)
                yield whole

    def sides(self, environments: Sequence[str], intent: Intent) -> tuple[dict[str, str], dict[str, str]]:
        """What production has before an open swap, and what it gets."""
        if not intent.base:
            return dict(intent.before), dict(intent.pins)
        every = (record for name in environments for record in self.newest_first(name) if isinstance(record, Swapped))
        base = next((swap for swap in every if swap.id == intent.base), None)
        if base is None:
            raise _without_base(intent)
        before = dict(self.swapped(environments, base).pins)
        return before, following(before, intent)

    def open_intents(self, environment: str) -> tuple[Intent, ...]:
        """What was begun and not ended, oldest first."""
        places = self.index(environment).open
        records = [self._at(environment, place) for place in places]
        if any(not isinstance(record, Intent) for record in records):
            self.distrust(environment, "it names a record that is not there")
            records = [self._at(environment, place) for place in self.index(environment).open]
        return tuple(sorted((record for record in records if isinstance(record, Intent)), key=lambda record: record.at))

    def hosts_out(self, environments: Sequence[str]) -> dict[str, HostOut]:
        """The hosts that are to be left alone, with the record that says so."""
        names = {host for environment in environments for host in self.index(environment).hosts}
        out = {}
        for host in sorted(names):
            last = self._last(environments, lambda index: index.hosts.get(host), HostRecord)  # noqa: B023
            if last and isinstance(last[1], HostOut):
                out[host] = last[1]
        return out

    def since(self, environment: str, record: Record) -> Iterator[Record]:
        """The records that are not older than this one, newest first."""
        self.index(environment)
        if not self._by_index(environment):
            return (later for later in reversed(self.chronicle(environment).whole()) if later.at >= record.at)
        return self._until(environment, record)

    def _until(self, environment: str, record: Record) -> Iterator[Record]:
        for later in self.chronicle(environment).newest_first():
            if later.at < record.at:
                return
            yield later

    def newest_first(self, environment: str) -> Iterator[Record]:
        """Every record, read as far as it is asked for."""
        self.index(environment)
        history = self.chronicle(environment)
        return history.newest_first() if self._by_index(environment) else reversed(history.whole())

    def installed(self, environments: Sequence[str], deployed: Deployed) -> dict[str, Installed]:
        """The whole set that a deploy brought. Raises IntegrityError where the records give another than they name."""
        if not deployed.base and not deployed.changed:
            return dict(deployed.components)
        for environment in environments:
            of_group = self.index(environment).groups.get(deployed.group, current.NOTHING)
            if of_group.deployed and of_group.deployed.record == deployed.id and of_group.versions:
                whole_set = self._installed(of_group.versions)
                if name_of_set(whole_set) == deployed.set:
                    return whole_set
                self.distrust(environment, f"what it says of {deployed.group} is not the set of its record")
        return self._folded(environments, deployed)

    def versions(self, environments: Sequence[str], deployed: Deployed) -> dict[str, str]:
        return {name: here.version for name, here in self.installed(environments, deployed).items()}

    def _folded(self, environments: Sequence[str], step: Deployed | Swapped) -> dict[str, Installed]:
        """The set by the records alone: from the last that says it whole, change after change."""
        every = {base.id: base for name in environments for base in self.chronicle(name).whole().of(type(step))}
        chain = [step]
        while chain[-1].base and len(chain) <= len(every):
            if chain[-1].base not in every:
                raise _without_base(chain[-1])
            chain.append(every[chain[-1].base])
        first = chain[-1]
        if isinstance(first, Swapped):
            versions = dict(first.pins)
        else:
            versions = following({name: here.version for name, here in first.components.items()}, first)
        for change in reversed(chain[:-1]):
            versions = following(versions, change)
        whole_set = self._installed(versions) if step.changed or step.base else dict(getattr(step, "components", {}))
        if name_of_set(whole_set) != step.set:
            raise IntegrityError(
                f"the records of {_called(step)} do not give the set that {step.id} names",
                hint="sluicegate check --deep",
            )
        return whole_set

    def sets(self, environments: Sequence[str], environment: str) -> Iterator[tuple[Deployed, dict[str, str]]]:
        """Each deploy to `environment` that ended well with its versions, newest first; read as far as asked for."""
        known: dict[str, dict[str, str]] = {}
        for record in self.newest_first(environment):
            if not isinstance(record, Deployed):
                continue
            versions = known.pop(record.id, None)
            if versions is None:
                versions = self.versions(environments, record)
            if record.base:
                known[record.base] = preceding(versions, record)
            yield record, versions

    def target(self, environments: Sequence[str], intent: Intent) -> dict[str, str]:
        """The versions that an open deploy wants to bring."""
        if not intent.base:
            return {**intent.target, **intent.changed}
        return following(self.origin(environments, intent), intent)

    def origin(self, environments: Sequence[str], intent: Intent) -> dict[str, str]:
        """The versions that a deploy comes from."""
        if not intent.base:
            return dict(intent.before)
        last = self.last_deployed(environments, intent.group)
        if last is not None and last[1].id == intent.base:
            return self.versions(environments, last[1])
        every = [
            deployed for name in environments for deployed in self.chronicle(name).whole().of(Deployed, id=intent.base)
        ]
        if not every:
            raise _without_base(intent)
        return self.versions(environments, every[0])


def _whole(swap: Swapped, after: Mapping[str, str]) -> Swapped:
    """A swap that says only what changes, as one that says both sets whole."""
    return replace(swap, before=preceding(after, swap), pins=dict(after))


def _called(step: Step) -> str:
    """Which story a record belongs to."""
    if isinstance(step, Swapped) or (isinstance(step, Intent) and step.verb == "swap"):
        return "swaps"
    return f"deploys to {step.group}"


def _without_base(step: Step) -> IntegrityError:
    return IntegrityError(
        f"the record {step.base} is gone, which {step.id} of the {_called(step)} builds on",
        hint="sluicegate check --deep",
    )
