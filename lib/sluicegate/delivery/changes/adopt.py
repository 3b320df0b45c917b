"""Adopt: take what an environment's hosts have already as its pins, and its versions into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sluicegate.delivery.answers.asking import Asked, ask_installed
from sluicegate.delivery.artifacts.fetch import read_manifest, store
from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.recording import has_set
from sluicegate.errors import Conflict, NotFound, SluicegateError, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Adopted, Built, Deployed, Pinned, Swapped
from sluicegate.model.manifest import Artifact, Manifest, manifest_name
from sluicegate.model.values import Installed, Pin
from sluicegate.tools import files
from sluicegate.tools.scratch import scratch

SIDECARS = (".md5", ".sha1", ".sha256", ".sha512", ".asc")
"""What a repository keeps beside a file, and is no file of the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What was taken over: component -> version. And what was not, with the reason.

    `mixed`: component -> version ('' for none) -> the hosts that have it; `missing`: components whose version the
    repository does not have, and its words; `kept`: those that were pinned at another version already; `absent`: those
    that no host has. `silent`: the hosts that could not be asked.
    """

    environment: str
    adopted: Mapping[str, str]
    mixed: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything that the hosts have is pinned as they have it."""
        return not (self.mixed or self.missing or self.kept)


def adopt(repo: DeliveryRepo, name: str, *, why: str = "", dry_run: bool = False) -> Adoption:
    """Read hosts and repository, then write versions, pins and what stands in one commit. No host is changed.

    Raises RemoteUnavailable when no host answered, UsageError for a staging that swaps: its pins are production's.
    """
    state = repo.state()
    environment = state.config.environment(name)
    _refuse(state, environment)
    # Ask the hosts, then look whether the repository has what they name.
    survey = ask_installed(state, environment)
    survey.refuse_silence(name)
    sorted_out = _sorted_out(state, environment, survey)
    manifests, missing = _manifests(state, sorted_out.adopted, dry_run=dry_run)
    adopted = {component: version for component, version in sorted_out.adopted.items() if component in manifests}
    sorted_out = Adoption(
        environment=name, adopted=adopted, mixed=sorted_out.mixed, missing=missing, kept=sorted_out.kept,
        absent=sorted_out.absent, silent=survey.silent_lines,
    )  # fmt: skip

    def decide(state: State, draft: Draft) -> None:
        environment = state.config.environment(name)
        intents.refuse_locked(state, environment)
        for component, version in adopted.items():
            before = state.pins(name).get(component)
            if before is not None and before.version != version:
                raise Conflict(f"{component} was pinned in {name} meanwhile", hint="run the command again")
        _write(state, draft, environment, {c: (v, manifests[c]) for c, v in adopted.items()}, why)

    # What differs between hosts, or has no files, stays as it is and is listed.
    if adopted and not dry_run:
        repo.change(decide, f"{name} adopts " + " ".join(f"{c}={v}" for c, v in adopted.items()), why=why)
    return sorted_out


def _refuse(state: State, environment: Environment) -> None:
    if environment.deploy is None:
        raise UsageError(f"{environment.name} has no 'deploy', so nobody could say what its hosts have")
    partner = state.config.swap_partner(environment)
    if partner and not environment.swaps_with:
        raise UsageError(
            f"{environment.name} has what {partner.name} has, and what was promoted since",
            hint=f"sluicegate adopt {partner.name}; then: sluicegate drift {environment.name}",
        )
    if environment.swaps_with and state.last_swap(environment) is not None:
        raise UsageError(f"{environment.name} has swapped already: only a swap moves its pins")
    intents.refuse_locked(state, environment)


