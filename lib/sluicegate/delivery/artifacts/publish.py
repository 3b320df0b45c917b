"""Publish a version's files once, provably.

Longer than a module should be: a publication and its way from what broke off to what stands read as one story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sluicegate.delivery.artifacts import signing
from sluicegate.delivery.artifacts.commits import Commits, read_commits
from sluicegate.delivery.artifacts.fetch import CONNECTIONS, RESTORE, read_manifest, recorded_manifest, store
from sluicegate.delivery.artifacts.fitness import inspect
from sluicegate.delivery.artifacts.naming import hashed, named_files, refuse_spelling, stamped
from sluicegate.delivery.artifacts.provenance import Extras, attach, documents, planned, restore, sbom_name, taken_names
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.errors import Conflict, IntegrityError, PartlyDone, RemoteUnavailable, SluicegateError
from sluicegate.model import snapshots
from sluicegate.model.config import Component
from sluicegate.model.evidence import Built
from sluicegate.model.manifest import Artifact, Manifest, manifest_name
from sluicegate.ports import Repository
from sluicegate.tools import files as tool_files
from sluicegate.tools.parallel import each
from sluicegate.tools.scratch import scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What `publish` did.

    The manifest, where it is, whether it was there already; which files it put back, whether it signed; and `notes` on
    what was not as asked.
    """

    manifest: Manifest
    addresses: tuple[str, ...] = ()
    existed: bool = False
    again: tuple[str, ...] = ()
    signed: bool = False
    notes: tuple[str, ...] = ()


