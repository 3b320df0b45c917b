"""One running HAProxy: its map file, and its runtime socket; here, on another host, or by TCP.

The file is what HAProxy starts and reloads with, the socket changes what it does now. A switch writes the file first,
so that a reload at any moment leads to where the switch goes.
"""

from __future__ import annotations

import csv
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import Conflict, Denied, MissingProgram, NotFound, RemoteUnavailable, SluicegateError
from sluicegate.ports import Host
from sluicegate.tools import door, files

REFUSED = re.compile(r"(?m)^(?:Unknown map identifier|Permission denied|Unknown command|No such|Can't).*")
TRIES = 4
RELOAD = 2.0  # seconds; while HAProxy reloads its socket is away for a moment
SECONDS = 10.0  # of a runtime command; HAProxy answers in milliseconds
REPLACE = """set -e; temporary="$1.$$"; umask 022
cp -p "$1" "$temporary" 2>/dev/null || :  # its rights stay
cat > "$temporary"; sync "$temporary"; mv -f "$temporary" "$1"
"""
# What a host has to speak with a socket differs; each takes the commands on stdin and ends at the answer's end.
ASK = """
if command -v socat >/dev/null; then exec socat -t 10 - "$2"
elif [ "${2#UNIX-CONNECT:}" != "$2" ] && command -v nc >/dev/null; then exec nc -U "$1"
elif command -v python3 >/dev/null; then exec python3 -c '
import socket, sys
place = sys.argv[1]
kind, where = (socket.AF_UNIX, place) if place.startswith("/") else (socket.AF_INET, tuple(place.rsplit(":", 1)))
link = socket.socket(kind)
link.settimeout(10)
link.connect(where if kind == socket.AF_UNIX else (where[0], int(where[1])))
link.sendall(sys.stdin.buffer.read())
while block := link.recv(65536):
    sys.stdout.buffer.write(block)
' "$1"
else echo "neither socat, nc nor python3 is there to speak with HAProxy" >&2; exit 127
fi
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaproxyProcess:
    """One HAProxy as the balancer's settings name it. `host` makes the host that it runs on; None for this machine."""

    name: str
    file: str
    socket: str
    host: Callable[[], Host] | None = None

    def written(self) -> dict[str, str]:
        """The map's entries in the file. Raises NotFound without a file."""
        return read_map(self.read_file(self._no_map()), f"the map file {self.file} of {self.name}")

    def running(self) -> dict[str, str]:
        """The map's entries that HAProxy uses now."""
        answer = self.ask(f"show map {self.file}")
        lines = [line.partition(" ")[2] for line in answer.splitlines() if line.startswith("0x")]
        return read_map("\n".join(lines), f"the map {self.file} that {self.name} uses")

    def refuse_unchangeable(self) -> None:
        """Raise Denied where the socket may look only, before anything is changed."""
        level = self.ask("show cli level").strip()
        if level != "admin":
            raise Denied(
                f"the balancer {self.name}: its socket {self.socket} has the level '{level}', expected 'admin'",
                hint=f"in haproxy.cfg: stats socket {self.socket} mode 660 level admin group GROUP",
            )

    def write(self, entries: Mapping[str, str]) -> None:
        """Put the entries into the map's file, in one step."""
        self.write_file("".join(f"{key} {value}\n" for key, value in entries.items()).encode())

    def write_file(self, content: bytes) -> None:
        """Put other content into the file, in one step; its rights stay."""
        if self.host is None:
            try:
                path = Path(self.file)
                files.replace(path, content, mode=path.stat().st_mode & 0o777 if path.exists() else 0o644)
            except OSError as problem:
                raise self._unwritten(problem.strerror or str(problem)) from problem
            return
        done = self.host().run(["sh", "-c", REPLACE, "sh", self.file], stdin=content)
        if done.status != 0:
            raise self._unwritten(done.error_text)

    def use(self, entries: Mapping[str, str]) -> None:
        """Make HAProxy use the entries from now on, all in the same moment, and look whether it does.

        A reload takes away what was prepared, and has read the file by then; so it is looked at, and done again.
        """
        for _ in range(TRIES):
            version = re.search(r"New version created: ([0-9]+)", self.ask(f"prepare map {self.file}"))
            if version:
                steps = [f"add map @{version[1]} {self.file} {key} {value}" for key, value in entries.items()]
                self.ask("; ".join([*steps, f"commit map @{version[1]} {self.file}"]))
            if self.running() == dict(entries):
                return
        raise self._unreachable("it does not use what was written into its map", hint="is somebody else writing?")

    def sessions(self) -> dict[str, int]:
        """BACKEND/SERVER -> how many sessions it has now."""
        return {f"{row['pxname']}/{row['svname']}": int(row["scur"] or 0) for row in self.statistics()}

    def statistics(self) -> list[dict[str, str]]:
        """HAProxy's own row of every server."""
        lines = self.ask("show stat -1 4 -1").lstrip("# ").splitlines()
        return [*csv.DictReader(line for line in lines if line)]

    def ask(self, commands: str) -> str:
        """HAProxy's answer to runtime commands that stand on one line."""
        door.passing(f"haproxy {self.name} {commands.split(' ')[0]}")
        ask = self._ask_here if self.host is None else self._ask_there
        deadline = time.monotonic() + RELOAD
        while True:
            try:
                answer = ask(commands)
                break
            except RemoteUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        if refused := REFUSED.search(answer):
            raise self._refused(refused[0])
        return answer

    def _ask_here(self, commands: str) -> str:
        answer = bytearray()
        kind = socket.AF_UNIX if self.socket.startswith("/") else socket.AF_INET
        try:
            with socket.socket(kind) as link:
                link.settimeout(SECONDS)
                link.connect(self.socket if kind == socket.AF_UNIX else _split(self.socket))
                link.sendall(commands.encode() + b"\n")
                while block := link.recv(1 << 16):
                    answer += block
        except PermissionError as problem:
            raise Denied(
                f"{self.name}: its socket {self.socket} may not be used by this user",
                hint=f"in haproxy.cfg: stats socket {self.socket} mode 660 level admin group GROUP",
            ) from problem
        except OSError as problem:
            raise self._silent(problem.strerror or str(problem)) from problem
        return answer.decode("utf-8", "replace")

    def _ask_there(self, commands: str) -> str:
        assert self.host is not None
        kind = "UNIX-CONNECT" if self.socket.startswith("/") else "TCP"
        words = ["sh", "-c", ASK, "sh", self.socket, f"{kind}:{self.socket}"]
        done = self.host().run(words, stdin=commands.encode() + b"\n", timeout=3 * SECONDS)
        if done.status == 127:
            raise MissingProgram(f"{self.name}: {done.error_text}", hint="apt install socat")
        if done.status != 0 and "ermission denied" in done.error_text:
            raise Denied(f"{self.name}: its socket {self.socket} may not be used: {done.error_text}")
        if done.status != 0:
            raise self._silent(done.error_text)
        return done.text

    def _no_map(self) -> NotFound:
        return NotFound(
            f"{self.name}: the map file {self.file} is not there, so no group is live",
            hint=f"write the live group into it, then start HAProxy: echo 'live GROUP' > {self.file}",
        )

    def read_file(self, missing: NotFound) -> str:
        """What stands in the file now. Raises `missing` where there is none."""
        if self.host is not None:
            done = self.host().run(["sh", "-c", '[ -e "$1" ] || exit 44; cat "$1"', "sh", self.file])
            if done.status == 44:
                raise missing
            if done.status != 0:
                raise self._unreachable(f"its file {self.file} cannot be read: {done.error_text}")
            return done.text
        try:
            return Path(self.file).read_text(errors="replace")
        except FileNotFoundError as problem:
            raise missing from problem
        except OSError as problem:
            raise self._unreachable(f"its file {self.file} cannot be read: {problem.strerror}") from problem

    def _silent(self, why: str) -> RemoteUnavailable:
        return self._unreachable(f"its socket {self.socket} says nothing: {why}", hint="is HAProxy running there?")

    def _unwritten(self, why: str) -> RemoteUnavailable:
        return self._unreachable(f"its file {self.file} cannot be written: {why}", hint="check its rights")

    def _unreachable(self, what: str, *, hint: str = "") -> RemoteUnavailable:
        return RemoteUnavailable(f"the balancer {self.name}: {what}", hint=hint)

    def _refused(self, words: str) -> SluicegateError:
        if words.startswith("Unknown map"):
            return Conflict(
                f"the balancer {self.name} uses no map {self.file}: {words.strip()}",
                hint="compare its configuration: sluicegate balancer config ENV --against haproxy.cfg",
            )
        if words.startswith("Permission"):
            return Denied(f"the balancer {self.name}: {words.strip()}")
        return SluicegateError(f"the balancer {self.name}: {words.strip()}")


def read_map(text: str, place: str) -> dict[str, str]:
    """Key -> value of a map's lines. Raises Conflict for a key that stands twice: HAProxy takes the first."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        if key in entries:
            raise Conflict(f"{place} says '{key}' twice", hint="leave one line of it, then reload HAProxy")
        entries[key] = value.strip()
    return entries


def _split(place: str) -> tuple[str, int]:
    address, _, port = place.rpartition(":")
    return address, int(port)
