"""docs/how-to/real-servers.md, typed by a reader who has two machines: what is done on each, and every shell block."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.parts import HOW_TO, typed
from tests.real.machines import BootedHost, booted, debian_base, overlay
from tests.real.needs import needs

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]
__all__ = ["debian_base"]

PAGE = HOW_TO / "real-servers.md"
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = ("app1", "app2")


@contextmanager
def network() -> Iterator[str]:
    """A namespace for the reader, whose name is given, and one for each server; the reader's knows all addresses."""
    needs("ip", "nsenter")
    ours = f"sg{os.getpid()}"
    hosts = "127.0.0.1 localhost\n"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    with ExitStack() as undo:
        for name in (ours, *(f"{ours}{name}" for name in NAMES)):
            ip("netns", "add", name)
            undo.callback(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(NAMES, start=1):
            theirs, link = f"{ours}{name}", f"v{number}"
            ip("link", "add", link, "netns", ours, "type", "veth", "peer", "name", "eth0", "netns", theirs)
            for place, device, end in ((ours, link, 1), (theirs, "eth0", 2)):
                ip("-n", place, "address", "add", f"10.77.{number}.{end}/30", "dev", device)
                ip("-n", place, "link", "set", device, "up")
            hosts += f"10.77.{number}.2 {name}.example.com\n"
        names = Path("/etc/netns") / ours  # `ip netns exec` shows what lies here in place of /etc's
        names.mkdir(parents=True)
        undo.callback(shutil.rmtree, names)
        (names / "hosts").write_text(hosts)
        yield ours


def on_the_server(machine: BootedHost, page: str, key: str) -> None:
    """What the page says is to be done there as root."""
    blocks = {block.split()[0]: block for block in BLOCK.findall(page)}
    lines = next(block for block in BLOCK.findall(page) if "/usr/bin/systemctl" in block)
    script = f"cd /root && printf '%s\\n' '{key}' > ci.pub\n{blocks['useradd']}"
    script += f"cat > /etc/sudoers.d/sluicegate <<'END'\n{lines}END\nchmod 0440 /etc/sudoers.d/sluicegate\nvisudo -c\n"
    done = machine.run(["sh", "-euc", script])
    assert done.status == 0, done.error_text


def test_the_page_leads_from_two_servers_to_the_first_promoted_version(debian_base: Path, tmp_path: Path) -> None:
    needs("ssh", "ssh-keyscan", "ssh-keygen", "curl")
    page, home = PAGE.read_text(), tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / "bin").mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / ".ssh/id_ed25519"], check=True)
    # OpenSSH's home is that of the user's entry, whatever HOME says.
    (home / "config").write_text(
        f"Host *\n IdentityFile {home}/.ssh/id_ed25519\n UserKnownHostsFile {home}/.ssh/known_hosts\n"
    )
    client = home / "bin/ssh"
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {home}/config "$@"\n')
    client.chmod(0o755)
    variables = {"PATH": f"{home}/bin:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"}
    for who in ("COMMITTER", "AUTHOR"):
        variables |= {f"GIT_{who}_NAME": "olle", f"GIT_{who}_EMAIL": "olle@example.com"}
    with network() as ours, ExitStack() as stack:
        for name in NAMES:
            root = stack.enter_context(overlay(debian_base, tmp_path / name))
            leader = stack.enter_context(booted(root, name, f"{ours}{name}"))
            machine = BootedHost(name=name, folder="/", leader=leader)
            on_the_server(machine, page, (home / ".ssh/id_ed25519.pub").read_text().strip())
        output = typed([page], home, hosts=(), seconds=600, within=("ip", "netns", "exec", ours), **variables)
    shown = page.partition("print:\n```\n")[2].partition("```")[0]
    assert shown and setless(output).endswith(setless(shown)), output


def setless(text: str) -> str:
    """Without the names of sets: an archive holds the moment in which it was packed."""
    return re.sub(r"\b[0-9a-f]{12}\b", "SET", text)
