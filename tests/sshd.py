"""A real sshd for tests, without root: a listener on a port that the system chooses starts one for each connection."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluicegate.hosts.ssh import SshHost
from sluicegate.hosts.ssh import connection as ssh_connection
from sluicegate.model.settings import Settings
from tests.parts import CONFIG, settings
from tests.real.needs import needs

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Sshd:
    """The server with its keys, and a client that is configured to know it; all of it below `folder`.

    `greet` decides about each connection, by its number from 1 on: False, and the caller has dealt with it.
    """

    def __init__(self, folder: Path) -> None:
        assert SSHD is not None
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.greet: Callable[[int, socket.socket], bool] = lambda number, connection: True
        self.connections = 0
        self.running: list[subprocess.Popen[bytes]] = []
        self.server: list[str | Path] = [SSHD, "-i", "-f", folder / "sshd_config"]
        for name in ("host", "user"):
            self.make_key(name)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        (folder / "sshd_config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\nLogLevel QUIET\n"
            "PermitRootLogin yes\n"
        )
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self.listener.getsockname()[1])
        self.know_host_key()
        (folder / "ssh_config").write_text(
            f"Host *\n IdentityFile {folder}/user\n IdentitiesOnly yes\n StrictHostKeyChecking yes\n"
            f" UserKnownHostsFile {folder}/known_hosts\n GlobalKnownHostsFile none\n"
        )
        (folder / "bin").mkdir()
        client = folder / "bin/ssh"
        client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
        client.chmod(0o755)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def move_into(self, root: Path, entering: Sequence[str | Path]) -> None:
        """Log in to another root file system from now on; `entering` are the words that run others there."""
        inside = root / "etc/ssh/tests"
        inside.mkdir(parents=True)
        for name in ("host", "authorized_keys"):
            shutil.copy(self.folder / name, inside)
        config = (self.folder / "sshd_config").read_text().replace(str(self.folder), "/etc/ssh/tests")
        (inside / "sshd_config").write_text(config)
        (root / "run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
        self.server = [*entering, "/usr/sbin/sshd", "-i", "-f", "/etc/ssh/tests/sshd_config"]

    def make_key(self, name: str) -> None:
        for path in (self.folder / name, self.folder / f"{name}.pub"):
            path.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)

    def know_host_key(self) -> None:
        key = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}")

    def host(self, name: str = "app1", folder: str = "", **values: str) -> SshHost:
        return SshHost.configure(name, self.settings(folder, **values), CONFIG)

    def settings(self, folder: str = "", **values: str) -> Settings:
        """Those of a host that is reached here."""
        entries = {"address": "127.0.0.1", "port": str(self.port), "user": getpass.getuser(), **values}
        return settings(folder=folder or str(self.folder / "home"), **entries)

    def stop_listening(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # the thread that waits there keeps it open otherwise
        self.listener.close()
        self.thread.join()

    def close(self) -> None:
        if self.thread.is_alive():
            self.stop_listening()
        for server in self.running:
            server.terminate()
            server.wait()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.connections += 1
                if self.greet(self.connections, connection):
                    self.running.append(
                        subprocess.Popen(self.server, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
                    )


@contextmanager
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server below a new folder, with the client that knows it first on PATH; ends with our connections to it."""
    needs("ssh", SSHD or "sshd")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = Sshd(folder)
    monkeypatch.setenv("PATH", f"{server.folder}/bin:{os.environ['PATH']}")
    try:
        yield server
    finally:
        ssh_connection._run.close()
        server.close()
