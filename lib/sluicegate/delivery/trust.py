"""What must hold of a version before its files are used: the manifest, what stands beside the files, the signature."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate.delivery.provenance import check_attachments
from sluicegate.delivery.publish import read_manifest
from sluicegate.delivery.signing import check_signature
from sluicegate.delivery.state import State
from sluicegate.errors import IntegrityError


def check_version(state: State, component: str, version: str, *, signed: bool, signers: Sequence[str] = ()) -> str:
    """Check manifest, provenance and, where `signed`, the signature: who signed, '' when nobody was asked for."""
    spec = state.component(component)
    recorded = state.manifest(component, version)
    repository = state.drivers.repository(state.config, spec.repository)
    manifest = read_manifest(repository, spec, version)
    if manifest.sha256 != recorded:
        raise IntegrityError(
            f"{component}={version}: the manifest's SHA-256 is {manifest.sha256[:12]}, the ledger says {recorded[:12]}"
        )
    check_attachments(repository, spec, manifest)
    return check_signature(repository, spec, manifest, signers) if signed else ""
