"""The detached signature of a manifest, and with it of every file that the manifest lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluicegate.errors import Conflict, IntegrityError
from sluicegate.model.config import Component
from sluicegate.model.values import Manifest
from sluicegate.ports import Repository
from sluicegate.tools import files, gpg


def signature_name(component: str, version: str) -> str:
    return f"{component}-{version}-manifest.json.asc"


def attach(repository: Repository, spec: Component, manifest: Manifest, key: str, folder: Path) -> None:
    """Sign the manifest and store the signature. One that stands already must be good for this manifest."""
    path = folder / signature_name(spec.name, manifest.version)
    path.write_bytes(gpg.sign(manifest.content(), key))
    try:
        repository.put(spec, manifest.version, path.name, path)
    except Conflict as problem:
        path.unlink()
        repository.fetch(spec, manifest.version, path.name, path)
        try:
            gpg.verify(manifest.content(), path.read_bytes())
        except IntegrityError:
            raise problem from None


def check_signature(repository: Repository, spec: Component, manifest: Manifest, signers: Sequence[str]) -> str:
    """The fingerprint of who signed. Raises IntegrityError where nobody did, or somebody else."""
    name = signature_name(spec.name, manifest.version)
    if name not in repository.names(spec, manifest.version):
        raise IntegrityError(
            f"{spec.name}={manifest.version} is not signed: there is no {name}",
            hint=f"publish it with --sign KEYID, or fetch {spec.name}={manifest.version} without --verify",
        )
    with files.scratch() as folder:
        path = folder / name
        repository.fetch(spec, manifest.version, name, path)
        return gpg.verify(manifest.content(), path.read_bytes(), signers=signers)
