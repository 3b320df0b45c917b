"""The OpenSSH client as processes: the user's configuration, agent, jump and known hosts count, and nobody is asked.

Each host has one connection, which its commands share. Its process reads from us, so that it ends when we do, however
that may be; its socket lies in a private folder of this run.
"""

from __future__ import annotations

import atexit
import hashlib
import random
import re
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError, TimedOut
from sluicegate.tools import door, process
from sluicegate.tools.descriptors import readable
from sluicegate.tools.process import Completed
from sluicegate.tools.scratch import scratch

OPTIONS = (
    "-T", "-oBatchMode=yes", "-oLogLevel=ERROR", "-oEscapeChar=none", "-oClearAllForwardings=yes", "-oForwardX11=no",
    "-oRemoteCommand=none", "-oServerAliveInterval=15", "-oServerAliveCountMax=4", "-oConnectionAttempts=1",
)  # fmt: skip
CONNECT_SECONDS = 15
STARTING_AT_ONCE = 8
"""A server with OpenSSH's defaults (`MaxStartups 10:30:100`) begins to drop connections at the eleventh that starts."""
STARTS_PER_SECOND = 30.0
ATTEMPTS = 4
SOCKET_BYTES = 104 - 18  # what the system takes, less the ending that ssh gives it while it makes the socket

BROKE_EARLY = re.compile(
    r"kex_exchange_identification|ssh_exchange_identification|banner exchange|"
    r"Connection (closed|reset) by .* port|Temporary failure in name resolution",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a host is; `user`, `port` and `jump` are as the user's ssh configuration has them where they are empty."""

    name: str
    address: str
    user: str = ""
    port: int = 0
    jump: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        user = (f"-l{self.user}",) if self.user else ()
        port = (f"-p{self.port}",) if self.port else ()
        jump = (f"-J{self.jump}",) if self.jump else ()
        return (*user, *port, *jump, "--", self.address)


class Connection:
    """The shared connection to one host, made at its first command and closed when this process ends."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self._lock = threading.Lock()
        self._master: subprocess.Popen[bytes] | None = None

    def run(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        """Have the host's shell run a line; `timeout` in seconds, for all of it.

        Raises RemoteUnavailable when nothing was begun, TimedOut when it did not end, Denied when the host or its key
        says no.
        """
        name = self.destination.name
        deadline = time.monotonic() + timeout
        with self._lock:
            if self._master is None or self._master.poll() is not None:
                self._master = _connected(self.destination, self._socket, deadline)
        # Without the shared connection ssh would quietly make one of its own, past all limits: `false` forbids it.
        words = ("ssh", *OPTIONS, f"-S{self._socket}", "-oControlMaster=no", "-oProxyCommand=false")
        left = max(deadline - time.monotonic(), 1.0)
        try:
            done = process.run((*words, "--", self.destination.address, line), stdin=stdin, timeout=left, check=False)
        except TimedOut as problem:
            self.close()
            raise TimedOut(
                f"the host '{name}' did not end a command within {timeout:g} seconds", hint="see what hangs there"
            ) from problem
        if done.status == 255 and self._broke(done):
            self.close()
            complaint = done.error_text or "the connection ended"
            raise RemoteUnavailable(f"the connection to the host '{name}' broke: {complaint}", hint="then try again")
        return done

    def close(self) -> None:
        """End the connection; a command that still runs on it ends with it."""
        with self._lock:
            if self._master is not None:
                _end(self._master)
            self._master = None
            self._socket.unlink(missing_ok=True)

    @property
    def _socket(self) -> Path:
        return _run.folder / hashlib.sha256(self.destination.name.encode()).hexdigest()[:12]

    def _broke(self, done: Completed) -> bool:
        """Whether ssh means itself: a command may end with 255 as well."""
        if re.search(rb"^(mux_client_|Connection closed by|Control socket connect)", done.stderr, re.MULTILINE):
            return True
        check = ("ssh", f"-S{self._socket}", "-Ocheck", "--", self.destination.address)
        return process.run(check, timeout=10.0, check=False).status != 0


class _Run:
    """What all connections of this process share: the folder of their sockets, and how fast they may start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._open = ExitStack()
        self._next_start = 0.0
        self.masters: list[subprocess.Popen[bytes]] = []
        self.starting = threading.BoundedSemaphore(STARTING_AT_ONCE)

    @property
    def folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                folder = self._open.enter_context(scratch())
                if len(bytes(folder)) + 13 > SOCKET_BYTES:
                    raise SluicegateError(
                        f"the folder for temporary files is too long for the sockets of ssh: {folder}",
                        hint="name a shorter one: TMPDIR=/tmp",
                    )
                self._folder = folder
                atexit.register(self.close)
            return self._folder

    def await_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next_start)
            self._next_start = turn + 1 / STARTS_PER_SECOND
        time.sleep(turn - now)

    def close(self) -> None:
        for master in self.masters:
            _end(master)
        self._open.close()
        self._folder = None


