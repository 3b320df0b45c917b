"""What is special to a real Nexus: its messages, Maven's files, packages of apt by the server's own specification."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import subprocess
import tarfile
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.errors import ConfigError, Conflict, Denied, UsageError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Artifact, Manifest
from sluicegate.model.settings import Plain
from sluicegate.ports import Repository
from sluicegate.repositories.nexus import NexusRepository
from tests.parts import AUTH, CONFIG, settings
from tests.real.needs import needs
from tests.real.servers import CALLER, Nexus

real = pytest.mark.real


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "built"
    path.write_bytes(os.urandom(1000))
    return path


@real
def test_what_stands_beside_the_files_is_seen_at_once_by_another_process(nexus: Nexus, source: Path) -> None:
    """The listing lags by seconds; a signature that was just published is not left out of a copy."""
    component = Component(name=f"c{secrets.token_hex(4)}", repository="releases", group="com.example")
    here, there = (nexus.repository("releases", "maven2") for _ in range(2))
    manifest = source.with_name(f"{component.name}-1.0-manifest.json")
    names = [f"{component.name}-1.0{rest}" for rest in (".zip", "-provenance.json", "-manifest.json.asc")]
    built, beside = (Artifact(name=name, size=1, sha256="0" * 64) for name in names[:2])
    facts = {"component": component.name, "version": "1.0", "commit": "", "author": "", "build": ""}
    manifest.write_bytes(Manifest(artifacts=(built,), attachments=(beside,), **facts).content())
    for name in names:
        here.put(component, "1.0", name, source)
    here.put(component, "1.0", manifest.name, manifest)
    assert there.names(component, "1.0") == tuple(sorted([*names, manifest.name]))
    there.remove(component, "1.0")
    assert nexus.repository("releases", "maven2").names(component, "1.0") == ()


@real
def test_in_a_strict_release_repository_metadata_follows_every_version(nexus: Nexus, source: Path) -> None:
    component = Component(name=f"c{secrets.token_hex(4)}", repository="releases", group="com.example")
    repository = nexus.repository("releases", "maven2")
    listed: list[str] = []
    for version in ("1.0", "1.1", "1.2-rc1"):
        name = f"{component.name}-{version}.zip"
        sent = repository.put(component, version, name, source)
        listed.append(version)
        repository.announce(component, listed)
        assert sent.size == 1000
    base = f"/repository/releases/com/example/{component.name}"
    metadata = nexus.server().ask("GET", f"{base}/maven-metadata.xml").body
    tree = ElementTree.fromstring(metadata)
    assert [version.text for version in tree.iterfind("versioning/versions/version")] == listed
    assert tree.findtext("versioning/release") == "1.1"
    for kind in ("sha1", "md5", "sha256"):
        assert len(nexus.server().ask("GET", f"{base}/maven-metadata.xml.{kind}").body) in (40, 32, 64)
    sum_ = nexus.server().ask("GET", f"{base}/1.0/{component.name}-1.0.zip.sha1").body
    assert len(sum_) == 40


@real
@pytest.mark.parametrize(
    ("repository", "version", "name", "message"),
    [
        ("releases", "1.0", "a.zip", "Invalid mavenPath"),
        ("releases", "1.0-SNAPSHOT", "auth-1.0-SNAPSHOT.zip", "version policy"),
        ("no-such-repository", "1.0", "auth-1.0.zip", "Repository not found"),
    ],
)
def test_a_refusal_carries_the_reason(
    nexus: Nexus, source: Path, repository: str, version: str, name: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        nexus.repository(repository, "maven2").put(AUTH, version, name, source)
    assert caught.value.hint


@real
@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_wrong_credentials_are_denied_and_not_shown(
    nexus: Nexus, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "large"
    source.write_bytes(os.urandom(size))
    monkeypatch.setenv("SLUICEGATE_RELEASES_USER", "admin")
    monkeypatch.setenv("SLUICEGATE_RELEASES_PASSWORD", "wrong-and-secret")
    values: dict[str, Plain] = {"url": nexus.url, "repository": "raw", "format": "raw", "credentials": "env"}
    repository = NexusRepository.configure("releases", settings(**values), CONFIG)
    with pytest.raises(Denied, match="asked as admin") as caught:
        repository.put(AUTH, secrets.token_hex(4), "a.zip", source)
    assert "secret" not in f"{caught.value!r} {caught.value.message} {caught.value.hint}"


def deb(folder: Path, package: str, version: str, content: bytes) -> Path:
    """A package for apt, made by hand: an ar of two tars."""

    def tar(name: str, data: bytes) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        return gzip.compress(stream.getvalue(), mtime=0)

    control = (
        f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: x\n"
    )
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar("./control", control.encode()),
        "data.tar.gz": tar("./usr/share/x", content),
    }
    path = folder / f"{package}_{version}_all.deb"
    archive = b"!<arch>\n"
    for name, data in members.items():
        archive += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    path.write_bytes(archive)
    return path


@real
def test_a_package_for_apt_goes_where_the_server_says_and_comes_back(nexus: Nexus, tmp_path: Path) -> None:
    beside = nexus.create("raw")
    repository: Repository = nexus.repository("apt", "apt", beside=beside)
    name = f"c{secrets.token_hex(4)}"
    component = Component(name=name, repository="apt")
    package = deb(tmp_path, name, "1.0", b"one")
    (tmp_path / "note").write_bytes(b"{}")
    sent = repository.put(component, "1.0", package.name, package)
    assert sent == repository.put(component, "1.0", package.name, package)
    repository.put(component, "1.0", "manifest.json", tmp_path / "note")
    assert repository.names(component, "1.0") == (package.name, "manifest.json")
    repository.fetch(component, "1.0", package.name, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == package.read_bytes()
    assert f"Package: {name}\n" in package_index(nexus, name)
    changed_package = deb(tmp_path / "..", name, "1.0", b"other")
    with pytest.raises(Conflict, match="already published"):
        repository.put(component, "1.0", package.name, changed_package)
    changed_package.unlink()
    repository.remove(component, "1.0")
    assert repository.names(component, "1.0") == ()
    assert nexus.server().ask("GET", f"/repository/apt/pool/c/{name}/{package.name}").status == 404


def package_index(nexus: Nexus, name: str) -> str:
    """What `apt-get update` reads, once the server has written it anew."""
    for _ in range(60):
        index = nexus.server().ask("GET", "/repository/apt/dists/bookworm/main/binary-all/Packages").body.decode()
        if name in index:
            return index
        time.sleep(0.25)
    return index


@real
def test_equal_packages_by_two_publishers_are_no_conflict_and_other_ones_are(nexus: Nexus, tmp_path: Path) -> None:
    """The second publisher knows nothing of the first: the Nexus alone says that the path is taken."""
    name = f"c{secrets.token_hex(4)}"
    component = Component(name=name, repository="apt")
    package = deb(tmp_path, name, "1.0", b"one")
    first: Repository = nexus.repository("apt", "apt", beside=nexus.create("raw"))
    second: Repository = nexus.repository("apt", "apt", beside=nexus.create("raw"))
    sent = first.put(component, "1.0", package.name, package)
    assert second.put(component, "1.0", package.name, package) == sent
    third: Repository = nexus.repository("apt", "apt", beside=nexus.create("raw"))
    with pytest.raises(Conflict, match="already published"):
        third.put(component, "1.0", package.name, deb(tmp_path, name, "1.0", b"other"))


@real
def test_a_format_that_the_server_lacks_is_named(nexus: Nexus, tmp_path: Path, source: Path) -> None:
    repository: Repository = nexus.repository("yum", "yum", beside="raw")
    with pytest.raises(UsageError, match="takes no uploads of the format 'yum'"):
        repository.put(AUTH, secrets.token_hex(4), "a.rpm", source)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "https://user:secret@x"}, "without a user"),
        ({"url": "ftp://x"}, "not of the form"),
        ({"url": "https://x", "repository": "a/b"}, "the name of a repository"),
        ({"url": "https://x", "format": "apt"}, "'beside' is missing"),
        ({"url": "https://x", "format": "cran", "beside": "raw"}, "add 'packages'"),
        ({"url": "https://x", "format": "raw", "fields": {"a": "b"}}, "belongs to formats"),
        ({"url": "https://x", "credentials": "password"}, "expected one of: netrc, env, none"),
        ({"url": "https://x", "credentials": {"env": ("A", "B", "C")}}, "variables of user and password"),
        ({"url": "https://x", "credentials": {"env": "A", "file": "x"}}, "needs one of"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        NexusRepository.configure("releases", settings(**wrong), CONFIG)
    assert "secret" not in str(caught.value)


@real
def test_maven_gets_the_newest_publication_of_a_snapshot(nexus: Nexus, tmp_path: Path) -> None:
    """A strict repository of the policy SNAPSHOT takes it, and mvn finds it, knowing nothing but 1.4.2-SNAPSHOT."""
    needs("mvn")
    component = Component(name=f"c{secrets.token_hex(4)}", repository="releases", group="com.example")
    repository = nexus.repository("releases", "maven2", snapshots="snapshots")
    known: list[str] = []
    for version, content in (
        ("1.4.1", b"released"),
        ("1.4.2-20261123.093012-1", b"one"),
        ("1.4.2-20261123.101500-2", b"two"),
    ):
        source = tmp_path / f"{component.name}-{version}.jar"
        source.write_bytes(content)
        repository.put(component, version, source.name, source)
        known.append(version)
        repository.announce(component, known)
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    artifact = f"com.example:{component.name}:1.4.2-SNAPSHOT:jar"
    (tmp_path / "settings.xml").write_text(
        "<settings><profiles><profile><id>test</id><repositories><repository><id>test</id>"
        f"<url>{nexus.url}/repository/snapshots</url><snapshots><enabled>true</enabled></snapshots>"
        "</repository></repositories></profile></profiles>"
        "<activeProfiles><activeProfile>test</activeProfile></activeProfiles></settings>"
    )
    done = subprocess.run(
        ["mvn", "-q", "-B", "-s", str(tmp_path / "settings.xml"), goal, f"-Dartifact={artifact}",
         f"-DoutputDirectory={tmp_path}/out"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path, env=CALLER,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    (newest,) = (tmp_path / "out").iterdir()
    assert newest.read_bytes() == b"two"
    listed = nexus.server().ask("GET", f"/repository/releases/com/example/{component.name}/maven-metadata.xml").body
    assert [v.text for v in ElementTree.fromstring(listed).iterfind("versioning/versions/version")] == [
        "1.4.1", "1.4.2-SNAPSHOT"
    ]  # fmt: skip
