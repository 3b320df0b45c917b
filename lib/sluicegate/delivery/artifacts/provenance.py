"""What stands beside a version's files: where they come from (in-toto, SLSA), what is in them (CycloneDX), who signed.

The statement is written before the manifest, which lists it as an attachment: attachments are checked like files, but
they are no part of what makes two publications equal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sluicegate.delivery.artifacts import signing
from sluicegate.delivery.artifacts.fetch import RESTORE, fetch_listed, store
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.errors import Conflict, IntegrityError, Malformed, NotFound, UnknownName
from sluicegate.model.config import Component, Config
from sluicegate.model.manifest import Artifact, Manifest, manifest_name
from sluicegate.model.values import Json, stamp
from sluicegate.ports import Repository
from sluicegate.tools import files
from sluicegate.tools.scratch import scratch

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:sluicegate:build:jenkins:v1"
WORKSTATION = "urn:sluicegate:builder:workstation"
LARGEST = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a publisher adds: an SBOM that a tool made, the key to sign with, and the build's parameters."""

    sbom: Path | None = None
    key: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def provenance_name(component: str, version: str) -> str:
    return f"{component}-{version}-provenance.json"


def sbom_name(component: str, version: str) -> str:
    return f"{component}-{version}-sbom.cdx.json"


def taken_names(component: str, version: str) -> frozenset[str]:
    """Names that no file of a version may have."""
    beside = (provenance_name(component, version), sbom_name(component, version))
    return frozenset((*beside, signing.signature_name(component, version), manifest_name(component, version)))


def statement(
    manifest: Manifest, origin: Origin, spec: Component, *, builder: str, parameters: Mapping[str, str]
) -> bytes:
    """An in-toto Statement with SLSA provenance; the same bytes for the same build."""
    source = _source(spec, manifest.commit)
    # What somebody from outside chose: the source, and the parameters of the build.
    external: dict[str, Json] = {"component": manifest.component, "version": manifest.version}
    external |= {"source": source} if source else {}
    external |= {"parameters": dict(parameters)} if parameters else {}
    metadata = {"invocationId": manifest.build} if manifest.build else {}
    if origin.build_started:
        metadata["startedOn"] = stamp(origin.build_started)
    value = {
        "_type": STATEMENT,
        "subject": [{"name": a.name, "digest": {"sha256": a.sha256}} for a in manifest.artifacts],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": external,
                "internalParameters": {},
                "resolvedDependencies": [{**source, "digest": {"gitCommit": manifest.commit}}] if source else [],
            },
            "runDetails": {"builder": {"id": builder}, "metadata": metadata},
        },
    }
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _source(spec: Component, commit: str) -> dict[str, str]:
    """The source as a URI with its commit; {} when no commit is known."""
    if not commit:
        return {}
    place = re.sub(r"//[^/@]*@", "//", spec.git)  # no user, no token
    scp = re.fullmatch(r"[^/@]*@([^/:]+):(.+)", place)
    place = f"ssh://{scp[1]}/{scp[2]}" if scp else place
    return {"uri": f"git+{place}@{commit}" if "://" in place else f"git+file:{place or spec.name}@{commit}"}


def check_statement(content: bytes, manifest: Manifest) -> None:
    """Raise IntegrityError unless this is provenance of exactly the manifest's files and commit."""
    where = f"the provenance of {manifest.component}={manifest.version}"
    try:
        value = json.loads(content)
        kinds = (value["_type"], value["predicateType"])
        subjects = sorted((s["name"], s["digest"]["sha256"]) for s in value["subject"])
        definition = value["predicate"]["buildDefinition"]
        commits = {d["digest"].get("gitCommit") for d in definition["resolvedDependencies"]}
        about = (definition["externalParameters"]["component"], definition["externalParameters"]["version"])
        value["predicate"]["runDetails"]["metadata"].get("invocationId")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise IntegrityError(f"{where} cannot be read: {type(problem).__name__} {problem}") from problem
    if kinds != (STATEMENT, PREDICATE):
        raise IntegrityError(f"{where} is of the kind {kinds}, expected {STATEMENT} with {PREDICATE}")
    if subjects != sorted((a.name, a.sha256) for a in manifest.artifacts) or about != (
        manifest.component,
        manifest.version,
    ):
        raise IntegrityError(f"{where} is about other files than the manifest lists")
    if commits != ({manifest.commit} if manifest.commit else set()):
        raise IntegrityError(f"{where} names another commit than {manifest.commit[:12] or 'none'}")


def read_sbom(path: Path) -> bytes:
    """A CycloneDX document in JSON, versions 1.4 to 1.7; only what tells it from something else is checked."""
    if not path.is_file():
        raise UnknownName(f"there is no SBOM {path}")
    if path.stat().st_size > LARGEST:
        raise Malformed(f"the SBOM {path} is larger than {LARGEST >> 20} MB")
    content = path.read_bytes()
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise Malformed(f"the SBOM {path} is no JSON: {problem}", hint="expected CycloneDX 1.6 in JSON") from problem
    form = (value.get("bomFormat"), value.get("specVersion")) if isinstance(value, dict) else (None, None)
    if form[0] != "CycloneDX" or form[1] not in ("1.4", "1.5", "1.6", "1.7"):
        raise Malformed(
            f"the SBOM {path} has bomFormat {form[0]!r} and specVersion {form[1]!r},"
            " expected 'CycloneDX' and '1.4' to '1.7'",
            hint="for example: cyclonedx-py environment --output-format JSON --spec-version 1.6",
        )
    return content


def builder_id(config: Config, build: str) -> str:
    """Who built: the build server, where a build's address is known, else an unnamed workstation."""
    if config.jenkins is not None and build.startswith(f"{config.jenkins.url}/"):
        return config.jenkins.url
    server = re.match(r"https?://[^/@?#\s]+(?=/|$)", build)
    return server[0] if server else WORKSTATION