_run = _Run()


def _connected(destination: Destination, socket: Path, deadline: float) -> subprocess.Popen[bytes]:
    """A new connection. One that broke before it had logged in is tried again; nothing else is."""
    for attempt in range(1, ATTEMPTS + 1):
        _run.await_turn()
        with _run.starting:
            master, complaint = _begin(destination, socket, deadline)
        if master is not None:
            _run.masters.append(master)
            return master
        early = BROKE_EARLY.search(complaint) and "Not allowed at this time" not in complaint
        if not early or attempt == ATTEMPTS or time.monotonic() >= deadline:
            break
        time.sleep(random.uniform(0.2, 0.5) * 2**attempt)
    raise refusal(destination, complaint)


def _begin(destination: Destination, socket: Path, deadline: float) -> tuple[subprocess.Popen[bytes] | None, str]:
    """The connection once the host's shell has answered on it; else None, and what ssh said."""
    door.passing(f"connect {destination.name}")
    socket.unlink(missing_ok=True)
    # Why a server drops us before we are logged in it says in a line that ssh shows at this level only.
    words = ("ssh", "-oLogLevel=DEBUG1", *OPTIONS, f"-S{socket}", "-oControlMaster=yes", "-oControlPersist=no",
             f"-oConnectTimeout={CONNECT_SECONDS}", *destination.words, "echo ready; exec cat >/dev/null")  # fmt: skip
    log = socket.with_suffix(".log")
    try:
        with log.open("wb") as stderr:
            master = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
    except FileNotFoundError as problem:
        raise process.missing("ssh") from problem
    assert master.stdout is not None
    heard = b""
    seconds = min(deadline - time.monotonic(), 2.0 * CONNECT_SECONDS)
    while b"ready\n" not in heard:
        ready = readable(master.stdout.fileno(), max(seconds, 0.1))
        part = master.stdout.read1(4096) if ready else b""  # type: ignore[attr-defined]
        if not part:
            _end(master)
            complaint = _told(log)
            return None, complaint if ready else f"{complaint}\ntimed out"
        heard += part
    return master, ""


def _told(log: Path) -> str:
    """What ssh wrote for people, and the server's own words before it dropped us."""
    lines = log.read_text(errors="replace").splitlines()
    shown = (line for line in lines if not line.startswith("debug1:") or "banner line" in line)
    return "\n".join(line.strip() for line in shown)


def _end(master: subprocess.Popen[bytes]) -> None:
    """Let a connection end by itself, as its input does; not for long."""
    if master.stdin is not None:
        with suppress(OSError):
            master.stdin.close()
    try:
        master.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        master.kill()
        master.wait()


REFUSALS: tuple[tuple[str, type[SluicegateError], str, str], ...] = (
    ("Could not resolve hostname", RemoteUnavailable, "its name is unknown", "correct 'address', or see to the DNS"),
    ("Name or service not known", RemoteUnavailable, "its name is unknown", "correct 'address', or see to the DNS"),
    ("name resolution", RemoteUnavailable, "its name is unknown for now", "see to the DNS, then try again"),
    ("IDENTIFICATION HAS CHANGED", Denied, "its host key has changed",
     "find out why; was the machine made anew, then forget the old key: ssh-keygen -R ADDRESS"),
    ("Host key verification failed", Denied, "its host key is unknown",
     "compare it, then add it to known_hosts: ssh-keyscan ADDRESS"),
    ("host key is known for", Denied, "its host key is unknown",
     "compare it, then add it to known_hosts: ssh-keyscan ADDRESS"),
    ("Not allowed at this time", RemoteUnavailable, "it has banned us for a while (PerSourcePenalties)",
     "wait some minutes; too many connections of ours failed"),
    ("Permission denied", Denied, "it refuses our key", "add the public key to its authorized_keys, see "
     "docs/how-to/real-servers.md"),
    ("Too many authentication failures", Denied, "it refuses our keys", "name one key: IdentityFile, IdentitiesOnly"),
    ("Connection refused", RemoteUnavailable, "it refuses connections", "is sshd running there, and on this port?"),
    ("No route to host", RemoteUnavailable, "there is no way to it", "is it up, and the network?"),
    ("Network is unreachable", RemoteUnavailable, "there is no way to it", "is it up, and the network?"),
    ("timed out", RemoteUnavailable, "it did not answer in time", "is it up, and does a firewall let us through?"),
)  # fmt: skip


def refusal(destination: Destination, complaint: str) -> SluicegateError:
    """What ssh's words mean."""
    broke = ("", RemoteUnavailable, "the connection broke before we were logged in", "try again")
    _, kind, meaning, hint = next((row for row in REFUSALS if row[0].lower() in complaint.lower()), broke)
    last = complaint.strip().splitlines()[-1].strip() if complaint.strip() else "ssh said nothing"
    return kind(
        f"the host '{destination.name}' is down for us: {meaning} ({last})",
        hint=hint.replace("ADDRESS", destination.address),
    )
