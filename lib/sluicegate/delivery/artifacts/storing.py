"""Store a document of a version that is made here: its manifest, provenance, SBOM, signature."""

from __future__ import annotations

from sluicegate.model.config import Component
from sluicegate.ports import Repository
from sluicegate.tools.scratch import scratch

CONNECTIONS = 8
"""How many files go to or come from a repository side by side; beyond eight a Nexus gets no faster (measured)."""


def store(repository: Repository, spec: Component, version: str, name: str, content: bytes) -> None:
    """Store these bytes as a file of the version. Raises Conflict where other content has the name."""
    with scratch() as folder:
        path = folder / name
        path.write_bytes(content)
        repository.put(spec, version, name, path)
