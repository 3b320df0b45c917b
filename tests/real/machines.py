"""Real hosts for tests that run as root: overlays over one small Debian, each with a package manager of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from sluicegate.errors import TimedOut
from sluicegate.hosts.remote import RemoteHost
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.tools import process
from sluicegate.tools.process import Completed
from tests.real.needs import needs

UNNEEDED = ("console-getty.service", "systemd-ask-password-console.path", "systemd-ask-password-wall.path")
INSIDE = "openssh-server,systemd-sysv,libpam-systemd,dbus,iproute2,sudo,procps,ca-certificates,python3"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChrootHost(RemoteHost):
    """A root file system whose shell is reached by chroot; services listen on this machine's own addresses."""

    root: Path
    user: str = "root"

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> ChrootHost:
        return cls(name=name, folder="/srv/ours", root=Path(settings.text("folder")), reached_at="127.0.0.1")

    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        words = ["chroot", f"--userspec={self.user}", self.root, "/bin/sh", "-c", line]
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        return process.run(words, stdin=stdin, timeout=timeout, check=False, inherit=False, env=path)


def debian(folder: Path) -> Path:
    """A small Debian, made once for all tests of a run; SLUICEGATE_TEST_ROOT names one that is kept."""
    needs("mmdebstrap", "mount", "chroot")
    if kept := os.environ.get("SLUICEGATE_TEST_ROOT"):
        return Path(kept)
    process.run(bootstrapping(folder / "base", INSIDE), timeout=1200.0)
    return folder / "base"


def bootstrapping(root: Path, inside: str) -> list[str | Path]:
    """The words of a command that makes a small Debian with these packages, about a minute."""
    sources = next(Path("/etc/apt/sources.list.d").glob("debian.sources"), Path("/etc/apt/sources.list"))
    return ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={inside}", "bookworm", root, sources]


def mounted(base: Path | str, folder: Path) -> Path:
    """A root of its own over the base (or several, `upper:lower`): what is written there lies below `folder`."""
    for name in ("up", "work", "root"):
        (folder / name).mkdir(parents=True)
    root = folder / "root"
    options = f"lowerdir={base},upperdir={folder}/up,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, root], check=True)
    return root


