"""What could never be installed is not published, and `latest` stays where it is."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.fitness import same_version
from sluicegate.model.config import Component
from tests.cli.conftest import Call
from tests.parts import app_files, tar

CONFIG = """
repositories:
  releases: {{driver: directory, path: "{root}/releases"}}
components:
  auth: {{repository: releases, group: com.example}}
  tool: {{repository: releases, group: com.example, versions: deb}}
hosts: {{h: {{driver: local, folder: "{root}/h"}}}}
groups: {{g: [h]}}
environments:
  integration: {{follow: latest, hosts: g, deploy: {{driver: archive}}}}
"""


@pytest.fixture
def call(calls: Callable[[str], Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    call = calls(CONFIG)
    assert call("publish", "auth=1.0.0", str(tar(tmp_path / "good.tar.gz", app_files("{}"))))[0] == 0
    return call


def spoiled(fault: str) -> str:
    """An archive that no deployer unpacks."""
    if fault == "backslash":
        with zipfile.ZipFile("bad.zip", "w") as archive:
            info = zipfile.ZipInfo("Procfile")
            info.filename = "app\\Procfile"
            archive.writestr(info, "web: x")
        return "bad.zip"
    if fault == "cut off":
        Path("bad.tar.gz").write_bytes(Path("good.tar.gz").read_bytes()[:-40])
        return "bad.tar.gz"
    with tarfile.open("bad.tar.gz", "w:gz") as archive:
        for _ in range(2 if fault == "twice" else 1):
            member = tarfile.TarInfo("python3")
            if fault != "twice":
                member.type, member.linkname = {
                    "link out": (tarfile.SYMTYPE, "/usr/bin/python3"), "device": (tarfile.CHRTYPE, ""),
                }[fault]  # fmt: skip
            archive.addfile(member)
    return "bad.tar.gz"


@pytest.mark.parametrize("fault", ["backslash", "cut off", "twice", "link out", "device"])
def test_an_archive_that_cannot_be_unpacked_is_not_published(call: Call, fault: str) -> None:
    code, printed = call("publish", "auth=1.1.0", spoiled(fault))
    assert code == 6, printed
    assert "so integration could never install it" in printed
    assert call("resolve", "auth") == (0, "1.0.0\n")


def test_what_is_doubtful_is_said_and_published(call: Call) -> None:
    Path("text.tar.gz").write_text("no archive")
    code, printed = call("publish", "auth=1.1.0", "text.tar.gz")
    assert code == 0 and "auth-1.1.0-text.tar.gz is no archive" in printed
    code, printed = call("publish", "auth=1.2.0", str(tar(Path("bare.tar.gz"), {"serve": "x"})))
    assert code == 0 and "has no Procfile" in printed
    assert "note" not in call("publish", "auth=1.3.0", "good.tar.gz")[1]


def package(version: str, name: str = "tool") -> str:
    folder = Path(f"{name}-{version.replace(':', '.')}")
    (folder / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.com>\nDescription: x\n"
    (folder / "DEBIAN" / "control").write_text(control)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, f"{folder}.deb"], check=True, capture_output=True)
    return f"{folder}.deb"


def test_a_package_of_another_version_is_refused_unless_that_is_meant(call: Call) -> None:
    wrong, right = package("7.7-1"), package("1.7-1")
    code, printed = call("publish", "tool=1.7-1", wrong)
    assert code == 2 and f"{wrong} is 7.7-1, and is published as tool=1.7-1" in printed
    code, printed = call("publish", "tool=1.7-1", wrong, right)
    assert code == 0 and f"{wrong} is the package version 7.7-1, not 1.7-1" in printed
    code, printed = call("publish", "tool=1.8-1", wrong, "--allow-version-mismatch")
    assert code == 0 and "7.7-1, not 1.8-1" in printed


INSTALLS = (
    "deploy: {{driver: packages, list: /etc/apt/sources.list.d/ours.list, packages: {{tool: [tool, tool-data]}}}}"
)
PUPPET = "deploy: {{driver: puppet, assigned: {{folder: /srv/assigned}}, packages: {{tool: [tool, tool-data]}}}}"


@pytest.mark.parametrize("deploy", [INSTALLS, PUPPET], ids=["packages", "puppet"])
def test_packages_that_hosts_would_not_find_under_their_names_are_named(
    calls: Callable[[str], Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deploy: str
) -> None:
    """Somebody renames the package in debian/control: the version is published, and no host could ever install it."""
    monkeypatch.chdir(tmp_path)
    call = calls(CONFIG.replace("deploy: {{driver: archive}}", deploy))
    code, printed = call("publish", "tool=1.7-1", package("1.7-1", "toolbox"), package("1.7-1", "tool-data"))
    assert code == 0, printed
    assert "note: no file is the package tool that hosts install as tool (" in printed, printed
    assert "toolbox-1.7-1.deb is toolbox" in printed
    assert "note:" not in call("publish", "tool=1.8-1", package("1.8-1"), package("1.8-1", "tool-data"))[1]
    Path("notes.txt").write_text("no package at all\n")
    assert "note:" not in call("publish", "tool=1.9-1", "notes.txt")[1]


def test_a_package_that_cannot_be_read_is_not_published(call: Call) -> None:
    torn = Path(package("1.7-1"))
    torn.write_bytes(torn.read_bytes()[:150])
    code, printed = call("publish", "tool=1.7-1", str(torn))
    assert code == 6 and f"{torn} is no package that dpkg-deb reads: " in printed, printed
    assert call("resolve", "tool")[0] == 2
    code, printed = call("publish", "tool=1.7-1", str(torn), "--allow-version-mismatch")
    assert code == 0 and f"{torn} is no package" in printed


@pytest.mark.parametrize(
    ("scheme", "version", "own", "same"),
    [
        ("deb", "1.7-1", "1.7-1", True), ("deb", "1.7-1", "0:1.7-1", True), ("deb", "1.7-1", "1:1.7-1", False),
        ("deb", "1.7-1", "1.7-2", False), ("deb", "1.7", "1.7-2", True), ("deb", "1:1.7", "1:1.7-2", True),
        ("semver", "1.4.2", "1.4.2-1", True), ("semver", "1.4.2", "1:1.4.2-3.el9", True),
        ("semver", "1.4.2-rc.1", "1.4.2~rc.1-1", True), ("semver", "1.4.2", "1.4.3-1", False),
        ("semver", "1.4.2", "1.4.2", True), ("maven", "1.4", "1.4-1", True),
    ],
)  # fmt: skip
def test_the_version_of_a_package_is_the_published_one(scheme: str, version: str, own: str, same: bool) -> None:
    component = Component(name="tool", repository="releases", versions=scheme)
    assert same_version("deb", component, version, own) == same
