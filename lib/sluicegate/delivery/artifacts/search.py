"""Find versions by what the ledger knows of them, and show one with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sluicegate.delivery.answers.history import Entry
from sluicegate.delivery.artifacts.fetch import recorded_manifest
from sluicegate.delivery.book.state import State
from sluicegate.errors import UsageError
from sluicegate.model.evidence import Built
from sluicegate.model.manifest import Artifact, Manifest, manifest_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A version that was found, and by what: `coverage=87`, `sha256 of auth-1.4.2.tar.gz`."""

    component: str
    version: str
    commit: str
    built: str
    why: tuple[str, ...]


def search(state: State, text: str) -> tuple[Hit, ...]:
    """Versions whose name, files, checksums, commit, author, figures, issues or subjects hold `text`; newest first.

    Checksums and commits are compared from their beginning, all else anywhere, small and capital letters alike.
    """
    wanted = text.strip().lower()
    if not wanted:
        raise UsageError("name something to search for: a part of a name, a version, a checksum, a commit, a figure")
    hits: list[tuple[Built, Hit]] = []
    for component in state.config.components:
        for version in state.versions(component):
            built = state.story(component, version).latest(Built)
            if built is None:
                continue
            why = tuple(dict.fromkeys(_matches(component, version, built, wanted)))
            if why:
                commit, at = built.commit, f"{built.at:%Y-%m-%d %H:%M:%S}"
                hits.append((built, Hit(component=component, version=version, commit=commit, built=at, why=why)))
    return tuple(hit for _, hit in sorted(hits, key=lambda pair: pair[0].at, reverse=True))


def _matches(component: str, version: str, built: Built, wanted: str) -> Iterator[str]:
    if wanted in f"{component}={version}".lower():
        yield "name"
    if built.manifest.startswith(wanted):
        yield "manifest"
    if built.commit.startswith(wanted):
        yield "commit"
    if wanted in built.author.lower():
        yield "author"
    for artifact in built.artifacts:
        if wanted in artifact.name.lower():
            yield artifact.name
        if artifact.sha256.startswith(wanted):
            yield f"sha256 of {artifact.name}"
    for name, value in built.figures.items():
        if wanted in f"{name}={value}".lower():
            yield f"{name}={value}"
    for text in (*built.issues, *built.subjects):
        if wanted in text.lower():
            yield text


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A version: its manifest, the address of each file, and its evidence, newest first."""

    manifest: Manifest
    addresses: Mapping[str, str]
    figures: Mapping[str, str]
    subjects: tuple[str, ...]
    issues: tuple[str, ...]
    evidence: tuple[Entry, ...]

    @property
    def files(self) -> tuple[Artifact, ...]:
        return (*self.manifest.artifacts, *self.manifest.attachments)


def show(state: State, component: str, version: str) -> Shown:
    """Read a version's manifest from its repository, and its story from the ledger."""
    spec = state.component(component)
    built = state.built(component, version)
    repository = state.drivers.repository(state.config, spec.repository)
    manifest = recorded_manifest(state, component, version)
    names = [*(a.name for a in (*manifest.artifacts, *manifest.attachments)), manifest_name(component, version)]
    story = reversed(state.story(component, version))
    return Shown(
        manifest=manifest,
        addresses={name: repository.address(spec, version, name) for name in names},
        figures=built.figures,
        subjects=built.subjects,
        issues=built.issues,
        evidence=tuple(Entry(subject=f"{component}={version}", record=record) for record in story),
    )
