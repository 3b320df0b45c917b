"""What the delivery repo says at one moment: configuration, pins, roles of the groups, ledger. Read lazily, once.

Longer than a module should be: it is the one place that reads the delivery repo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property

from sluicegate.delivery.book import versions
from sluicegate.delivery.book.annals import Annals
from sluicegate.delivery.book.membership import Membership
from sluicegate.delivery.book.pins import pins_path, read_pins
from sluicegate.delivery.book.signed import Signatures, with_hold
from sluicegate.errors import ConfigError, IntegrityError, UnknownName, UsageError
from sluicegate.model import ledgerfiles
from sluicegate.model.config import Component, Config, Environment
from sluicegate.model.evidence import (
    DECIDING,
    KINDS,
    BalancerOut,
    BalancerRecord,
    Built,
    Deployed,
    Held,
    HostOut,
    Intent,
    Pruned,
    Record,
    Swapped,
    Unveto,
    Veto,
)
from sluicegate.model.frozen import frozen
from sluicegate.model.printable import printable
from sluicegate.model.story import Story, Uncounted, vetoed
from sluicegate.model.values import Installed, Pin
from sluicegate.ports import Balancer, Drivers, Pool
from sluicegate.tools import yamltext
from sluicegate.tools.git import Store

STANDING = (Built, Pruned, Veto, Unveto)
"""What says whether a version is there and whether it may go further."""
SIGNED = (Built, Pruned, *(kind for kind in KINDS.values() if issubclass(kind, DECIDING)))
"""The same where what people decide has to be signed."""
Divided = tuple[Story, tuple[Uncounted, ...]]
"""Records that count, and those that do not."""
MAIN = "main"
LEDGER = "ledger"
CONFIG_FILE = "sluicegate.yaml"
SERVERS_FILE = "servers.yaml"
FORM_FILE = "form"
FORM = 2
"""The form of the ledger that this version writes; a ledger of a lower one is read and written as it is."""


@frozen
class OpenIntent:
    """A change to the outside that was begun and not yet ended; it locks the environment."""

    environment: str
    record: Intent


@frozen
class GroupState:
    """What a group of hosts has by `record`, the last *deployed* evidence, of the history of `environment`."""

    group: str
    environment: str
    installed: Mapping[str, Installed]
    record: Deployed

    @property
    def set_name(self) -> str:
        return self.record.set

    @property
    def behind(self) -> Mapping[str, str]:
        """The hosts without it."""
        return self.record.behind

    @property
    def versions(self) -> dict[str, str]:
        return {name: here.version for name, here in self.installed.items()}


def first_roles(production: Environment) -> dict[str, str]:
    """At the start production plays the first group of its pair, and the environment that it swaps with the second."""
    first, second = production.groups
    return {production.name: first, production.swaps_with: second}


class State:
    """A snapshot at the tips of `main` and `ledger`."""

    def __init__(
        self, store: Store, drivers: Drivers, now: datetime, notices: dict[str, None] | None = None,
        tips: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.drivers = drivers
        self.now = now
        self.notices: dict[str, None] = {} if notices is None else notices  # what somebody should be told
        self.tips: Mapping[str, str] = store.tips() if tips is None else tips
        self._stories: dict[tuple[str, str], Divided] = {}
        self._standing: dict[tuple[str, str], Divided] = {}
        self.lists: dict[str, list[str]] = {}  # component -> its newest versions, as they were read
        self._as_published: dict[tuple[str, str], Installed] = {}
        self._veto_scopes: dict[str, tuple[str, ...]] = {}
        self._held: dict[tuple[str, str], bool] = {}
        self._prunings: dict[str, Story] = {}
        self._pins: dict[str, dict[str, Pin]] = {}
        self._ledger: dict[str, bytes | None] = {}
        self._groups: dict[tuple[str, str], GroupState | None] = {}
        self._swaps: dict[str, Swapped | None] = {}

    def file(self, path: str) -> bytes | None:
        return self.store.read(self.tips[MAIN], path)

    def pin_files(self) -> tuple[str, ...]:
        """The names of the files below `environments`."""
        return self.store.names(self.tips[MAIN], "environments")

    def ledger_file(self, path: str) -> bytes | None:
        if path not in self._ledger:
            self.read_ledger([path])
        return self._ledger[path]

    def read_ledger(self, paths: Iterable[str]) -> None:
        """Read files of the ledger in one go, for those who ask for them next."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self._ledger]
        self._ledger |= zip(wanted, self.store.read_all(self.tips[LEDGER], wanted), strict=True)

    def suppose(self, path: str, content: bytes) -> None:
        """Take this as the content of a file of the ledger, for who looks what else is wrong with it."""
        self._ledger[path] = content

    def read_stories(self, versions: Iterable[tuple[str, str]]) -> None:
        """Read the stories of these components and versions in one go, and which versions were pruned."""
        wanted = dict.fromkeys(versions)  # environments mostly have the same
        paths = [ledgerfiles.component_path(component, version) for component, version in wanted]
        pruned = [ledgerfiles.pruned_path(component) for component, _ in wanted if component in self._with_pruned]
        self.read_ledger([*paths, *pruned])

    @cached_property
    def _with_pruned(self) -> frozenset[str]:
        """The components of which versions were pruned: most have none, and each that has none costs as many questions
        as make sure that nothing was lost."""
        names = self.store.names(self.tips[LEDGER], "pruned")
        return frozenset(name.removesuffix(".jsonl") for name in names)

    @cached_property
    def form(self) -> int:
        """The form of the ledger: 2 since histories are cut into files, else 1. Raises UsageError for a newer one."""
        text = (self.ledger_file(FORM_FILE) or b"1").strip().decode("utf-8", "replace")
        if text not in ("1", "2"):
            raise UsageError(
                f"the ledger of {self.store.shown} has the form '{printable(text)}', and this sluicegate knows 1 and 2",
                hint="a newer sluicegate wrote it: take that one",
            )
        if text == "1":
            self._refuse_cut_histories()
        return int(text)

    def _refuse_cut_histories(self) -> None:
        """Raise IntegrityError where histories are cut into files: who reads the first form would not see them."""
        names = self.store.names(self.tips[LEDGER], "environments")
        if cut := next((name for name in names if not name.endswith(".jsonl") and not name.startswith(".")), ""):
            raise IntegrityError(
                f"the ledger of {self.store.shown} has environments/{cut}/, and its file '{FORM_FILE}' does not say"
                f" that it has the form {FORM}",
                hint=f"bring the file back: git log -p ledger -- {FORM_FILE}",
            )

    @cached_property
    def annals(self) -> Annals:
        """What happened in the environments."""
        return Annals(
            form=self.form,
            read=self.ledger_file,
            entries=lambda folder: self.store.entries(self.tips[LEDGER], folder),
            installed=self.as_published,
            notice=lambda text: self.notices.setdefault(text),
        )

    def as_published(self, pins: Mapping[str, str]) -> dict[str, Installed]:
        """Versions with the manifests that they were published with; '' where no record says it."""
        new = [pin for pin in pins.items() if pin not in self._as_published]  # environments mostly have the same
        self.read_stories(new)
        for component, version in new:
            built = self.standing(component, version).latest(Built)
            manifest = built.manifest if built else ""
            self._as_published[component, version] = Installed(version=version, manifest=manifest)
        return {name: self._as_published[name, version] for name, version in pins.items()}

    @cached_property
    def config(self) -> Config:
        content = self.file(CONFIG_FILE)
        if content is None or not self.tips[LEDGER]:
            missing = next((branch for branch in (MAIN, LEDGER) if not self.tips[branch]), "")
            lacks = f"the branch '{missing}'{self.store.called_instead()}" if missing else CONFIG_FILE
            raise UsageError(
                f"{self.store.location} is not a delivery repo: it lacks {lacks}",
                hint="name one with -C or SLUICEGATE_REPO, or make one: sluicegate init DIR",
            )
        return self.drivers.config(content, self.file)

    @cached_property
    def membership(self) -> Membership:
        """Who is in which role; directories are asked once a snapshot."""
        return Membership(self.config, self.drivers)

    @cached_property
    def servers(self) -> dict[str, str]:
        """Which group plays which environment now."""
        document = yamltext.read(self.file(SERVERS_FILE) or b"", SERVERS_FILE)
        groups: dict[str, str] = {}
        for name, group in document.content.items():
            environment = self.config.environments.get(name)
            if environment is None or not isinstance(group, str) or group not in environment.groups:
                raise ConfigError([f"{document.where(name)}: '{name}: {group}' names no environment with such a group"])
            groups[name] = group
        if len(set(groups.values())) != len(groups):
            raise ConfigError([f"{SERVERS_FILE}: one group plays two environments: {', '.join(groups)}"])
        for production in (candidate for candidate in self.config.environments.values() if candidate.swaps_with):
            # A pair that was added to the configuration later, and has not swapped yet, begins as `init` begins.
            if not {production.name, production.swaps_with} & groups.keys() and self.last_swap(production) is None:
                groups |= first_roles(production)
        for name, group in groups.items():
            self._refuse_exchanged(self.config.environments[name], group, document.where(name))
        return groups

    def _refuse_exchanged(self, production: Environment, group: str, where: str) -> None:
        """Only a swap moves users: a role that was edited, or reverted in Git, would have staging deployed to them."""
        swap = self.last_swap(production) if production.swaps_with else None
        live = swap.live if swap else group
        if live != group and live in production.groups:
            raise ConfigError(
                [f"{where}: '{production.name}: {group}', but its users are on {live} since the last swap"],
                hint=f"set {SERVERS_FILE} back; to move users back: sluicegate swap {production.name} --back",
            )

    def group(self, environment: Environment) -> str:
        """The group that plays this environment now, '' when the environment has no hosts."""
        if len(environment.groups) < 2:
            return environment.groups[0] if environment.groups else ""
        if environment.name not in self.servers:
            raise ConfigError([f"{SERVERS_FILE}: it does not say which group plays '{environment.name}'"])
        return self.servers[environment.name]

    def pins(self, environment: str) -> dict[str, Pin]:
        if environment not in self._pins:
            path = pins_path(environment)
            pins = read_pins(self.file(path), path, self.config.components)
            self._pins[environment] = self._with_holds(pins, environment) if self.config.signing else pins
        return self._pins[environment]

    def _with_holds(self, pins: dict[str, Pin], environment: str) -> dict[str, Pin]:
        """The pins with the holds that count."""
        self.read_stories((name, pin.version) for name, pin in pins.items())
        return {
            name: with_hold(pin, *self._judged(name, pin.version), environment)
            if pin.hold or self._speaks_of_holds(name, pin.version)
            else pin
            for name, pin in pins.items()
        }

    def _speaks_of_holds(self, component: str, version: str) -> bool:
        """Whether a record that counts says that a pin of this version is held: mostly none does."""
        key = (component, version)
        if key not in self._held:
            self._held[key] = self._judged(component, version)[0].has(Held)
        return self._held[key]

    def recorded_versions(self, component: str) -> list[str]:
        """Every version that the ledger knows, pruned ones too, oldest first."""
        return versions.sort(self.config.component(component).versions, self.version_names(component))

    def version_names(self, component: str) -> list[str]:
        """The same in no order, which costs less with many."""
        files = self.store.names(self.tips[LEDGER], f"components/{component}")
        return [ledgerfiles.version_of(name) for name in files if name.endswith(".jsonl")]

    def versions(self, component: str) -> list[str]:
        """The published versions of a component that can be fetched, oldest first."""
        pruned = self.pruned(component)
        return [version for version in self.recorded_versions(component) if version not in pruned]

    def prunings(self, component: str) -> Story:
        """The component's records *pruned* and, once the files are gone, *removed*; oldest first."""
        if component not in self._prunings:
            path = ledgerfiles.pruned_path(component)
            listed = self.ledger_file(path) if component in self._with_pruned else None
            self._prunings[component] = ledgerfiles.read(listed, path=path)
        return self._prunings[component]

    def pruned(self, component: str) -> dict[str, Pruned]:
        """The versions whose files were removed, with their record."""
        return {record.version: record for record in self.prunings(component).of(Pruned)}

    def refuse_pruned(self, component: str, version: str) -> None:
        """Raise UnknownName for a version whose files were removed: it never comes back, as itself or as another."""
        if record := self.pruned(component).get(version):
            raise UnknownName(
                f"{component}={version} was pruned by {record.by.user} on {record.at:%Y-%m-%d}",
                hint=f"take another one: sluicegate resolve {component}",
            )

    def unknown_version(self, component: str, spec: str, known: list[str]) -> UnknownName:
        """What to say of a version that there is not; a vetoed one is never named as the newest without saying so."""
        marks = {version: " (vetoed)" if self.vetoed_somewhere(component, version) else "" for version in known[-3:]}
        newest_known = ", ".join(f"{version}{mark}" for version, mark in marks.items()) or "none is published yet"
        spelled = versions.respelled(self.config.component(component).versions, known, spec)
        return UnknownName(
            f"{component} has no version '{spec}' (newest: {newest_known})",
            hint=f"it is published as {component}={spelled}" if spelled else "",
        )

    @cached_property
    def signatures(self) -> Signatures | None:
        """What says which records that decide count; None where all do."""
        signing = self.config.signing
        if signing is None:
            return None
        return Signatures(self.config, signing, self.file(signing.signers), self._old_story, self.store.remote)

    def _old_story(self, component: str, version: str) -> Story:
        """A version's story at the commit from which on records are signed."""
        since = self.config.signing.since if self.config.signing else ""
        if not self.store.has(since):
            raise ConfigError([f"{CONFIG_FILE}: evidence: since {since}: {self.store.shown} has no such commit"])
        path = ledgerfiles.component_path(component, version)
        return ledgerfiles.read(self.store.read(since, path), path=path)

    def story(self, component: str, version: str) -> Story:
        """The ledger's records of one version that count, oldest first."""
        key = (component, version)
        if key not in self._stories:
            self._stories[key] = self._divided(component, version)
        return self._stories[key][0]

    def standing(self, component: str, version: str) -> Story:
        """Of these records those that say whether the version is there and whether it may go further."""
        return self._judged(component, version)[0]

    def uncounted(self, component: str, version: str) -> tuple[Uncounted, ...]:
        """The records of one version that are passed over, oldest first."""
        return self._judged(component, version)[1] if self.signatures else ()

    def _judged(self, component: str, version: str) -> Divided:
        """Of one version's records those that count, and those that do not; of the former not all kinds."""
        key = (component, version)
        if key in self._stories:
            return self._stories[key]
        if key not in self._standing:
            self._standing[key] = self._divided(component, version, SIGNED if self.signatures else STANDING)
        return self._standing[key]

    def _divided(self, component: str, version: str, kinds: Iterable[type[Record]] = ()) -> Divided:
        path = ledgerfiles.component_path(component, version)
        story = ledgerfiles.read(self.ledger_file(path), *kinds, path=path)
        return self.signatures.divide(component, version, story) if story and self.signatures else (story, ())

    def chronicle(self, environment: str) -> Story:
        """All of the ledger's records of one environment, oldest first: as many as it has had changes."""
        return self.annals.chronicle(environment).whole()

    def known_story(self, component: str, version: str) -> Story:
        """The story of a version that must have been published."""
        self.config.component(component)
        self.refuse_pruned(component, version)
        story = self.story(component, version)
        if not story.has(Built):
            raise self.unknown_version(component, version, self.versions(component))
        return story

    def built(self, component: str, version: str) -> Built:
        """The *built* record of a published version."""
        record = self.known_story(component, version).latest(Built)
        assert record is not None
        return record

    def size(self, component: str, version: str) -> int:
        """The bytes of a published version's files."""
        return sum(artifact.size for artifact in self.built(component, version).artifacts)

    def manifest(self, component: str, version: str) -> str:
        return self.built(component, version).manifest

    def pair(self, environment: Environment) -> tuple[Environment, ...]:
        """The environment, and the one that it swaps with."""
        partner = self.config.swap_partner(environment)
        return (environment, partner) if partner else (environment,)

    def _pair(self, environment: Environment) -> list[str]:
        return [player.name for player in self.pair(environment)]

    def group_state(self, environment: Environment, group: str) -> GroupState | None:
        """What a group has by the last *deployed* evidence."""
        key = (environment.name, group)
        if key not in self._groups:
            pair = self._pair(environment)
            last = self.annals.last_deployed(pair, group)
            self._groups[key] = (
                GroupState(
                    group=group, environment=last[0], installed=self.annals.installed(pair, last[1]), record=last[1]
                )
                if last
                else None
            )
        return self._groups[key]

    def last_deploy(self, environment: Environment, group: str) -> Intent | None:
        """The last deploy to a group that was begun, however it ended."""
        return self.annals.last_deploy(self._pair(environment), group)

    def target(self, environment: Environment, intent: Intent) -> dict[str, str]:
        """The versions that an open deploy wants to bring."""
        return self.annals.target(self._pair(environment), intent)

    def origin(self, environment: Environment, intent: Intent) -> dict[str, str]:
        """The versions that a deploy comes from."""
        return self.annals.origin(self._pair(environment), intent)

    def sides(self, environment: Environment, intent: Intent) -> tuple[dict[str, str], dict[str, str]]:
        """What production has before an open swap, and what it gets."""
        return self.annals.sides(self._pair(environment), intent)

    def swaps(self, environment: Environment) -> Iterator[Swapped]:
        """The swaps of a production with both of their sets whole, newest first."""
        return self.annals.swaps(self._pair(environment), environment.name)

    def sets(self, environment: Environment) -> Iterator[tuple[Deployed, dict[str, str]]]:
        """The deploys to the environment that ended well with what they brought, newest first."""
        return self.annals.sets(self._pair(environment), environment.name)

    def unsure(self, environment: Environment, group: str) -> Intent | None:
        """The last deploy's intent, where that did not end well: *deployed* evidence may be true no more."""
        last = self.last_deploy(environment, group)
        standing = self.annals.last_deployed(self._pair(environment), group) if last else None
        return None if last and standing and standing[1].of == last.id else last

    def hosts_out(self, environment: Environment) -> dict[str, HostOut]:
        """The hosts of the environment, and of the one that it swaps with, that are to be left alone."""
        return self.annals.hosts_out(self._pair(environment))

    def balancers_out(self, environment: Environment) -> dict[str, BalancerOut]:
        """The servers of the environment's balancer that are to be left alone."""
        spec = environment.balancer or environment.pool
        if spec is None or "at" not in spec.settings.values:
            return {}
        last = {record.name: record for record in self.chronicle(environment.name).of(BalancerRecord)}
        return {name: record for name, record in last.items() if isinstance(record, BalancerOut)}

    def balancer(self, environment: Environment) -> Balancer:
        """The environment's balancer, without the servers that are to be left alone."""
        return self.drivers.balancer(self.config, environment.without(self.balancers_out(environment)))

    def pool(self, environment: Environment) -> Pool:
        """The environment's pool, likewise."""
        return self.drivers.pool(self.config, environment.without(self.balancers_out(environment)))

    def effective(self, environment: Environment) -> GroupState | None:
        """What the environment's hosts have now."""
        return self.group_state(environment, self.group(environment))

    def open_intents(self, environment: Environment) -> tuple[OpenIntent, ...]:
        """Changes to the environment, or to the one it swaps with, that have begun and not ended."""
        return tuple(
            OpenIntent(environment=player.name, record=intent)
            for player in self.pair(environment)
            for intent in self.annals.open_intents(player.name)
        )

    def last_swap(self, environment: Environment) -> Swapped | None:
        """The newest swap of the pair that this environment belongs to."""
        if environment.name not in self._swaps:
            self._swaps[environment.name] = self.annals.last_swap(self._pair(environment))
        return self._swaps[environment.name]

    def swapped_in(self, production: Environment) -> dict[str, str]:
        """What the last swap put into a production that swaps: component -> version, whatever its file says."""
        swap = self.last_swap(production)
        return dict(swap.pins) if swap else {}

    def vetoed(self, component: str, version: str, environment: str) -> Veto | None:
        """The veto that keeps a version out of an environment: one for it, for one before it, or for all."""
        return vetoed(self.standing(component, version), self._scopes(environment))

    def _scopes(self, environment: str) -> tuple[str, ...]:
        if environment not in self._veto_scopes:
            self._veto_scopes[environment] = self.config.veto_scopes(environment)
        return self._veto_scopes[environment]

    def vetoed_somewhere(self, component: str, version: str) -> Veto | None:
        """A veto that stands for the version, for all environments or for some."""
        story = self.standing(component, version)
        return vetoed(story, dict.fromkeys(veto.env for veto in story.of(Veto)))

    def component(self, name: str) -> Component:
        return self.config.component(name)
