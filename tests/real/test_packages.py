"""Packages that our repositories serve are installed by the real apt and dnf, and are the ones that were published."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluicegate.errors import ConfigError, Conflict, Malformed, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.settings import Plain
from sluicegate.repositories.apt import AptRepository
from sluicegate.repositories.yum import YumRepository
from sluicegate.tools import door
from tests.parts import AUTH, CONFIG, PORTAL, settings
from tests.real.gateway import Server
from tests.real.needs import needs

pytestmark = pytest.mark.real


def run(*words: str | Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, capture_output=True, text=True, check=check, timeout=100, env={**os.environ, "LC_ALL": "C", **more}
    )


def deb(folder: Path, name: str, version: str, content: str) -> Path:
    """A package with one file, /usr/share/NAME/answer."""
    needs("dpkg-deb")
    tree = folder / f"{name}-{version}-{content}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share" / name).mkdir(parents=True)
    (tree / "usr/share" / name / "answer").write_text(content)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: ci@example.com\nDescription: a test\n"
    )
    package = folder / f"{name}_{version}_all-{content}.deb"
    run("dpkg-deb", "--build", "--root-owner-group", tree, package)
    return package


def rpm(folder: Path, name: str, version: str, content: str) -> Path:
    needs("rpmbuild")
    spec = folder / f"{name}.spec"
    spec.write_text(
        f"Name: {name}\nVersion: {version}\nRelease: 1\nSummary: a test\nLicense: none\nBuildArch: noarch\n"
        f"%description\na test\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n"
        f"printf %s '{content}' > %{{buildroot}}/usr/share/{name}/answer\n%files\n/usr/share/{name}/answer\n"
    )
    run("rpmbuild", "-bb", "--quiet", "-D", f"_topdir {folder}/rpmbuild", spec)
    return folder / f"rpmbuild/RPMS/noarch/{name}-{version}-1.noarch.rpm"


class Apt:
    """apt and dpkg with a root of their own."""

    def __init__(self, folder: Path, source: str) -> None:
        needs("apt-get", "dpkg")
        self.root = folder / "root"
        for place in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/apt/lists/partial",
                      "var/cache/apt/archives/partial", "etc/apt", "var/log/apt"):  # fmt: skip
            (self.root / place).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "etc/apt/sources.list").write_text(source + "\n")

    def get(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        places = {
            "Dir": str(self.root),
            "Dir::State::status": str(self.root / "var/lib/dpkg/status"),
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "1",
        }
        options = [part for name, value in places.items() for part in ("-o", f"{name}={value}")]
        for option in (f"--root={self.root}", "--force-not-root", "--log=/dev/null"):
            options += ["-o", f"Dpkg::Options::={option}"]
        # the methods that fetch are the system's own
        options += ["-o", "Dir::Bin::methods=/usr/lib/apt/methods", "-o", "Dir::Bin::dpkg=/usr/bin/dpkg"]
        return run("apt-get", "-y", *options, *words, check=check, PATH=f"/usr/sbin:/sbin:{os.environ['PATH']}")

    def answer(self, name: str) -> str:
        return (self.root / "usr/share" / name / "answer").read_text()


@pytest.fixture
def apt(tmp_path: Path) -> AptRepository:
    needs("aptly")
    return AptRepository.configure("releases", settings(path=str(tmp_path / "apt"), distribution="bookworm"), CONFIG)


@pytest.fixture
def yum(tmp_path: Path) -> YumRepository:
    needs("createrepo_c", "rpm")
    return YumRepository.configure("releases", settings(path=str(tmp_path / "yum")), CONFIG)


def test_apt_installs_exactly_what_was_published(apt: AptRepository, tmp_path: Path) -> None:
    packages = {version: deb(tmp_path, "shop", version, f"answer-{version}") for version in ("1.0", "1.10", "1.9")}
    for version, package in packages.items():
        apt.put(AUTH, version, package.name, package)
    apt.announce(AUTH, ["1.0", "1.9"])
    machine = Apt(tmp_path, f"deb [trusted=yes] file:{apt.path} bookworm main")
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "answer-1.9", "1.10 is not announced yet"
    apt.announce(AUTH, ["1.0", "1.9", "1.10"])
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "answer-1.10"
    machine.get("install", "--allow-downgrades", "shop=1.0")
    assert machine.answer("shop") == "answer-1.0"
    served = sorted((apt.path / "pool").rglob("*.deb"))
    assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in served} == {
        hashlib.sha256(p.read_bytes()).hexdigest() for p in packages.values()
    }


def test_what_is_no_longer_announced_cannot_be_installed(apt: AptRepository, tmp_path: Path) -> None:
    for component, name, version in ((AUTH, "auth", "1.0"), (AUTH, "auth", "1.1"), (PORTAL, "portal", "1.0")):
        package = deb(tmp_path, name, version, f"{name}-{version}")
        apt.put(component, version, package.name, package)
    apt.announce(AUTH, ["1.0", "1.1"])
    apt.announce(PORTAL, ["1.0"])
    apt.announce(AUTH, ["1.1"])
    apt.remove(AUTH, "1.0")
    machine = Apt(tmp_path, f"deb [trusted=yes] file:{apt.path} bookworm main")
    machine.get("update")
    assert "was not found" in machine.get("install", "auth=1.0", check=False).stderr
    machine.get("install", "auth=1.1", "portal=1.0")
    assert (machine.answer("auth"), machine.answer("portal")) == ("auth-1.1", "portal-1.0")


def test_a_signed_repository_is_trusted_by_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("aptly", "gpg", "gpgv")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", "ci@example.com", "rsa3072", "sign", "never")
    public = tmp_path / "ci.asc"
    public.write_text(run("gpg", "--armor", "--export", "ci@example.com").stdout)
    signed = settings(path=str(tmp_path / "apt"), distribution="bookworm", key="ci@example.com")
    repository = AptRepository.configure("releases", signed, CONFIG)
    package = deb(tmp_path, "shop", "1.0", "signed")
    repository.put(AUTH, "1.0", package.name, package)
    repository.announce(AUTH, ["1.0"])
    run("gpgconf", "--kill", "all")
    machine = Apt(tmp_path, f"deb [signed-by={public}] file:{repository.path} bookworm main")
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "signed"
    unsigned = AptRepository.configure(
        "releases", settings(path=str(tmp_path / "apt"), distribution="bookworm"), CONFIG
    )
    better = deb(tmp_path, "shop", "1.1", "unsigned")
    unsigned.put(AUTH, "1.1", better.name, better)
    unsigned.announce(AUTH, ["1.0", "1.1"])
    machine = Apt(tmp_path / "other", f"deb [trusted=yes] file:{repository.path} bookworm main")
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "unsigned"


def test_other_content_under_a_package_version_is_a_conflict_and_blocks_nobody(
    apt: AptRepository, yum: YumRepository, tmp_path: Path
) -> None:
    for repository, make in ((apt, deb), (yum, rpm)):
        for number, content in (("1.0", "one"), ("1.1", "one"), ("1.2", "other")):
            folder = tmp_path / f"{make.__name__}-{number}"
            folder.mkdir()
            package = Path(shutil.copy(make(folder, "shop", "7", "one"), folder / f"shop-{number}.{make.__name__}"))
            if content == "other":
                package = make(folder, "shop", "7", content)
                with pytest.raises(Conflict, match=r"shop.7.* already published with other content"):
                    repository.put(PORTAL, number, f"portal-{number}.{make.__name__}", package)
                assert repository.names(PORTAL, number) == ()
            elif number == "1.0":
                first = package
                repository.put(AUTH, number, first.name, first)
            else:  # the same package may be part of another version
                repository.put(AUTH, number, package.name, first)
        repository.announce(AUTH, ["1.0", "1.1"])
        better = make(tmp_path / f"{make.__name__}-1.2", "shop", "8", "other")
        repository.put(PORTAL, "1.2", better.name, better)
        repository.announce(PORTAL, ["1.2"])


def test_the_index_keeps_what_was_listed_without_a_mark(yum: YumRepository, tmp_path: Path) -> None:
    """As the lists of before were."""
    for component in (AUTH, PORTAL):
        package = rpm(tmp_path, component.name, "1.0", component.name)
        yum.put(component, "1.0", package.name, package)
        yum.announce(component, ["1.0"])
    for place in (yum.path / ".index").glob("*.list"):
        place.write_text("".join(f"{line.partition(chr(9))[0]}\t\n" for line in place.read_text().splitlines()))
    (yum.path / ".index/marks").unlink()
    yum.announce(AUTH, ["1.0"])
    dnf(tmp_path, yum, "install", "auth", "portal")


def test_a_package_that_would_not_be_indexed_is_refused(apt: AptRepository, tmp_path: Path) -> None:
    package = deb(tmp_path, "shop", "1.0", "x")
    control = tmp_path / "shop-1.0-x/DEBIAN/control"
    control.write_text(control.read_text().replace("Architecture: all", "Architecture: arm64"))
    run("dpkg-deb", "--build", "--root-owner-group", tmp_path / "shop-1.0-x", package)
    with pytest.raises(UsageError, match="is for arm64, and the repository indexes amd64"):
        apt.put(AUTH, "1.0", package.name, package)


def test_the_mark_of_a_pruned_package_is_free(apt: AptRepository, tmp_path: Path) -> None:
    for number, content in (("1.0", "one"), ("1.1", "other")):
        package = deb(tmp_path, "shop", "7", content)
        apt.put(AUTH, number, package.name, package)
        apt.announce(AUTH, [number])
        apt.announce(AUTH, [])
        apt.remove(AUTH, number)


def test_a_repository_whose_first_signing_failed_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("aptly", "gpg")
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    generate = ("gpg", "--batch", "--passphrase", "", "--quick-gen-key")
    run(*generate, "other@example.com", "rsa3072", "sign", "never")
    signed = settings(path=str(tmp_path / "apt"), distribution="bookworm", key="ci@example.com")
    repository = AptRepository.configure("releases", signed, CONFIG)
    package = deb(tmp_path, "shop", "1.0", "signed")
    repository.put(AUTH, "1.0", package.name, package)
    with pytest.raises(SluicegateError, match="gpg") as caught:
        repository.announce(AUTH, ["1.0"])
    assert "secret-keys" in caught.value.hint
    run(*generate, "ci@example.com", "rsa3072", "sign", "never")
    repository.announce(AUTH, ["1.0"])
    public = tmp_path / "ci.asc"
    public.write_text(run("gpg", "--armor", "--export", "ci@example.com").stdout)
    run("gpgconf", "--kill", "all")
    machine = Apt(tmp_path, f"deb [signed-by={public}] file:{repository.path} bookworm main")
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "signed"


def test_what_is_no_package_is_refused_before_it_is_stored(
    apt: AptRepository, yum: YumRepository, tmp_path: Path
) -> None:
    for repository, ending in ((apt, "deb"), (yum, "rpm")):
        fake = tmp_path / f"fake.{ending}"
        fake.write_text("not a package")
        with pytest.raises(Malformed, match="is no"):
            repository.put(AUTH, "1.0", fake.name, fake)
        assert repository.names(AUTH, "1.0") == ()


def dnf(folder: Path, source: YumRepository | str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    needs("dnf")
    place = source if isinstance(source, str) else f"file://{source.path}"
    (folder / "repos").mkdir(exist_ok=True)
    (folder / "repos/ours.repo").write_text(f"[ours]\nname=ours\nbaseurl={place}\ngpgcheck=0\nmetadata_expire=0\n")
    config = folder / "dnf.conf"
    config.write_text(f"[main]\nreposdir={folder}/repos\ncachedir={folder}/cache\nplugins=0\nlogdir={folder}\n")
    where = [f"--installroot={folder}/root", "--releasever=9", "--forcearch=x86_64"]
    as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]  # dnf asks for it even in a folder of ours
    return run(*as_root, "dnf", "-y", "--refresh", "-c", str(config), *where, *words, check=check)


def test_dnf_installs_exactly_what_was_published(yum: YumRepository, tmp_path: Path) -> None:
    answer = tmp_path / "root/usr/share/shop/answer"
    packages = {version: rpm(tmp_path, "shop", version, f"answer-{version}") for version in ("1.0", "1.10", "1.9")}
    for version, package in packages.items():
        yum.put(AUTH, version, package.name, package)
    yum.announce(AUTH, ["1.0", "1.9"])
    dnf(tmp_path, yum, "install", "shop")
    assert answer.read_text() == "answer-1.9"
    yum.announce(AUTH, ["1.0", "1.9", "1.10"])
    dnf(tmp_path, yum, "upgrade", "shop")
    assert answer.read_text() == "answer-1.10"
    dnf(tmp_path, yum, "downgrade", "shop-1.0")
    assert answer.read_text() == "answer-1.0"
    yum.announce(AUTH, ["1.9", "1.10"])
    yum.remove(AUTH, "1.0")
    shutil.rmtree(tmp_path / "root")
    assert dnf(tmp_path, yum, "install", "shop-1.0", check=False).returncode != 0
    for version, package in packages.items():
        if version != "1.0":
            yum.fetch(AUTH, version, package.name, tmp_path / f"fetched-{version}")
            assert (tmp_path / f"fetched-{version}").read_bytes() == package.read_bytes()


def test_two_components_share_an_index(yum: YumRepository, tmp_path: Path) -> None:
    for component in (AUTH, PORTAL):
        package = rpm(tmp_path, component.name, "1.0", component.name)
        yum.put(component, "1.0", package.name, package)
        yum.announce(component, ["1.0"])
    dnf(tmp_path, yum, "install", "auth", "portal")
    assert (tmp_path / "root/usr/share/portal/answer").read_text() == "portal"


@dataclass(frozen=True)
class Bucket:
    """A bucket that everybody may read, with its settings as a mirror."""

    client: Any
    name: str
    url: str
    settings: dict[str, Plain]

    def content(self) -> set[str]:
        return {entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.name)["Contents"]}


@pytest.fixture
def bucket(ceph: Server) -> Bucket:
    name = f"packages-{secrets.token_hex(6)}"
    client = ceph.client()
    client.create_bucket(Bucket=name)
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    client.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    client.put_object(Bucket=name, Key="linux/of-others", Body=b"x")
    mirror: dict[str, Plain] = {
        "bucket": name, "prefix": "linux", "endpoint": ceph.endpoint,
        "credentials": {"file": ceph.credentials(), "profile": "ci"},
    }  # fmt: skip
    return Bucket(client, name, f"{ceph.endpoint}/{name}/linux", mirror)


def test_apt_installs_from_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    needs("aptly")
    apt = AptRepository.configure(
        "releases", settings(path=str(tmp_path / "apt"), distribution="bookworm", mirror=bucket.settings), CONFIG
    )
    for version in ("1.0", "1.1"):
        package = deb(tmp_path, "shop", version, f"answer-{version}")
        apt.put(AUTH, version, package.name, package)
    apt.announce(AUTH, ["1.0"])
    machine = Apt(tmp_path, f"deb [trusted=yes] {bucket.url} bookworm main")
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "answer-1.0"
    time.sleep(1.1)  # apt asks what has changed since a moment, which HTTP tells in whole seconds
    apt.announce(AUTH, ["1.1"])
    machine.get("update")
    machine.get("install", "shop")
    assert machine.answer("shop") == "answer-1.1"
    assert len([key for key in bucket.content() if key.endswith(".deb")]) == 1, "the one that left the index is gone"
    assert "linux/of-others" in bucket.content()


def test_dnf_installs_from_a_bucket_also_after_a_mirror_that_broke_off(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("createrepo_c", "rpm")
    yum = YumRepository.configure("releases", settings(path=str(tmp_path / "yum"), mirror=bucket.settings), CONFIG)
    for version in ("1.0", "1.1"):
        package = rpm(tmp_path, "shop", version, f"answer-{version}")
        yum.put(AUTH, version, package.name, package)
    yum.announce(AUTH, ["1.0"])
    dnf(tmp_path, bucket.url, "install", "shop")
    answer = tmp_path / "root/usr/share/shop/answer"
    assert answer.read_text() == "answer-1.0"

    def break_off(what: str) -> None:
        if what.endswith("repomd.xml"):
            raise RemoteUnavailable("the network is gone")

    with monkeypatch.context() as patch:
        patch.setattr(door, "watcher", break_off)
        with pytest.raises(RemoteUnavailable):
            yum.announce(AUTH, ["1.1"])
    dnf(tmp_path, bucket.url, "upgrade", "shop")
    assert answer.read_text() == "answer-1.0", "what leads to the new index comes last"
    yum.announce(AUTH, ["1.1"])
    dnf(tmp_path, bucket.url, "upgrade", "shop")
    assert answer.read_text() == "answer-1.1"
    assert len([key for key in bucket.content() if key.endswith(".rpm")]) == 1
    assert len([key for key in bucket.content() if key.endswith("primary.xml.gz")]) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"path": "/srv/apt"}, "'distribution' is missing"),
        ({"path": "apt", "distribution": "bookworm"}, "absolute path"),
        ({"path": "/srv/apt", "distribution": "../up"}, "is no name"),
        ({"path": "/srv/apt", "distribution": "bookworm", "key": "--yes"}, "fingerprint"),
        ({"path": "/srv/apt", "distribution": "bookworm", "mirror": {"bucket": "B"}}, "'bucket' is 'B'"),
        ({"path": "/srv/apt", "distribution": "bookworm", "sektion": "x"}, "Did you mean 'section'"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AptRepository.configure("releases", settings(**wrong), CONFIG)


def test_a_missing_tool_is_named(yum: YumRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SluicegateError, match="createrepo_c"):
        yum.announce(AUTH, [])
