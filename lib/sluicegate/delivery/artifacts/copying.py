"""Copy a version to another repository, byte by byte, proven by checksums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery.artifacts import signing
from sluicegate.delivery.artifacts.fetch import fetch_listed, recorded_manifest
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.errors import Conflict, IntegrityError, NotFound, PartlyDone, SluicegateError, UnknownName, UsageError
from sluicegate.model import evidence
from sluicegate.model.config import Component
from sluicegate.model.manifest import Manifest, manifest_name
from sluicegate.model.settings import suggestion
from sluicegate.ports import Repository
from sluicegate.tools import files
from sluicegate.tools.scratch import scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What `copy` did: the address of each file in the other repository."""

    manifest: Manifest
    addresses: tuple[str, ...]


def copy(repo: DeliveryRepo, component: str, version: str, to: str, *, why: str = "", dry_run: bool = False) -> Copied:
    """Put a version's files, unchanged, into another repository too; the manifest last. It stays in its own.

    Each file is compared with the manifest before it is sent, and read back from the other side after. What the other
    side has already under the version is compared before anything is sent. Raises PartlyDone when some files were
    copied and one was not.
    """
    state = repo.state()
    spec = state.component(component)
    if to not in state.config.repositories:
        raise UnknownName(f"no repository is called '{to}'.{suggestion(to, list(state.config.repositories))}")
    if to == spec.repository:
        raise UsageError(f"{component} lives in {to} already")
    # What is to be there, by the manifest that the ledger names.
    source = state.drivers.repository(state.config, spec.repository)
    target = state.drivers.repository(state.config, to)
    manifest = recorded_manifest(state, component, version)
    recorded = manifest.sha256
    names = _with_signature(source, spec, manifest)
    wanted = {a.name: a.sha256 for a in (*manifest.artifacts, *manifest.attachments)}
    wanted[manifest_name(component, version)] = recorded
    copy_there = Copied(manifest=manifest, addresses=tuple(target.address(spec, version, name) for name in names))
    copied: list[str] = []
    with scratch() as folder:
        if (signature := signing.signature_name(component, version)) in names:
            fetch_listed(source, spec, version, signature, folder / signature)
            wanted[signature] = files.sha256(folder / signature)
        # Refuse other content under these names before anything is sent.
        for name in sorted(set(target.names(spec, version)) & set(wanted)):
            _refuse_other(target, spec, version, name, wanted[name], folder / "other")
        if dry_run:
            return copy_there
        for name in names:
            try:
                _copy_one(source, target, spec, version, name, wanted[name], folder)
            except SluicegateError as problem:
                raise _stopped(problem, copied, names, to) from problem
            copied.append(name)

    def decide(state: State, draft: Draft) -> None:
        if state.manifest(component, version) != recorded:
            raise IntegrityError(f"{component}={version} has another manifest in the ledger now")
        draft.note(component, version, evidence.Copied(to=to, manifest=recorded, files=len(names), why=why))

    # Only what is on record is announced to those who look for the newest.
    repo.change(decide, f"copy {component}={version} to {to}", why=why)
    announced = [known for known in state.versions(component) if known == version or _holds(target, spec, known)]
    target.announce(spec, announced)
    return copy_there


def _refuse_other(target: Repository, spec: Component, version: str, name: str, wanted: str, there: Path) -> None:
    try:
        target.fetch(spec, version, name, there)
    except NotFound:  # the repository lists it, and has lost it
        return
    if (standing := files.sha256(there)) != wanted:
        raise Conflict(
            f"{target.address(spec, version, name)} is there with other content: it has SHA-256 {standing[:12]},"
            f" the one to copy {wanted[:12]}; nothing was copied",
            hint="look who put it there; a version is the same in every repository",
        )
    there.unlink()


def _stopped(problem: SluicegateError, copied: Sequence[str], names: Sequence[str], to: str) -> SluicegateError:
    """The failure as it is, or after some files PartlyDone, which lists them."""
    if not copied:
        return problem
    lines = [f"  copied: {name}" for name in copied] + [f"  not copied: {name}" for name in names[len(copied) :]]
    hint = f"{problem.hint}; " if problem.hint else ""
    return PartlyDone(
        "\n".join([f"{problem.message}; {len(copied)} of {len(names)} files are in {to}", *lines]),
        hint=f"{hint}then run the same again: it completes the rest",
    )


def _with_signature(source: Repository, spec: Component, manifest: Manifest) -> tuple[str, ...]:
    """Every file that belongs to the version, the manifest last."""
    last = manifest_name(spec.name, manifest.version)
    signature = signing.signature_name(spec.name, manifest.version)
    signatures = [signature] if signature in source.names(spec, manifest.version) else []
    return (*(a.name for a in (*manifest.artifacts, *manifest.attachments)), *signatures, last)


def _copy_one(
    source: Repository, target: Repository, spec: Component, version: str, name: str, wanted: str, folder: Path
) -> None:
    there, back = folder / "there", folder / "back"
    fetch_listed(source, spec, version, name, there)
    sent = files.sha256(there)
    if sent != wanted:
        raise IntegrityError(
            f"{name}: its SHA-256 is {sent[:12]}, expected {wanted[:12]}; it was not copied",
            hint=f"sluicegate verify {spec.name}={version} names all that differs",
        )
    target.put(spec, version, name, there)
    target.fetch(spec, version, name, back)
    if files.sha256(back) != sent:
        raise IntegrityError(f"{name}: the copy reads back with another SHA-256", hint="look at the other repository")
    there.unlink()
    back.unlink()


def _holds(repository: Repository, spec: Component, version: str) -> bool:
    """Whether the repository has the whole version."""
    return manifest_name(spec.name, version) in repository.names(spec, version)
