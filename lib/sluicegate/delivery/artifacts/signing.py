"""The detached signature of a manifest, and with it of every file that the manifest lists."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate.delivery.artifacts.fetch import RESTORE, fetch_listed, store
from sluicegate.errors import Conflict, IntegrityError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Manifest
from sluicegate.ports import Repository
from sluicegate.tools import gpg
from sluicegate.tools.scratch import scratch


def signature_name(component: str, version: str) -> str:
    return f"{component}-{version}-manifest.json.asc"


def try_key(key: str) -> None:
    """Raise SluicegateError when gpg cannot sign with the key now."""
    gpg.sign(b"", key)


def sign(repository: Repository, spec: Component, manifest: Manifest, key: str) -> bool:
    """Sign the manifest and store that; False when a signature stands there already, good or not."""
    name = signature_name(spec.name, manifest.version)
    try:
        store(repository, spec, manifest.version, name, gpg.sign(manifest.content(), key))
    except Conflict:  # signatures are never the same twice
        return False
    return True


def check_signature(repository: Repository, spec: Component, manifest: Manifest, signers: Sequence[str]) -> str:
    """The fingerprint of who signed. Raises IntegrityError where nobody did, or somebody else."""
    name = signature_name(spec.name, manifest.version)
    if name not in repository.names(spec, manifest.version):
        raise IntegrityError(
            f"{spec.name}={manifest.version} is not signed: there is no {name}",
            hint=f"publish it with --sign KEYID, or fetch {spec.name}={manifest.version} without --verify",
        )
    return check(repository, spec, manifest, signers)


def check(repository: Repository, spec: Component, manifest: Manifest, signers: Sequence[str] = ()) -> str:
    """The fingerprint of who signed, by a signature that is known to stand. Raises IntegrityError for a bad one."""
    with scratch() as folder:
        path = folder / signature_name(spec.name, manifest.version)
        fetch_listed(repository, spec, manifest.version, path.name, path, hint=RESTORE)
        return gpg.verify(manifest.content(), path.read_bytes(), signers=signers)
