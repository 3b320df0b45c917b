"""Verify a version file by file, and copy it to another repository, byte by byte, proven by checksums."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery import signing
from sluicegate.delivery.provenance import check_statement, provenance_name
from sluicegate.delivery.publish import read_manifest
from sluicegate.delivery.repo import DeliveryRepo, Draft
from sluicegate.delivery.state import State
from sluicegate.errors import IntegrityError, SluicegateError, UsageError
from sluicegate.model.config import Component
from sluicegate.model.settings import suggestion
from sluicegate.model.values import Artifact, Json, Manifest, manifest_name
from sluicegate.ports import Repository
from sluicegate.tools import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file of a version: what is wrong with it, '' when it is as published."""

    name: str
    size: int
    sha256: str
    fault: str = ""

    def json(self) -> Json:
        return {"name": self.name, "size": self.size, "sha256": self.sha256, "fault": self.fault}


def verify(state: State, component: str, version: str) -> tuple[Checked, ...]:
    """Read every file again: repository against manifest, manifest against ledger, provenance against files.

    Nothing is raised for what differs: the answer names it. Files that belong to nothing are named too.
    """
    spec = state.component(component)
    built = state.built(component, version)
    repository = state.drivers.repository(state.config, spec.repository)
    name = manifest_name(component, version)
    try:
        manifest = read_manifest(repository, spec, version)
    except (IntegrityError, UsageError) as problem:
        return (Checked(name=name, size=0, sha256="", fault=problem.message),)
    recorded = str(built.get("manifest"))
    fault = "" if manifest.sha256 == recorded else f"its SHA-256 is not the ledger's {recorded[:12]}"
    found = [Checked(name=name, size=len(manifest.content()), sha256=manifest.sha256, fault=fault)]
    listed = [Artifact(name=str(a["name"]), size=int(a["size"]), sha256=str(a["sha256"]))
              for a in built.get("artifacts", [])]  # fmt: skip
    if tuple(listed) != manifest.artifacts and not fault:
        found[0] = Checked(name=name, size=found[0].size, sha256=manifest.sha256, fault="the ledger lists other files")
    with files.scratch() as folder:
        for artifact in (*manifest.artifacts, *manifest.attachments):
            found.append(_check_file(repository, spec, manifest, artifact, folder))
    known = {one.name for one in found} | {signing.signature_name(component, version)}
    for extra in sorted(set(repository.names(spec, version)) - known):
        found.append(Checked(name=extra, size=0, sha256="", fault="it is in the repository, not in the manifest"))
    return tuple(found)


def _check_file(
    repository: Repository, spec: Component, manifest: Manifest, artifact: Artifact, folder: Path
) -> Checked:
    path = folder / artifact.name
    fault = ""
    try:
        repository.fetch(spec, manifest.version, artifact.name, path)
        fault = _difference(artifact, path)
        if not fault and artifact.name == provenance_name(spec.name, manifest.version):
            check_statement(path.read_bytes(), manifest)
    except (IntegrityError, UsageError) as problem:
        fault = problem.message
    path.unlink(missing_ok=True)
    return Checked(name=artifact.name, size=artifact.size, sha256=artifact.sha256, fault=fault)


def _difference(artifact: Artifact, path: Path) -> str:
    if (size := path.stat().st_size) != artifact.size:
        return f"it has {size} bytes, the manifest says {artifact.size}"
    if (sha256 := files.sha256(path)) != artifact.sha256:
        return f"its SHA-256 is {sha256[:12]}, the manifest says {artifact.sha256[:12]}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What `copy` did: the address of each file in the other repository."""

    manifest: Manifest
    addresses: tuple[str, ...]


def copy(repo: DeliveryRepo, component: str, version: str, to: str, *, why: str = "", dry_run: bool = False) -> Copied:
    """Put a version's files, unchanged, into another repository too; the manifest last. It stays in its own.

    Each file is compared with the manifest before it is sent, and read back from the other side after.
    """
    state = repo.state()
    spec = state.component(component)
    if to not in state.config.repositories:
        raise UsageError(f"no repository is called '{to}'.{suggestion(to, list(state.config.repositories))}")
    if to == spec.repository:
        raise UsageError(f"{component} lives in {to} already")
    recorded = state.manifest(component, version)
    source = state.drivers.repository(state.config, spec.repository)
    target = state.drivers.repository(state.config, to)
    manifest = read_manifest(source, spec, version)
    if manifest.sha256 != recorded:
        raise IntegrityError(f"{component}={version}: the repository's manifest is not the one of the ledger")
    names = _with_signature(source, spec, manifest)
    addresses = tuple(target.address(spec, version, name) for name in names)
    if dry_run:
        return Copied(manifest=manifest, addresses=addresses)
    wanted = {a.name: a.sha256 for a in (*manifest.artifacts, *manifest.attachments)}
    wanted[manifest_name(component, version)] = recorded
    with files.scratch() as folder:
        for name in names:
            _copy_one(source, target, spec, version, name, wanted.get(name, ""), folder)

    def decide(state: State, draft: Draft) -> None:
        if state.manifest(component, version) != recorded:
            raise IntegrityError(f"{component}={version} has another manifest in the ledger now")
        draft.note(component, version, "copied", to=to, manifest=recorded, files=len(names), why=why)

    repo.change(decide, f"copy {component}={version} to {to}", why=why)
    announced = [one for one in state.versions(component) if one == version or _holds(target, spec, one)]
    target.announce(spec, announced)
    return Copied(manifest=manifest, addresses=addresses)


def _with_signature(source: Repository, spec: Component, manifest: Manifest) -> tuple[str, ...]:
    """Every file that belongs to the version, the manifest last."""
    last = manifest_name(spec.name, manifest.version)
    signature = signing.signature_name(spec.name, manifest.version)
    signatures = [signature] if signature in source.names(spec, manifest.version) else []
    return (*(a.name for a in (*manifest.artifacts, *manifest.attachments)), *signatures, last)


def _copy_one(
    source: Repository, target: Repository, spec: Component, version: str, name: str, wanted: str, folder: Path
) -> None:
    there, back = folder / f"there-{hashlib.sha256(name.encode()).hexdigest()}", folder / "back"
    source.fetch(spec, version, name, there)
    found = files.sha256(there)
    if wanted and found != wanted:
        raise IntegrityError(f"{name}: its SHA-256 is {found[:12]}, expected {wanted[:12]}; nothing of it was copied")
    target.put(spec, version, name, there)
    target.fetch(spec, version, name, back)
    if files.sha256(back) != found:
        raise IntegrityError(f"{name}: the copy reads back with another SHA-256", hint="look at the other repository")
    there.unlink()
    back.unlink()


def _holds(repository: Repository, spec: Component, version: str) -> bool:
    """Whether the repository has the whole version."""
    try:
        return manifest_name(spec.name, version) in repository.names(spec, version)
    except SluicegateError:
        return False
