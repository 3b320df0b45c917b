"""The hosts of the demo: roots of their own over one small Debian, which systemd runs, on one network with sshd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from sluicegate.tools import process
from tests.real import machines
from tests.real.demo.namespaces import join_cgroup
from tests.real.machines import mounted, no_sources, nspawn

INSIDE = (
    "openssh-server,systemd-sysv,dbus,iproute2,sudo,procps,ca-certificates,git,haproxy,puppet-agent,python3,"
    "python3-ldap3"
)
HERE = "10.77.0.1"
"""This machine's address on the hosts' network, where the servers of OURS listen."""
OURS = ("ci", "nexus", "ldap", "puppet")
NAMES = (
    "git1", "puppet1", "lb1", "int1", "int2", "blue1", "blue2", "green1", "green2",
    *(f"shop{number}" for number in range(1, 9)),
)  # fmt: skip
ADDRESSES = {**dict.fromkeys(OURS, HERE), **{name: f"10.77.0.{10 + place}" for place, name in enumerate(NAMES)}}
APT_LIST = "/etc/apt/sources.list.d/ours.list"
UNNEEDED = (*machines.UNNEEDED, "systemd-logind.service")
ADDRESS_UNIT = """\
[Unit]
DefaultDependencies=no
Before=network.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'ip address add "$$(cat /etc/address)/24" dev host0; ip link set host0 up'
"""
SUDOERS = """\
Defaults:deploy env_keep += "DEBIAN_FRONTEND NEEDRESTART_SUSPEND"
deploy ALL=(root) NOPASSWD: /usr/bin/apt-get, /usr/bin/apt-mark, /usr/bin/puppet, /usr/bin/head
"""
PUPPET_CONF = """\
[main]
certname = {name}
server = puppet
keylength = 2048
"""


class Hosts:
    """All of them, below `folder`; ours is the only network, so their addresses are nobody else's."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder = folder
        self.run = run
        self.lower = self.host_key = ""

    def root(self, name: str) -> Path:
        return self.folder / name / "root"

    def network(self) -> None:
        """A bridge that the hosts hang on, and names for everybody."""
        for words in (
            "link set lo up", "link add ours type bridge", f"address add {HERE}/24 dev ours", "link set ours up",
        ):  # fmt: skip
            process.run(["ip", *words.split()])
        names = "".join(f"{address}\t{name}\n" for name, address in ADDRESSES.items())
        self.folder.mkdir(parents=True)
        (self.folder / "names").write_text(f"127.0.0.1\tlocalhost {socket.gethostname()}\n{names}")
        process.run(["mount", "--bind", self.folder / "names", "/etc/hosts"])

    def prepare(self, base: Path, key: Path, variables: dict[str, str]) -> None:
        """What all hosts have in common, laid over the base: users, rights, keys, names, the settings of services."""
        root = mounted(base, self.folder / "site")
        for words in (
            "useradd --create-home --shell /bin/sh deploy",
            "useradd --create-home --shell /usr/bin/git-shell git",
            "systemctl --quiet disable haproxy",
            "rm -f /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_ecdsa_key /etc/ssh/ssh_host_ed25519_key",
            "ssh-keygen -q -t ed25519 -N  -f /etc/ssh/ssh_host_ed25519_key",
        ):
            process.run(["chroot", root, *words.split(" ")])
        no_sources(root)
        for user in ("deploy", "git"):
            (root / "home" / user / ".ssh").mkdir(mode=0o700)
            shutil.copy(key, root / "home" / user / ".ssh" / "authorized_keys")
            process.run(["chroot", root, "chown", "-R", f"{user}:", f"/home/{user}/.ssh"])
        write(root / "etc/sudoers.d/sluicegate", SUDOERS, mode=0o440)
        write(root / "etc/hosts", (self.folder / "names").read_text())
        write(root / "etc/default/ours", "".join(f"{name}={value}\n" for name, value in variables.items()))
        write(root / "etc/systemd/system/address.service", ADDRESS_UNIT)
        wanted = root / "etc/systemd/system/sysinit.target.wants/address.service"
        wanted.parent.mkdir(exist_ok=True)
        wanted.symlink_to("../address.service")
        self.host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        process.run(["umount", root])
        self.lower = f"{self.folder / 'site/up'}:{base}"

    def make(self, name: str) -> Path:
        """The root of a host that is still to be started."""
        root = mounted(self.lower, self.folder / name)
        write(root / "etc/hostname", f"{name}\n")
        write(root / "etc/address", ADDRESSES[name])
        write(root / "etc/puppet/puppet.conf", PUPPET_CONF.format(name=name))
        return root

    def start(self, name: str) -> None:
        """Let systemd run on it; `wait` knows when it answers."""
        words = nspawn(self.root(name), name, "--network-bridge=ours", unneeded=UNNEEDED)
        script = f'{join_cgroup(f"{self.run}/{name}")} && exec "$@"'
        with (self.folder / name / "console.log").open("wb") as log:
            subprocess.Popen(
                ["sh", "-c", script, "sh", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait(self, name: str, user: str = "deploy") -> None:
        """Until somebody can log in."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            words = ["ssh", "-oConnectTimeout=2", f"{user}@{name}", "true"]
            if subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode != 255:
                return
            time.sleep(0.2)
        log = (self.folder / name / "console.log").read_text(errors="replace")
        raise TimeoutError(f"nobody can log in on {name} after 90 s; its console:\n{log[-2000:]}")

    def known(self) -> str:
        """Lines for known_hosts: one key, as all roots are copies of one."""
        return "".join(f"{name} {self.host_key}" for name in NAMES)

    def install(self, name: str, path: str, content: str) -> None:
        """A file on a host, by its root."""
        write(self.root(name) / path.lstrip("/"), content)


def write(path: Path, content: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.chmod(path, mode)
