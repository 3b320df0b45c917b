"""Fetch exactly what was published: each file against the manifest, and the manifest against the ledger."""

from __future__ import annotations

from pathlib import Path

from sluicegate.delivery.book.state import State
from sluicegate.errors import IntegrityError, NotFound, UsageError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Artifact, Manifest, Release, manifest_name
from sluicegate.ports import Repository
from sluicegate.tools import files
from sluicegate.tools.parallel import each
from sluicegate.tools.scratch import scratch

CONNECTIONS = 8
"""How many files go to or come from a repository side by side; beyond eight a Nexus gets no faster (measured)."""
MANIFEST = "manifest.json"
RESTORE = "restore the repository from its backup, or correct its place in sluicegate.yaml"


def fetch(state: State, component: str, version: str, to: Path, *, connections: int = CONNECTIONS) -> Release:
    """Write a version's files to the folder `to`."""
    manifest = recorded_manifest(state, component, version)
    spec = state.component(component)
    repository = state.drivers.repository(state.config, spec.repository)
    files.ensure_folder(to)
    results = each(
        manifest.artifacts, lambda artifact: _fetch_one(repository, spec, version, artifact, to), connections
    )
    if results.first_failure is not None:
        raise results.first_failure
    names = tuple(artifact.name for artifact in manifest.artifacts)
    return Release(component=component, version=version, manifest=manifest.sha256, folder=to, files=names)


def recorded_manifest(state: State, component: str, version: str) -> Manifest:
    """The published manifest. Raises IntegrityError when it is not the one that the ledger names."""
    spec = state.component(component)
    recorded = state.manifest(component, version)
    manifest = read_manifest(state.drivers.repository(state.config, spec.repository), spec, version)
    if manifest.sha256 != recorded:
        raise IntegrityError(
            f"{component}={version}: the repository's manifest has SHA-256 {manifest.sha256[:12]},"
            f" the ledger says {recorded[:12]}",
            hint=RESTORE,
        )
    return manifest


def read_manifest(repository: Repository, spec: Component, version: str) -> Manifest:
    """The manifest in the repository. Raises IntegrityError when it is no manifest of this version."""
    with scratch() as folder:
        path = folder / MANIFEST
        fetch_listed(repository, spec, version, manifest_name(spec.name, version), path, hint=RESTORE)
        content = path.read_bytes()
    try:
        manifest = Manifest.read(content)
    except ValueError as problem:
        raise IntegrityError(
            f"the manifest of {spec.name}={version} cannot be read: {problem}", hint=RESTORE
        ) from problem
    if (manifest.component, manifest.version) != (spec.name, version) or manifest.content() != content:
        raise IntegrityError(f"the manifest of {spec.name}={version} is not the one that was published", hint=RESTORE)
    return manifest


def store(repository: Repository, spec: Component, version: str, name: str, content: bytes) -> None:
    """Store these bytes as a file of the version. Raises Conflict where other content has the name."""
    with scratch() as folder:
        path = folder / name
        path.write_bytes(content)
        repository.put(spec, version, name, path)


def fetch_listed(
    repository: Repository, spec: Component, version: str, name: str, to: Path, *,
    hint: str = "publish the same files again, or restore the repository from its backup",
) -> None:  # fmt: skip
    """Fetch what was published, so that its absence is no mistake of who asks: IntegrityError."""
    try:
        repository.fetch(spec, version, name, to)
    except NotFound as problem:
        raise IntegrityError(
            f"the repository has lost {name} of {spec.name}={version}, which was published: {problem.message}",
            hint=hint,
        ) from problem


def _fetch_one(repository: Repository, spec: Component, version: str, artifact: Artifact, to: Path) -> None:
    """One file, under a temporary name until its checksum is right."""
    final = to / artifact.name
    if final.is_dir():
        raise UsageError(f"{final} is a folder, where a file of this name goes", hint="remove it, or fetch elsewhere")
    if final.is_file() and files.sha256(final) == artifact.sha256:
        return
    with scratch(beside=to) as folder:
        path = folder / artifact.name
        fetch_listed(repository, spec, version, artifact.name, path)
        if (sha256 := files.sha256(path)) != artifact.sha256:
            raise IntegrityError(
                f"{artifact.name}: the SHA-256 is {sha256[:12]}, the manifest says {artifact.sha256[:12]}",
                hint=f"sluicegate verify {spec.name}={version} names all that differs",
            )
        path.replace(final)