@contextmanager
def overlay(base: Path, folder: Path) -> Iterator[Path]:
    """The same for as long as the context lasts, with no source of packages, and installing starts nothing."""
    root = mounted(base, folder)
    try:
        subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
        no_sources(root)
        (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        yield root
    finally:
        subprocess.run(["umount", "-R", root], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def no_sources(root: Path) -> None:
    """Take away the lists of Debian's packages: no host asks anybody but us."""
    (root / "etc/apt/sources.list.d").mkdir(exist_ok=True)
    for file in (root / "etc/apt/sources.list", *(root / "etc/apt/sources.list.d").iterdir()):
        file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def debian_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return debian(tmp_path_factory.mktemp("debian"))


class DebRepository:
    """Packages in a folder of the host's own root, which its list names."""

    LIST = "/etc/apt/sources.list.d/ours.list"

    def __init__(self, root: Path, folder: Path) -> None:
        needs("dpkg-deb", "dpkg-scanpackages")
        self.root, self.folder = root, folder
        self.packages = root / "srv/packages"
        self.packages.mkdir(parents=True)
        (root / self.LIST.lstrip("/")).write_text("deb [trusted=yes] file:/srv/packages ./\n")
        self.index()

    def add(
        self, name: str, version: str, *, files: dict[str, str] | None = None, scripts: dict[str, str] | None = None,
        architecture: str = "all", **fields: str,
    ) -> None:  # fmt: skip
        """Build a package into the folder; `index` makes it known."""
        tree = self.folder / f"{name}-{version}"
        for path, content in {f"usr/share/{name}/version": version, **(files or {})}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(content)
        (tree / "DEBIAN").mkdir()
        control = {"Package": name, "Version": version, "Architecture": architecture, "Maintainer": "t <t@example.com>",
                   "Description": "a test", **fields}  # fmt: skip
        (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
        if conffiles := "".join(f"/{path}\n" for path in files or {} if path.startswith("etc/")):
            (tree / "DEBIAN/conffiles").write_text(conffiles)
        for script, content in (scripts or {}).items():
            (tree / "DEBIAN" / script).write_text(f"#!/bin/sh\n{content}\n")
            (tree / "DEBIAN" / script).chmod(0o755)
        target = self.packages / f"{name}_{version}_{architecture}.deb"
        process.run(["dpkg-deb", "--root-owner-group", "--build", tree, target])

    def withdraw(self, name: str, version: str) -> None:
        next(self.packages.glob(f"{name}_{version}_*.deb")).unlink()

    def index(self) -> None:
        listed = process.run(["dpkg-scanpackages", "--multiversion", "."], cwd=self.packages)
        (self.packages / "Packages").write_bytes(listed.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootedHost(RemoteHost):
    """A machine that systemd runs, in namespaces of its own but for the network's; `leader` is its process 1."""

    leader: int

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> BootedHost:
        return cls(name=name, folder="/srv/ours", leader=settings.number("leader"), reached_at="127.0.0.1")

    @property
    def entering(self) -> list[str]:
        """The words that run others within the machine."""
        return ["nsenter", f"--target={self.leader}", "--mount", "--pid", "--ipc", "--uts", "--root", "--wdns=/"]

    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        return process.run(
            [*self.entering, "/bin/sh", "-c", line], stdin=stdin, timeout=timeout, check=False, inherit=False, env=path
        )


def nspawn(root: Path, name: str, *options: str, unneeded: Iterable[str] = UNNEEDED) -> list[str | Path]:
    """The words of the command under which systemd runs on a root file system, where no other systemd is asked.

    It leaves out what a host does not need: each of these holds one of the 128 inotify instances that Linux gives root.
    """
    words = ["systemd-nspawn", "--quiet", "--machine", name, "--register=no", "--keep-unit", *options, "--boot"]
    return [*words, "--directory", root, *(f"systemd.mask={unit}" for unit in unneeded)]


@contextmanager
def booted(root: Path, name: str = "app1", network: str = "") -> Iterator[int]:
    """systemd on a root file system; gives the number of its process 1 once that answers.

    `network` is a network namespace of `ip netns`, without one it is this machine's: its own sshd is off then, as two
    machines would fight for one port, and the loser takes /run/sshd away, without which no sshd of a test starts.
    """
    needs("systemd-nspawn", "nsenter")
    (root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    (root / "etc/hostname").write_text(f"{name}\n")
    subprocess.run(["umount", root / "proc"], check=True)  # it is this machine's, and systemd believes what it finds
    if not network:
        (root / "etc/systemd/system/ssh.service").symlink_to("/dev/null")
        (root / "etc/tmpfiles.d/sshd.conf").write_text("d /run/sshd 0755\n")
    within = ["nsenter", f"--net=/run/netns/{network}", "--"] if network else []
    words = [*within, *nspawn(root, f"sg{os.getpid()}{name}")]
    console = root.parent / "console.log"
    with console.open("wb") as log:
        running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _leader(running, console)
    finally:
        running.terminate()
        try:
            running.wait(timeout=60)
        except subprocess.TimeoutExpired:  # how long systemd takes to go is nobody's matter here
            running.kill()
            running.wait()


def _leader(nspawn: subprocess.Popen[bytes], console: Path) -> int:
    """The number of the machine's process 1 once it has started all; raises AssertionError with what it said."""
    state = ""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and nspawn.poll() is None:
        if children := Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split():
            host = BootedHost(name="app1", folder="/", leader=int(children[-1]))
            with suppress(TimedOut):
                state = host.run(["systemctl", "is-system-running"], timeout=20.0).text.strip()
            if state in ("running", "degraded"):
                return host.leader
        time.sleep(0.2)
    said = console.read_text(errors="replace")[-2000:]
    raise AssertionError(f"the machine has not booted within two minutes ({state or 'it is silent'}):\n{said}")