def _sorted_out(state: State, environment: Environment, survey: Asked[Mapping[str, Installed]]) -> Adoption:
    """Each component by what the hosts say of it."""
    adopted: dict[str, str] = {}
    mixed: dict[str, dict[str, tuple[str, ...]]] = {}
    kept: dict[str, str] = {}
    absent: list[str] = []
    for component in state.config.in_order(set(state.config.components)):
        versions: dict[str, tuple[str, ...]] = {}
        for host, there in survey.answers.items():
            version = there[component].version if component in there else ""
            versions[version] = (*versions.get(version, ()), host)
        pin = state.pins(environment.name).get(component)
        if len(versions) > 1:
            mixed[component] = versions
        elif "" in versions:
            absent.append(component)
        elif pin is not None and pin.version not in versions:
            kept[component] = pin.version
        else:
            adopted[component] = next(iter(versions))
    return Adoption(environment=environment.name, adopted=adopted, mixed=mixed, kept=kept, absent=tuple(absent))


def _manifests(
    state: State, adopted: Mapping[str, str], *, dry_run: bool
) -> tuple[dict[str, Manifest | None], dict[str, str]]:
    """The manifest of each version that the ledger does not know (None where it does), and why others have none."""
    manifests: dict[str, Manifest | None] = {}
    missing: dict[str, str] = {}
    for component, version in adopted.items():
        try:
            state.refuse_pruned(component, version)
            known = state.story(component, version).has(Built)
            manifests[component] = None if known else _manifest(state, component, version, dry_run=dry_run)
        except SluicegateError as problem:
            missing[component] = f"{version}: {problem.message}"
    return manifests, missing


def _manifest(state: State, component: str, version: str, *, dry_run: bool) -> Manifest:
    """What the repository has of a version that others published; a manifest is put beside it.

    Raises NotFound when it has nothing.
    """
    spec = state.component(component)
    repository = state.drivers.repository(state.config, spec.repository)
    names = repository.names(spec, version)
    if manifest_name(component, version) in names:
        return read_manifest(repository, spec, version)
    listed = [name for name in names if not name.endswith(SIDECARS)]
    if not listed:
        raise NotFound(f"the repository {spec.repository} has no file of it")
    artifacts = []
    with scratch() as folder:
        for file_name in listed:
            place = folder / file_name
            repository.fetch(spec, version, file_name, place)
            artifacts.append(Artifact(name=file_name, size=place.stat().st_size, sha256=files.sha256(place)))
            place.unlink()
    manifest = Manifest(component=component, version=version, artifacts=tuple(artifacts))
    if not dry_run:
        store(repository, spec, version, manifest_name(component, version), manifest.content())
    return manifest


def _write(
    state: State, draft: Draft, environment: Environment, adopted: Mapping[str, tuple[str, Manifest | None]], why: str
) -> None:
    """Versions with the evidence *adopted*, their pins, and that the group has them."""
    name, group = environment.name, state.group(environment)
    sums = {}
    for component, (version, manifest) in adopted.items():
        if manifest is None or state.story(component, version).has(Built):
            sums[component] = state.manifest(component, version)
        else:
            sums[component] = manifest.sha256
            draft.note(component, version, Built(manifest=manifest.sha256, artifacts=manifest.artifacts))
    standing = state.group_state(environment, group)
    target = {c: here.version for c, here in standing.installed.items()} if standing else {}
    target |= {component: version for component, (version, _) in adopted.items()}
    manifests = {c: here.manifest for c, here in standing.installed.items()} | sums if standing else sums
    whole = has_set(state, environment, group, target, manifests)
    for component, (version, _) in adopted.items():
        draft.note(component, version, Adopted(env=name, group=group, manifest=sums[component], why=why))
        if component not in state.pins(name):
            draft.pin(name, component, Pin(component=component, version=version))
            draft.note(component, version, Pinned(env=name, how="adopt", why=why))
        record = Deployed(env=name, group=group, set=whole.set, manifest=sums[component])
        draft.note(component, version, record)
    draft.note_environment(name, replace(whole, of=standing.record.of if standing else ""))
    if environment.swaps_with:  # where a pair swaps, the last swap says what production has
        idle = next(group_name for group_name in environment.groups if group_name != group)
        pins = {component: version for component, (version, _) in adopted.items()}
        draft.note_environment(name, Swapped(env=name, live=group, idle=idle, pins=pins, set=whole.set, why="adopted"))
