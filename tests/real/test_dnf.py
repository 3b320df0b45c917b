"""The deployer `packages` against dnf and rpm themselves, in a root folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from sluicegate.deployers.packages import PackagesDeployer
from sluicegate.errors import ConfigError, RemoteUnavailable, SluicegateError
from sluicegate.hosts.remote import RemoteHost
from sluicegate.model.config import Config
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.settings import Plain, Settings
from sluicegate.tools import process
from sluicegate.tools.process import Completed
from tests.parts import CONFIG, no_host, settings
from tests.real.needs import needs

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
PLUGINS = "/usr/lib/python3/dist-packages/dnf-plugins"
VERSIONS = ("1.0", "1.10", "1.9")


@dataclass(frozen=True, slots=True, kw_only=True)
class DnfHost(RemoteHost):
    """A folder that dnf and rpm take for the root; an ordinary user is root there, and only there."""

    root: Path

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> DnfHost:
        return cls(name=name, folder="ours", root=Path(settings.text("folder")))

    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        as_root = () if os.geteuid() == 0 else ("unshare", "--map-root-user")
        path = {"PATH": f"{self.root}/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        words = (*as_root, "sh", "-c", line)
        return process.run(words, cwd=self.root, stdin=stdin, timeout=timeout, check=False, inherit=False, env=path)

    @classmethod
    def prepared(cls, folder: Path, repository: Path, within: str = "") -> DnfHost:
        """Programs on its PATH lead dnf and rpm to the folder; a repository of others is broken.

        `within` are words that they are run by.
        """
        for name in ("bin", "repos", "plugins"):
            (folder / name).mkdir(parents=True)
        for name, place in (("ours", repository), ("others", folder / "nowhere")):
            (folder / f"repos/{name}.repo").write_text(f"[{name}]\nname={name}\nbaseurl=file://{place}\ngpgcheck=0\n")
        (folder / "plugins/versionlock.conf").write_text(f"[main]\nenabled=1\nlocklist={folder}/locks\n")
        (folder / "locks").touch()
        (folder / "dnf.conf").write_text(
            f"[main]\nreposdir={folder}/repos\ncachedir={folder}/cache\nlogdir={folder}\nplugins=1\n"
            f"pluginpath={PLUGINS}\npluginconfpath={folder}/plugins\n"
        )
        where = f"--installroot={folder}/root --releasever=9 --forcearch=x86_64"
        lines = {
            "dnf": f"exec {within} /usr/bin/dnf -c {folder}/dnf.conf {where}",
            "rpm": f"exec {within} /usr/bin/rpm --root {folder}/root",
        }
        for program, line in lines.items():
            (folder / f"bin/{program}").write_text(f'#!/bin/sh\n{line} "$@"\n')
            (folder / f"bin/{program}").chmod(0o755)
        return cls(name="app1", folder="ours", root=folder)


class RpmRepository:
    """Packages in a folder, indexed by createrepo_c."""

    def __init__(self, folder: Path) -> None:
        needs("rpmbuild", "createrepo_c", "dnf", "rpm", "unshare")
        self.work = folder
        self.packages = folder / "packages"
        self.packages.mkdir(parents=True)

    def add(self, name: str, *versions: str, release: str = "1", requires: str = "") -> None:
        for version in versions:
            spec = self.work / f"{name}-{version}.spec"
            spec.write_text(
                f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: a test\nLicense: none\n"
                "BuildArch: noarch\n"
                + (f"Requires: {requires}\n" if requires else "")
                + f"%description\na test\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n"
                f"echo {version} > %{{buildroot}}/usr/share/{name}/version\n%files\n/usr/share/{name}/version\n"
            )
            process.run(["rpmbuild", "-bb", "--quiet", "-D", f"_topdir {self.work}/build", spec])
            built = self.work / f"build/RPMS/noarch/{name}-{version}-{release}.noarch.rpm"
            built.rename(self.packages / built.name)

    def index(self) -> None:
        process.run(["createrepo_c", "--quiet", self.packages])


@dataclass(kw_only=True)
class Bench:
    host: DnfHost
    repository: RpmRepository
    deployer: PackagesDeployer

    def wanted(self, **versions: str) -> dict[str, Release | None]:
        return {
            name: Release(component=name, version=version, manifest="0" * 64) if version else None
            for name, version in versions.items()
        }

    def refusals(self, **versions: str) -> tuple[str, ...]:
        return self.deployer.refusals(self.host, self.wanted(**versions))

    def apply(self, **versions: str) -> dict[str, Outcome]:
        return dict(self.deployer.apply(self.host, self.wanted(**versions), "intent"))

    def installed(self) -> dict[str, str]:
        return {name: installed.version for name, installed in self.deployer.survey(self.host).items()}


def packages(**values: Plain) -> PackagesDeployer:
    entries: dict[str, Plain] = {
        "packages": {"auth": ("auth-server", "auth-common")}, "list": "ours", "lock-wait": "1 s", **values,
    }  # fmt: skip
    return PackagesDeployer.configure("training", settings(**entries), CONFIG, no_host)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> RpmRepository:
    repository = RpmRepository(tmp_path_factory.mktemp("rpms"))
    repository.add("auth-server", *VERSIONS, requires="auth-common")
    repository.add("auth-common", *VERSIONS)
    repository.add("portal", *VERSIONS)
    repository.index()
    return repository


@pytest.fixture
def bench(built: RpmRepository, tmp_path: Path) -> Bench:
    return Bench(host=DnfHost.prepared(tmp_path / "host", built.packages), repository=built, deployer=packages())


def test_exact_versions_are_installed_up_down_and_away_in_one_go(bench: Bench) -> None:
    assert bench.installed() == {}
    for auth, portal in (("1.9", "1.0"), ("1.0", "1.10")):
        assert bench.refusals(auth=auth, portal=portal) == ()
        assert bench.apply(auth=auth, portal=portal) == {"auth": DONE, "portal": DONE}
        assert bench.installed() == {"auth": auth, "portal": portal}
    assert bench.apply(auth="", portal="1.9") == {"auth": DONE, "portal": DONE}
    assert bench.installed() == {"portal": "1.9"}


def test_nothing_but_us_moves_what_was_installed(bench: Bench) -> None:
    bench.apply(auth="1.0")
    bench.host.run(["dnf", "-y", "--repo=ours", "upgrade"], root=True)
    assert bench.installed() == {"auth": "1.0"}
    assert bench.apply(auth="1.9") == {"auth": DONE}
    assert "auth-server-0:1.9-1.*" in (bench.host.root / "locks").read_text()


def test_what_is_not_in_our_repository_is_refused_before_anything_is_changed(bench: Bench) -> None:
    assert bench.refusals(auth="7.0", portal="1.9") == (
        "app1: auth-server 7.0 is not in ours (there: 1.9, 1.10, 1.0)",
        "app1: auth-common 7.0 is not in ours (there: 1.9, 1.10, 1.0)",
    )
    assert bench.installed() == {}


def test_a_release_of_rpm_is_a_part_of_the_version_where_it_is_said_so(bench: Bench) -> None:
    exact = Bench(host=bench.host, repository=bench.repository, deployer=packages(release="true"))
    assert exact.refusals(portal="1.9-1") == ()
    assert exact.apply(portal="1.9-1") == {"portal": DONE}
    assert (exact.installed(), bench.installed()) == ({"portal": "1.9-1"}, {"portal": "1.9"})
    assert "portal 1.9-2 is not in ours" in exact.refusals(portal="1.9-2")[0]


def test_what_cannot_be_installed_is_refused_in_dnf_s_words(tmp_path: Path) -> None:
    repository = RpmRepository(tmp_path / "rpms")
    repository.add("portal", "3.0", requires="not-in-the-world")
    repository.index()
    bench = Bench(
        host=DnfHost.prepared(tmp_path / "host", repository.packages), repository=repository, deployer=packages()
    )
    (refusal,) = bench.refusals(portal="3.0")
    assert "nothing provides not-in-the-world" in refusal and "nowhere" not in refusal


def test_whoever_holds_the_lock_is_waited_for_and_then_named(bench: Bench) -> None:
    bench.apply(portal="1.0")
    place = bench.host.root / "root/var/lib/dnf/rpmdb_lock.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        place.write_text(str(holder.pid))
        outcome = bench.apply(portal="1.9")["portal"]
        holder.communicate(b"\n")
    assert outcome.ending == "unreachable" and isinstance(outcome.problem, RemoteUnavailable)
    assert f"in use by process {holder.pid} (python" in outcome.why
    assert bench.apply(portal="1.9") == {"portal": DONE}


def test_without_the_plugin_that_holds_packages_a_deploy_is_refused(bench: Bench) -> None:
    config = bench.host.root / "dnf.conf"
    config.write_text(config.read_text().replace("plugins=1", "plugins=0"))
    assert "app1: dnf lacks its plugin versionlock" in bench.refusals(portal="1.0")[0]


def test_a_repository_that_cannot_be_read_is_told(bench: Bench) -> None:
    repo = bench.host.root / "repos/ours.repo"
    repo.write_text(repo.read_text().replace("packages", "gone"))
    with pytest.raises(SluicegateError, match=r"makecache failed: .*ours"):
        bench.deployer.manager.offered(bench.host, ["portal"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"list": "our repo"}, "or the id of a repository of dnf"), ({"list": "-y"}, "or the id of a repository of dnf"),
     ({"list": "/etc/apt/sources.list.d/ours.list", "release": "true"}, "'release' is for dnf")],
)  # fmt: skip
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        packages(**wrong)
