"""Verify a version file by file and name what differs; what must hold before its files are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery.artifacts import signing
from sluicegate.delivery.artifacts.fetch import RESTORE, fetch_listed, read_manifest, recorded_manifest
from sluicegate.delivery.artifacts.provenance import check_attachments, check_statement, provenance_name
from sluicegate.delivery.artifacts.signing import check_signature
from sluicegate.delivery.book.state import State
from sluicegate.errors import IntegrityError, MissingProgram
from sluicegate.model.config import Component
from sluicegate.model.manifest import Artifact, Manifest, manifest_name
from sluicegate.ports import Repository
from sluicegate.tools import files
from sluicegate.tools.scratch import scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file of a version: what is wrong with it, '' when it is as published, and what helps."""

    name: str
    size: int
    sha256: str
    fault: str = ""
    hint: str = ""


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
    except IntegrityError as problem:
        return (Checked(name=name, size=0, sha256="", fault=problem.message, hint=problem.hint),)
    # The manifest against the ledger.
    recorded = built.manifest
    fault = "" if manifest.sha256 == recorded else f"its SHA-256 is not the ledger's {recorded[:12]}"
    if built.artifacts != manifest.artifacts and not fault:
        fault = "the ledger lists other files"
    size = len(manifest.content())
    files_checked = [Checked(name=name, size=size, sha256=manifest.sha256, fault=fault, hint=RESTORE)]
    # Every file against the manifest.
    with scratch() as folder:
        for artifact in (*manifest.artifacts, *manifest.attachments):
            files_checked.append(_check_file(repository, spec, manifest, artifact, folder))
    # What belongs to no manifest: a signature, or a file that somebody put there.
    present = set(repository.names(spec, version))
    if signing.signature_name(component, version) in present:
        files_checked.append(_check_signature(repository, spec, manifest))
    for extra in sorted(present - {checked.name for checked in files_checked}):
        fault, hint = "it is in the repository, not in the manifest", "find out who put it there, and delete it there"
        files_checked.append(Checked(name=extra, size=0, sha256="", fault=fault, hint=hint))
    return tuple(files_checked)


def check_version(state: State, component: str, version: str, *, signed: bool, signers: Sequence[str] = ()) -> str:
    """Check manifest, provenance and, where `signed`, the signature: who signed, '' when nobody was asked for."""
    manifest = recorded_manifest(state, component, version)
    spec = state.component(component)
    repository = state.drivers.repository(state.config, spec.repository)
    check_attachments(repository, spec, manifest)
    return check_signature(repository, spec, manifest, signers) if signed else ""


def _check_file(
    repository: Repository, spec: Component, manifest: Manifest, artifact: Artifact, folder: Path
) -> Checked:
    path = folder / "there"  # never by a name that the repository gives
    fault, hint = "", RESTORE
    try:
        fetch_listed(repository, spec, manifest.version, artifact.name, path)
        fault = _difference(artifact, path)
        if not fault and artifact.name == provenance_name(spec.name, manifest.version):
            check_statement(path.read_bytes(), manifest)
    except IntegrityError as problem:
        fault, hint = problem.message, problem.hint or RESTORE
    path.unlink(missing_ok=True)
    return Checked(name=artifact.name, size=artifact.size, sha256=artifact.sha256, fault=fault, hint=hint)


def _check_signature(repository: Repository, spec: Component, manifest: Manifest) -> Checked:
    """Whether the signature is one of this manifest; whose key it is must be known here, or nothing is said."""
    fault = ""
    try:
        signing.check(repository, spec, manifest)
    except IntegrityError as problem:
        fault = "" if "ERRSIG" in problem.message else problem.message
    except MissingProgram:  # whose gpg would tell
        pass
    name = signing.signature_name(spec.name, manifest.version)
    return Checked(name=name, size=0, sha256="", fault=fault, hint=RESTORE)


def _difference(artifact: Artifact, path: Path) -> str:
    if (size := path.stat().st_size) != artifact.size:
        return f"it has {size} bytes, the manifest says {artifact.size}"
    if (sha256 := files.sha256(path)) != artifact.sha256:
        return f"its SHA-256 is {sha256[:12]}, the manifest says {artifact.sha256[:12]}"
    return ""
