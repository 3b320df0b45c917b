"""What this machine lacks for `make demo-real`, said before anything is started."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from tests.parts import available_memory
from tests.real.needs import program

PACKAGES = {
    "bridge and addresses": ("ip", "iproute2"),
    "namespaces": ("unshare", "util-linux"),
    "root file systems": ("mmdebstrap", "mmdebstrap"),
    "hosts": ("systemd-nspawn", "systemd-container"),
    "mounts": ("mount", "mount"),
    "ssh": ("ssh", "openssh-client"),
    "Git": ("git", "git"),
    "packages": ("dpkg-deb", "dpkg"),
    "the directory": ("slapd", "slapd"),
    "the Puppet server": ("puppetserver", "puppetserver"),
    "Nexus": ("java", "openjdk-17-jre-headless"),
    "Nexus' download": ("mvn", "maven"),
    "Nexus' archive": ("unzip", "unzip"),
    "Nexus' settings": ("curl", "curl"),
    "the key of the packages": ("gpg", "gnupg"),
}
"""What it is for -> program, and the Debian package that has it."""
MEMORY = 5 * 2**30
"""Bytes: Nexus 1.2, the build server and the builds 0.6, the Puppet server 0.6, seventeen hosts and six agents 0.9; the
rest is for the page cache.
"""
DISK = 4 * 2**30
WATCHERS = 65
"""Instances of inotify, all as root: three of each host's systemd, and those of Java."""


def lacking(folder: Path) -> list[str]:
    """A sentence for each thing that is missing; empty when the demo can be played below `folder`."""
    complaints = []
    if os.geteuid() != 0:
        complaints.append("it needs root, for hosts with their own roots and networks: sudo make demo-real")
    if not Path("/etc/debian_version").exists():
        complaints.append("it needs a Debian: its hosts are made from the same packages")
    absent = sorted({package for name, package in PACKAGES.values() if shutil.which(program(name)) is None})
    if absent:
        complaints.append(f"packages are missing: apt-get install --no-install-recommends {' '.join(absent)}")
    memory = available_memory()
    if memory < MEMORY:
        complaints.append(f"it needs {gib(MEMORY)} of free memory, there are {gib(memory)}")
    disk = shutil.disk_usage(folder).free
    if disk < DISK:
        complaints.append(f"it needs {gib(DISK)} below {folder}, there are {gib(disk)}: TMPDIR names another place")
    watchers = free_watchers()
    if watchers < WATCHERS:
        complaints.append(
            f"it needs {WATCHERS} instances of inotify, there are {watchers}: sysctl fs.inotify.max_user_instances=512"
        )
    return complaints


def free_watchers() -> int:
    """How many instances of inotify are left to us: the kernel counts those of each user."""
    used = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is not ours to look at
            if process.stat().st_uid == os.geteuid():
                used += watchers_of(process)
    return int(Path("/proc/sys/fs/inotify/max_user_instances").read_text()) - used


def watchers_of(process: Path) -> int:
    """The instances of inotify that a process has open; its folder below /proc."""
    used = 0
    for handle in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # the handle by which we read this very folder
            used += os.readlink(handle) == "anon_inode:inotify"
    return used


def gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
