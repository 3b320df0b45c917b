"""What must hold of a version before its files are used: the manifest, what stands beside the files, the signature."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate.delivery.artifacts.fetch import recorded_manifest
from sluicegate.delivery.artifacts.provenance import check_attachments
from sluicegate.delivery.artifacts.signing import check_signature
from sluicegate.delivery.book.state import State


def check_version(state: State, component: str, version: str, *, signed: bool, signers: Sequence[str] = ()) -> str:
    """Check manifest, provenance and, where `signed`, the signature: who signed, '' when nobody was asked for."""
    manifest = recorded_manifest(state, component, version)
    spec = state.component(component)
    repository = state.drivers.repository(state.config, spec.repository)
    check_attachments(repository, spec, manifest)
    return check_signature(repository, spec, manifest, signers) if signed else ""
