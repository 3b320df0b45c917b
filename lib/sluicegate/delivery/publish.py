"""Publish a version's files once, provably; fetch exactly them back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sluicegate.delivery.naming import hashed, named_files, stamped
from sluicegate.delivery.parallel import CONNECTIONS, each
from sluicegate.delivery.provenance import Extras, attach
from sluicegate.delivery.repo import DeliveryRepo, Draft
from sluicegate.delivery.state import State
from sluicegate.delivery.versions import order
from sluicegate.errors import Conflict, Denied, IntegrityError, PartlyDone, RemoteUnavailable, UsageError
from sluicegate.model import ledger
from sluicegate.model.config import Component
from sluicegate.model.values import Artifact, Json, Manifest, Release, manifest_name
from sluicegate.ports import Repository
from sluicegate.tools import files as tool_files

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a version comes from: commit, its author and time, the build's source, and its quality figures."""

    commit: str = ""
    author: str = ""
    committed: datetime | None = None
    build: str = ""
    build_started: datetime | None = None
    figures: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What `publish` did: the manifest, where it is, whether it was there already, and which files it put back."""

    manifest: Manifest
    addresses: tuple[str, ...]
    existed: bool
    again: tuple[str, ...] = ()


def publish(
    repo: DeliveryRepo, component: str, version: str, paths: Sequence[Path], origin: Origin, *,
    extras: Extras | None = None, connections: int = CONNECTIONS, dry_run: bool = False,
) -> Published:  # fmt: skip
    """Upload files, then the manifest, then record *built*. Equal content again is fine, other content a Conflict.

    Files are hashed while they are sent; only those of a version that is published already are hashed alone. A SNAPSHOT
    becomes a version of its own, which the answer's manifest names.
    """
    state = repo.state()
    spec = state.config.component(component)
    version = stamped(state, spec, version, paths, origin.commit)
    order(spec.versions, version)
    state.refuse_pruned(component, version)
    named = named_files(component, version, paths)
    repository = state.drivers.repository(state.config, spec.repository)
    present = repository.names(spec, version)
    standing = _standing(state, repository, spec, version, present)
    if standing is None:
        _refuse_lost(state, component, version)
    fresh = standing is None and not dry_run
    manifest = Manifest(
        component=component,
        version=version,
        artifacts=_upload(repository, spec, version, named, connections) if fresh else hashed(named),
        commit=origin.commit,
        author=origin.author,
        build=origin.build,
    )
    addresses = tuple(repository.address(spec, version, artifact.name) for artifact in manifest.artifacts)
    again: tuple[str, ...] = ()
    if standing is not None:
        if standing.artifacts != manifest.artifacts:
            raise Conflict(_difference(standing, manifest), hint="publish the change under a new version")
        manifest = standing
        again = tuple(sorted(set(named) - set(present)))
        if again and not dry_run:
            _upload(repository, spec, version, {name: named[name] for name in again}, connections)
    recorded = any(record.what == "built" for record in state.story(component, version))
    if fresh:
        manifest = attach(repository, state.config, spec, manifest, origin, extras or Extras())
        _put_manifest(repository, spec, manifest)
    if not dry_run:
        if not recorded:
            repo.change(_record(manifest, origin), f"publish {component}={version}")
        # asked anew, and for what was recorded before too: others publish meanwhile, and a publication may have died
        _announce(repo, repository, spec)
    return Published(manifest=manifest, addresses=addresses, existed=recorded, again=again)


def _announce(repo: DeliveryRepo, repository: Repository, spec: Component) -> None:
    """Announce what the ledger has; again when another version was published meanwhile, or its list would win."""
    announced: list[str] = []
    while (known := repo.state().versions(spec.name)) != announced:
        repository.announce(spec, known)
        announced = known


def _standing(
    state: State, repository: Repository, spec: Component, version: str, present: Sequence[str]
) -> Manifest | None:
    """The manifest that is published already, checked against the ledger."""
    if manifest_name(spec.name, version) not in present:
        return None
    manifest = read_manifest(repository, spec, version)
    for record in state.story(spec.name, version):
        if record.what == "built" and record.get("manifest") != manifest.sha256:
            raise IntegrityError(
                f"{spec.name}={version}: the repository's manifest is {manifest.sha256[:12]},"
                f" the ledger says {str(record.get('manifest'))[:12]}"
            )
    return manifest


def _refuse_lost(state: State, component: str, version: str) -> None:
    """A version stays what it was even when the repository has lost it: its number is never given to other content."""
    if any(record.what == "built" for record in state.story(component, version)):
        raise IntegrityError(
            f"{component}={version} was published, and the repository has lost it",
            hint="restore the repository from its backup, or publish under a new version",
        )


def _difference(standing: Manifest, manifest: Manifest) -> str:
    old = {a.name: a.sha256 for a in standing.artifacts}
    new = {a.name: a.sha256 for a in manifest.artifacts}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return f"{manifest.component}={manifest.version} is published with other content: {', '.join(names)} differ"


def _upload(
    repository: Repository, spec: Component, version: str, named: Mapping[str, Path], connections: int
) -> tuple[Artifact, ...]:
    """All files, the largest first; what is there with the same content is skipped by the driver."""

    def put(name: str) -> Artifact:
        return repository.put(spec, version, name, named[name])

    names = sorted(named, key=lambda name: (-named[name].stat().st_size, name))
    done, problem = each(names, put, connections=connections)
    if problem is not None:
        raise _stopped(problem, done, named) from problem
    return tuple(done[name] for name in sorted(done))


def _stopped(problem: Exception, done: Mapping[str, Artifact], named: Mapping[str, Path]) -> Exception:
    """The failure as it is, but for a refusal half-way: that lists what is done and what is not."""
    if isinstance(problem, Denied) and done:
        undone = sorted(set(named) - set(done))
        lines = [f"{problem.message}; {len(done)} of {len(named)} files are stored, the version is not announced"]
        lines += [f"  stored: {name}" for name in sorted(done)] + [f"  not stored: {name}" for name in undone]
        return PartlyDone("\n".join(lines), hint=f"{problem.hint}; then run the same again: it completes the rest")
    if isinstance(problem, RemoteUnavailable) and done:
        problem.hint = f"run the same again: {len(done)} of {len(named)} files are stored, it completes the rest"
    return problem


def _put_manifest(repository: Repository, spec: Component, manifest: Manifest) -> None:
    with tool_files.scratch() as folder:
        path = folder / manifest_name(spec.name, manifest.version)
        path.write_bytes(manifest.content())
        repository.put(spec, manifest.version, path.name, path)


def _record(manifest: Manifest, origin: Origin) -> Callable[[State, Draft], None]:
    def decide(state: State, draft: Draft) -> None:
        for record in state.story(manifest.component, manifest.version):
            if record.what == "built" and record.get("manifest") != manifest.sha256:
                raise Conflict(f"{manifest.component}={manifest.version} was published by someone else first")
            if record.what == "built":
                return
        facts: dict[str, Json] = {
            "manifest": manifest.sha256,
            "commit": manifest.commit,
            "author": manifest.author,
            "build": manifest.build,
            "artifacts": [{"name": a.name, "size": a.size, "sha256": a.sha256} for a in manifest.artifacts],
        }
        if origin.committed:
            facts["committed"] = ledger.stamp(origin.committed)
        if origin.build_started:
            facts["build_started"] = ledger.stamp(origin.build_started)
        if origin.figures:
            facts["figures"] = dict(origin.figures)
        draft.note(manifest.component, manifest.version, "built", **facts)

    return decide


def read_manifest(repository: Repository, spec: Component, version: str) -> Manifest:
    """The published manifest. Raises IntegrityError when it is no manifest of this version."""
    with tool_files.scratch() as folder:
        path = folder / MANIFEST
        _fetch_listed(repository, spec, version, manifest_name(spec.name, version), path)
        content = path.read_bytes()
    try:
        value = json.loads(content)
        manifest = Manifest(
            component=value["component"],
            version=value["version"],
            commit=value["commit"],
            author=value["author"],
            build=value["build"],
            artifacts=tuple(
                Artifact(name=a["name"], size=int(a["size"]), sha256=a["sha256"]) for a in value["artifacts"]
            ),
            attachments=tuple(
                Artifact(name=a["name"], size=int(a["size"]), sha256=a["sha256"]) for a in value.get("attachments", ())
            ),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise IntegrityError(f"the manifest of {spec.name}={version} cannot be read: {problem}") from problem
    if (manifest.component, manifest.version) != (spec.name, version) or manifest.content() != content:
        raise IntegrityError(f"the manifest of {spec.name}={version} is not the one that was published")
    return manifest


def fetch(state: State, component: str, version: str, to: Path, *, connections: int = CONNECTIONS) -> Release:
    """Write a version's files to the folder `to`, each checked against the manifest, and that against the ledger."""
    spec = state.config.component(component)
    recorded = state.manifest(component, version)
    repository = state.drivers.repository(state.config, spec.repository)
    manifest = read_manifest(repository, spec, version)
    if manifest.sha256 != recorded:
        raise IntegrityError(
            f"{component}={version}: the manifest's SHA-256 is {manifest.sha256[:12]}, the ledger says {recorded[:12]}"
        )
    tool_files.made(to)
    _, problem = each(
        manifest.artifacts,
        lambda artifact: _fetch_one(repository, spec, version, artifact, to),
        connections=connections,
    )
    if problem is not None:
        raise problem
    names = tuple(artifact.name for artifact in manifest.artifacts)
    return Release(component=component, version=version, manifest=recorded, folder=to, files=names)


def _fetch_listed(repository: Repository, spec: Component, version: str, name: str, to: Path) -> None:
    """Fetch what was published, so that its absence is no mistake of who asks."""
    try:
        repository.fetch(spec, version, name, to)
    except UsageError as problem:
        raise IntegrityError(
            f"the repository has lost {name} of {spec.name}={version}, which was published: {problem.message}",
            hint="publish the same files again, or restore the repository",
        ) from problem


def _fetch_one(repository: Repository, spec: Component, version: str, artifact: Artifact, to: Path) -> None:
    """One file, under a temporary name until its checksum is right."""
    final = to / artifact.name
    if final.is_file() and tool_files.sha256(final) == artifact.sha256:
        return
    with tool_files.scratch(beside=to) as folder:
        path = folder / artifact.name
        _fetch_listed(repository, spec, version, artifact.name, path)
        if (found := tool_files.sha256(path)) != artifact.sha256:
            raise IntegrityError(
                f"{artifact.name}: the SHA-256 is {found[:12]}, the manifest says {artifact.sha256[:12]}"
            )
        path.replace(final)