def publish(
    repo: DeliveryRepo, component: str, version: str, paths: Sequence[Path], origin: Origin, *,
    extras: Extras | None = None, connections: int = CONNECTIONS, any_version: bool = False, dry_run: bool = False,
) -> Published:  # fmt: skip
    """Upload files, then the manifest, then record *built*. Equal content again is fine, other content a Conflict.

    Files are hashed while they are sent; only those of a version that is published already are hashed alone. A SNAPSHOT
    becomes a version of its own, which the answer's manifest names. With `any_version` packages may
    have another version of their own.
    """
    state = repo.state()
    spec = state.config.component(component)
    version = stamped(state, spec, version, paths, origin.commit)
    state.refuse_pruned(component, version)
    named, doubts = named_files(component, version, paths), tuple[str, ...]()
    if not state.story(component, version):
        refuse_spelling(state, spec, version)
        doubts = inspect(state, spec, version, named, any_version=any_version)
    repository = state.drivers.repository(state.config, spec.repository)
    job = _Job(
        state=state, repository=repository, spec=spec, version=version, named=named,
        present=repository.names(spec, version), origin=origin, extras=extras or Extras(), connections=connections,
        dry_run=dry_run,
    )  # fmt: skip
    published = job.again() if manifest_name(component, version) in job.present else job.first()
    commits = Commits()
    if not job.recorded:
        commits = read_commits(state, spec, version, published.manifest.commit, origin.folder)
    if not dry_run:
        if not job.recorded:
            repo.change(_record(published.manifest, origin, commits), f"publish {component}={version}")
        # asked anew, and for what was recorded before too: others publish meanwhile, and a publication may have died
        _announce(repo, repository, spec)
    addresses = tuple(repository.address(spec, version, artifact.name) for artifact in published.manifest.artifacts)
    return replace(
        published, addresses=addresses, existed=job.recorded, notes=(*doubts, *published.notes, *commits.notes)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A version that is to be published; `present` is what stands in the repository under it."""

    state: State
    repository: Repository
    spec: Component
    version: str
    named: Mapping[str, Path]
    present: Sequence[str]
    origin: Origin
    extras: Extras
    connections: int
    dry_run: bool

    @property
    def called(self) -> str:
        return f"{self.spec.name}={self.version}"

    @property
    def recorded(self) -> bool:
        return self.state.story(self.spec.name, self.version).has(Built)

    def first(self) -> Published:
        """Store everything, the manifest last. What a publication that broke off has left is completed."""
        notes = self._refuse_lost()
        if self.extras.key:
            signing.try_key(self.extras.key)  # before anything is sent: what is sent may never be sent otherwise
        strays = sorted(set(self.present) - set(self.named) - taken_names(self.spec.name, self.version))
        notes += [f"{name} stands beside the files of {self.called}, and is no part of it" for name in strays]
        manifest = self._manifest(hashed(self.named) if self.dry_run else self._upload())
        facts = (self.repository, self.state.config, self.spec, manifest, self.origin, self.extras, self.present)
        try:
            if self.dry_run:
                self._compare(manifest.artifacts)
                manifest, _, taken = planned(*facts)
            else:
                manifest, taken = attach(*facts)
        except Conflict as problem:
            raise self._left(problem) from problem
        if not self.dry_run:
            store(
                self.repository,
                self.spec,
                self.version,
                manifest_name(self.spec.name, self.version),
                manifest.content(),
            )
        notes += taken
        return Published(manifest=manifest, signed=bool(self.extras.key), notes=tuple(notes))

    def again(self) -> Published:
        """Compare with what stands, put back what the repository has lost, and sign what nobody has signed yet."""
        # What counts is the manifest on record, or the one that a broken publication left.
        if self.recorded:
            standing = recorded_manifest(self.state, self.spec.name, self.version)
        else:
            standing = read_manifest(self.repository, self.spec, self.version)
        mine = self._manifest(hashed(self.named))
        if standing.artifacts != mine.artifacts:
            raise Conflict(_difference(standing, mine), hint="publish the change under a new version")
        # Put back what the repository has lost of it.
        again = sorted(set(self.named) - set(self.present))
        notes = self._kept(standing)
        self._store_again(mine.artifacts)
        lost = [attachment for attachment in standing.attachments if attachment.name not in self.present]
        if lost and not self.dry_run:
            begun = self.state.built(self.spec.name, self.version).build_started if self.recorded else None
            origin = replace(self.origin, build_started=begun or self.origin.build_started)
            contents = documents(self.state.config, self.spec, standing, origin, self.extras)
            restored, missing = restore(self.repository, self.spec, self.version, lost, contents)
            again, notes = again + restored, notes + missing
        # Sign it where nobody has; else say whose signature stands.
        signed = bool(self.extras.key) and self._sign(standing)
        if self.extras.key and not signed:
            signer = signing.check(self.repository, self.spec, standing)
            notes.append(f"{self.called} is signed already, by {signer}")
        return Published(manifest=standing, again=tuple(again), signed=signed, notes=tuple(notes))

    def _sign(self, standing: Manifest) -> bool:
        """Sign what stands; False when that was done before."""
        if signing.signature_name(self.spec.name, self.version) in self.present:
            return False
        if self.dry_run:
            signing.try_key(self.extras.key)
            return True
        return signing.sign(self.repository, self.spec, standing, self.extras.key)

    def _store_again(self, artifacts: tuple[Artifact, ...]) -> None:
        """Every file once more: the driver skips what is there as it was published. A dry run compares that."""
        try:
            if self.dry_run:
                self._compare(artifacts)
            else:
                self._upload()
        except Conflict as problem:
            raise IntegrityError(
                f"{self.called} is not any more what was published: {problem.message}", hint=RESTORE
            ) from problem

    def _kept(self, standing: Manifest) -> list[str]:
        """What was given now and differs from the first publication, which is not changed."""
        notes = []
        if self.origin.commit and standing.commit and self.origin.commit != standing.commit:
            notes.append(f"{self.called} keeps its first commit: {standing.commit[:12]}")
        if self.extras.sbom is not None:
            name = sbom_name(self.spec.name, self.version)
            before = [attachment.sha256 for attachment in standing.attachments if attachment.name == name]
            if before != [tool_files.sha256(self.extras.sbom)]:
                notes.append(f"{self.called} keeps {'its first SBOM' if before else 'having no SBOM'}")
        figures = self.state.built(self.spec.name, self.version).figures if self.recorded else {}
        if self.recorded and self.origin.figures and dict(self.origin.figures) != figures:
            kept = ", ".join(f"{name}={value}" for name, value in figures.items())
            notes.append(f"{self.called} keeps {f'its first figures: {kept}' if kept else 'having no figures'}")
        return notes

    def _manifest(self, artifacts: tuple[Artifact, ...]) -> Manifest:
        return Manifest(
            component=self.spec.name, version=self.version, artifacts=artifacts, commit=self.origin.commit,
            author=self.origin.author, build=self.origin.build,
        )  # fmt: skip

    def _compare(self, artifacts: tuple[Artifact, ...]) -> None:
        """Raise Conflict for a file that stands there with other content."""
        with scratch() as folder:
            there = folder / "there"
            for artifact in (artifact for artifact in artifacts if artifact.name in self.present):
                self.repository.fetch(self.spec, self.version, artifact.name, there)
                if tool_files.sha256(there) != artifact.sha256:
                    raise Conflict(f"{artifact.name} is there with other content")
                there.unlink()

    def _refuse_lost(self) -> list[str]:
        """A version stays what it was even when the repository has lost it: its number goes to no other content.

        A repository that is not there, as one that is not mounted, is not taken for a new one; one that lacks the
        newest version may be another one than before, which is noted.
        """
        if self.recorded:
            raise IntegrityError(
                f"{self.called} was published, and the repository has lost it",
                hint="restore the repository from its backup, or publish under a new version",
            )
        same = [
            component
            for component in self.state.config.components.values()
            if component.repository == self.spec.repository
        ]
        for component in (self.spec, *same):  # the first publication of a component: others tell of a lost mount
            if known := self.state.versions(component.name):
                try:
                    read_manifest(self.repository, component, known[-1])
                except IntegrityError as problem:
                    doubt = f"is the repository another one than before? {problem.message}"
                    return [doubt] if component.name == self.spec.name else []
                break
        return []

    def _left(self, problem: Conflict) -> Conflict:
        """What is in the way of a version that was never announced."""
        return Conflict(
            f"{problem.message}; {self.called} itself was never announced",
            hint="another publication is under way or has broken off: "
            + (
                "run the same again, it takes the next number"
                if snapshots.base(self.version)
                else "publish the files of then, or a new version"
            ),
        )

    def _upload(self) -> tuple[Artifact, ...]:
        """All files, the largest first; what is there with the same content is skipped by the driver."""

        def put(name: str) -> Artifact:
            return self.repository.put(self.spec, self.version, name, self.named[name])

        names = sorted(self.named, key=lambda name: (-self.named[name].stat().st_size, name))
        results = each(names, put, self.connections)
        done, problem = results.done, results.first_failure
        if isinstance(problem, Conflict) and not self.recorded:
            others = set(self.repository.names(self.spec, self.version)) & set(self.named) - set(done)
            raise (self._left(problem) if others else problem) from problem
        if problem is not None:
            raise _stopped(problem, done, self.named) from problem
        return tuple(done[name] for name in sorted(done))


def _announce(repo: DeliveryRepo, repository: Repository, spec: Component) -> None:
    """Announce what the ledger has; again when another version was published meanwhile, or its list would win."""
    announced: list[str] = []
    while (known := repo.state().versions(spec.name)) != announced:
        repository.announce(spec, known)
        announced = known


def _difference(standing: Manifest, manifest: Manifest) -> str:
    old = {a.name: a.sha256 for a in standing.artifacts}
    new = {a.name: a.sha256 for a in manifest.artifacts}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return f"{manifest.component}={manifest.version} is published with other content: {', '.join(names)} differ"


def _stopped(problem: Exception, done: Mapping[str, Artifact], named: Mapping[str, Path]) -> Exception:
    """The failure as it is, but for a plain one half-way: that lists what is done and what is not."""
    if isinstance(problem, SluicegateError) and problem.exit_code in (1, 2) and done:
        undone = sorted(set(named) - set(done))
        lines = [f"{problem.message}; {len(done)} of {len(named)} files are stored, the version is not announced"]
        lines += [f"  stored: {name}" for name in sorted(done)] + [f"  not stored: {name}" for name in undone]
        return PartlyDone("\n".join(lines), hint=f"{problem.hint}; then run the same again: it completes the rest")
    if isinstance(problem, RemoteUnavailable) and done:
        problem.hint += (
            f"; then run the same again: {len(done)} of {len(named)} files are stored, it completes the rest"
        )
    return problem


def _record(manifest: Manifest, origin: Origin, commits: Commits) -> Callable[[State, Draft], None]:
    def decide(state: State, draft: Draft) -> None:
        for before in state.story(manifest.component, manifest.version).of(Built):
            if before.manifest != manifest.sha256:
                raise Conflict(f"{manifest.component}={manifest.version} was published by someone else first")
            return
        built = Built(
            manifest=manifest.sha256,
            commit=manifest.commit,
            author=manifest.author,
            address=origin.address if origin.author == manifest.author else "",
            build=manifest.build,
            artifacts=manifest.artifacts,
            committed=origin.committed if origin.commit == manifest.commit else None,
            build_started=origin.build_started if origin.build == manifest.build else None,
            figures=dict(origin.figures or {}),
            subjects=commits.subjects,
            issues=commits.issues,
        )
        draft.note(manifest.component, manifest.version, built)

    return decide