def documents(config: Config, spec: Component, manifest: Manifest, origin: Origin, extras: Extras) -> dict[str, bytes]:
    """What is to stand beside the files, by its name: the SBOM where there is one, and the provenance."""
    sboms = {sbom_name(spec.name, manifest.version): read_sbom(extras.sbom)} if extras.sbom is not None else {}
    builder = builder_id(config, manifest.build)
    content = statement(manifest, origin, spec, builder=builder, parameters=extras.parameters)
    return {**sboms, provenance_name(spec.name, manifest.version): content}


def listing(manifest: Manifest, contents: Mapping[str, bytes]) -> Manifest:
    """The manifest with these documents as its attachments."""
    return replace(manifest, attachments=tuple(_artifact(name, content) for name, content in contents.items()))


def restore(
    repository: Repository, spec: Component, version: str, lost: Sequence[Artifact], contents: Mapping[str, bytes]
) -> tuple[list[str], list[str]]:
    """Put back of these attachments what is `made` as it was: its names, and notes on what is not."""
    again, notes = [], []
    for artifact in lost:
        if artifact.name in contents and _artifact(artifact.name, contents[artifact.name]) == artifact:
            store(repository, spec, version, artifact.name, contents[artifact.name])
            again.append(artifact.name)
            continue
        try:  # a listing may lag
            _standing(repository, spec, version, artifact.name)
        except NotFound:
            notes.append(f"the repository has lost {artifact.name}: {RESTORE}")
    return again, notes


def planned(
    repository: Repository, config: Config, spec: Component, manifest: Manifest, origin: Origin, extras: Extras,
    present: Collection[str],
) -> tuple[Manifest, dict[str, bytes], list[str]]:  # fmt: skip
    """The manifest that will be, what is to stand beside the files, and notes; nothing is stored.

    What a publication of the same files that broke off has left (see `present`) is taken over, so that the manifest
    becomes what it was to be. Raises Conflict when what it has left is about something else.
    """
    contents, notes = documents(config, spec, manifest, origin, extras), []
    sbom, provenance = sbom_name(spec.name, manifest.version), provenance_name(spec.name, manifest.version)
    left = {name: _standing(repository, spec, manifest.version, name) for name in (sbom, provenance) if name in present}
    if sbom in left and contents.get(sbom) != left[sbom]:  # tools write another number and time into each
        contents = {sbom: left[sbom], **{name: content for name, content in contents.items() if name != sbom}}
        notes.append(f"{spec.name}={manifest.version} has the SBOM of the publication before, which had broken off")
    if provenance in left:
        contents[provenance] = left[provenance]
        manifest = replace(manifest, build=_build_of(left[provenance], manifest))
    manifest = listing(manifest, contents)
    if signing.signature_name(spec.name, manifest.version) in present:
        _refuse_other_signature(repository, spec, manifest)
    return manifest, contents, notes


def attach(
    repository: Repository, config: Config, spec: Component, manifest: Manifest, origin: Origin, extras: Extras,
    present: Collection[str],
) -> tuple[Manifest, list[str]]:  # fmt: skip
    """Store what is planned, and the signature: the manifest, and notes. Called after the files are sent."""
    there = set(present)
    while True:
        listed, contents, notes = planned(repository, config, spec, manifest, origin, extras, there)
        late = _first_taken(repository, spec, manifest.version, contents, there)
        if not late:
            break
        there.add(late)  # by another publisher, or the listing lags: planned anew with it
    signed = signing.signature_name(spec.name, manifest.version) in there
    if extras.key and not signed and not signing.sign(repository, spec, listed, extras.key):
        _refuse_other_signature(repository, spec, listed)
    return listed, notes


def _first_taken(
    repository: Repository, spec: Component, version: str, contents: Mapping[str, bytes], there: Collection[str]
) -> str:
    """Store what is not there; the first name that turns out to be taken by something else, '' when all is stored."""
    for name, content in contents.items():
        try:
            if name not in there:
                store(repository, spec, version, name, content)
        except Conflict:
            return name
    return ""


def _standing(repository: Repository, spec: Component, version: str, name: str) -> bytes:
    with scratch() as folder:
        repository.fetch(spec, version, name, folder / name)
        return (folder / name).read_bytes()


def _build_of(content: bytes, manifest: Manifest) -> str:
    """The build that the provenance of these files is of."""
    try:
        check_statement(content, manifest)
    except IntegrityError as problem:
        raise Conflict(f"{problem.message}, and is in the way") from problem
    return str(json.loads(content)["predicate"]["runDetails"]["metadata"].get("invocationId", ""))


def _refuse_other_signature(repository: Repository, spec: Component, manifest: Manifest) -> None:
    try:
        signing.check(repository, spec, manifest)
    except IntegrityError as problem:
        raise Conflict(f"a signature of something else is in the way: {problem.message}") from problem


def _artifact(name: str, content: bytes) -> Artifact:
    return Artifact(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def check_attachments(repository: Repository, spec: Component, manifest: Manifest) -> None:
    """Fetch what stands beside the files and compare it. A version of before has nothing beside it."""
    with scratch() as folder:
        for attachment in manifest.attachments:
            path = folder / attachment.name
            fetch_listed(repository, spec, manifest.version, attachment.name, path)
            if files.sha256(path) != attachment.sha256:
                raise IntegrityError(
                    f"{attachment.name} is not what the manifest of {spec.name}={manifest.version} lists", hint=RESTORE
                )
            if attachment.name == provenance_name(spec.name, manifest.version):
                check_statement(path.read_bytes(), manifest)
