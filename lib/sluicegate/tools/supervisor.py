"""Keeps services running on this machine, outside any build's tree: one supervisord for one folder, started on demand.

Longer than a module should be: starting, asking and ending one supervisord hang together by its files.
Below the folder: `supervisor/` with its configuration and one start script a service, `log/` with what they print.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import shlex
import socket
import sys
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sluicegate.errors import Malformed, MissingProgram, RemoteUnavailable, SluicegateError
from sluicegate.model.numbers import INT, required
from sluicegate.tools import door, extras, files, process, sockets
from sluicegate.tools.lock import locked

SOCKET = "supervisor.sock"
START_SECONDS = 20.0
STOP_SECONDS = 10
SHOWN_LINES = 20
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


class Supervisor:
    """The supervisord of one folder. Everything below the folder may be made by it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "supervisor"
        self.logs = folder / "log"
        self.socket = self.folder / SOCKET

    def restart(self, name: str, script: str, address: str, port: int) -> None:
        """Run a shell script as the service `name`, in place of the running one, and wait until it is up.

        Up means: it listens on the port, or has lived for a second. Raises UsageError when another program has the
        port, SluicegateError with its last lines when it ends at once, RemoteUnavailable without a supervisord.
        """
        if not re.fullmatch(NAME, name):
            raise Malformed(f"'{name}' cannot be the name of a service; letters, digits, '.', '_' and '-' can")
        with self._locked():
            server = self._server()
            if server is not None and _state(server, name) not in ("", "STOPPED", "FATAL", "EXITED"):
                _stop(server, name)
            sockets.check_free(address, port)
            seen = self._log_size(name)
            files.replace(self._script(name), script.encode())
            self._configure()
            if server is None:
                server = self._start()
            else:
                _load(server, name)
            self._await(server, name, address, port, seen)

    def stop(self, name: str) -> None:
        """Stop a service and forget it."""
        if not self.folder.is_dir():
            return
        with self._locked():
            server = self._server()
            if server is not None and _state(server, name):
                _stop(server, name)
                _call(server, "removeProcessGroup", name)
            self._script(name).unlink(missing_ok=True)
            self._configure()
            if server is not None:
                _call(server, "reloadConfig")

    def shutdown(self) -> None:
        """End supervisord and all its services, and wait until they are gone."""
        if not self.folder.is_dir():
            return
        with self._locked():
            pid = self._pid()
            if pid:
                # Asked twice: with nothing to stop, supervisord sleeps a second after it has heard the first.
                with suppress(SluicegateError):
                    server = self._server()
                    if server is not None:
                        _call(server, "shutdown")
                process.end(pid, seconds=3.0 * STOP_SECONDS)
            self.socket.unlink(missing_ok=True)

    def log(self, name: str, start: int = 0) -> str:
        """The last lines that a service printed, from the byte `start` on."""
        try:
            with (self.logs / f"{name}.log").open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                # A smaller file than before was rotated meanwhile.
                stream.seek(max(start if start <= size else 0, size - 16_384))
                lines = stream.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join(lines[-SHOWN_LINES:])

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self.folder / "lock")

    def _script(self, name: str) -> Path:
        return self.folder / "services" / f"{name}.sh"

    def _log_size(self, name: str) -> int:
        path = self.logs / f"{name}.log"
        return path.stat().st_size if path.exists() else 0

    def _configure(self) -> None:
        """Write supervisord.conf from the scripts that are there.

        Scripts hold command and environment: of the configuration's own rules (`%`, ` ;` begins a comment, commas)
        nothing can then go wrong. For the same reason all paths are relative to where supervisord is started, and
        that of its socket is short: the system takes 107 bytes, and a workspace's path may be longer.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        names = sorted(script.stem for script in (self.folder / "services").glob("*.sh"))
        text = HEAD + "".join(PROGRAM.format(name=name, stop_seconds=STOP_SECONDS) for name in names)
        files.replace(self.folder / "supervisord.conf", text.encode(), mode=0o600)

    def _start(self) -> xmlrpc.client.ServerProxy:
        """Start supervisord; its services start by themselves."""
        if importlib.util.find_spec("supervisor") is None:
            raise MissingProgram("hosts with 'driver: local' need the package supervisor", hint=extras.install("local"))
        conf = self.folder / "supervisord.conf"
        # -W: supervisord warns about running as root and the like on stderr, which here would only look like errors.
        done = process.run(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", conf],
            cwd=self.folder,
            inherit=False,
            check=False,
            timeout=30.0,
        )
        deadline = time.monotonic() + START_SECONDS
        while done.status == 0 and time.monotonic() < deadline:
            server = self._server(check_pid=False)
            if server is not None:
                return server
            time.sleep(0.02)
        output = done.error_text or done.text.strip() or self.log("supervisord") or "it printed nothing"
        raise RemoteUnavailable(f"supervisord for {self.folder} does not start: {output}", hint=f"see {self.logs}")

    def _server(self, *, check_pid: bool = True) -> xmlrpc.client.ServerProxy | None:
        """The running supervisord, None when there is none."""
        server = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self.socket), allow_none=True)
        door.passing("supervisor getPID")
        try:
            server.supervisor.getPID()
        except (FileNotFoundError, ConnectionRefusedError):
            pid = self._pid_from_file() if check_pid else 0
            if pid:
                raise RemoteUnavailable(
                    f"supervisord (process {pid}) runs, but its socket {self.socket} is gone",
                    hint=f"kill -HUP {pid} makes it again; its services restart",
                ) from None
            return None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as problem:
            raise RemoteUnavailable(f"supervisord at {self.socket} does not answer: {problem}") from problem
        return server

    def _pid(self) -> int:
        with suppress(RemoteUnavailable):
            server = self._server()
            if server is not None:
                return int(str(_call(server, "getPID")))
        return self._pid_from_file()

    def _pid_from_file(self) -> int:
        """The process number in the pid file, 0 unless that process is still this supervisord."""
        try:
            pid = required((self.folder / "supervisord.pid").read_text().strip(), most=INT)
        except (FileNotFoundError, ValueError):
            return 0
        return pid if str(self.folder / "supervisord.conf") in process.command_line(pid) else 0

    def _await(self, server: xmlrpc.client.ServerProxy, name: str, address: str, port: int, seen: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            state = _state(server, name)
            if state == "RUNNING" or (state == "STARTING" and sockets.listens(address, port)):
                return
            if state in ("BACKOFF", "FATAL", "EXITED"):
                # It would be tried again and again; who asked shall hear of it instead.
                _stop(server, name)
                output = self.log(name, seen) or "it printed nothing"
                raise SluicegateError(
                    f"the service '{name}' ended at once. Its last lines:\n{output}", hint=f"see {self.logs / name}.log"
                )
            time.sleep(0.02)
        raise SluicegateError(
            f"the service '{name}' did not start within {START_SECONDS:g} seconds: {self.log(name, seen)}",
            hint=f"see {self.logs}",
        )


HEAD = """\
; written by sluicegate
[supervisord]
logfile = ../log/supervisord.log
pidfile = supervisord.pid
childlogdir = ../log
identifier = sluicegate
umask = 022
silent = true

[unix_http_server]
file = /proc/self/cwd/supervisor.sock
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command = /bin/sh services/{name}.sh
autostart = true
autorestart = true
startsecs = 1
stopsignal = TERM
stopwaitsecs = {stop_seconds}
stopasgroup = true
killasgroup = true
redirect_stderr = true
stdout_logfile = ../log/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


def script(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """The shell script that runs a Procfile's command in a folder; the shell's own process becomes the service."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
    return f"cd {shlex.quote(str(folder))} || exit 1\n{exports}exec {command}\n"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=3.0 * STOP_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # As in `_configure`: the path must be short, so go through the open folder.
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self.path.name}")
        finally:
            os.close(folder)


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket; unlike supervisor's own with a time-out, so that nothing hangs for ever."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        connection = self._connection[1] or _UnixConnection(self.path)
        self._connection = (None, connection)
        return connection


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as problem:
        raise RemoteUnavailable(f"supervisord broke off: {problem}") from problem


def _call(server: xmlrpc.client.ServerProxy, method: str, *arguments: str) -> object:
    door.passing(f"supervisor {method}")
    with _answering():
        try:
            return getattr(server.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise SluicegateError(f"supervisord refuses {method} {' '.join(arguments)}: {fault.faultString}") from fault


def _state(server: xmlrpc.client.ServerProxy, name: str) -> str:
    """RUNNING, STOPPED, BACKOFF and so on; empty when the service is unknown."""
    answer = _call(server, "getAllProcessInfo")
    entries = answer if isinstance(answer, list) else []
    return next((str(entry["statename"]) for entry in entries if entry["name"] == name), "")


def _stop(server: xmlrpc.client.ServerProxy, name: str) -> None:
    """Stop a process and wait; one that has just ended by itself is fine."""
    try:
        _call(server, "stopProcess", name)
    except SluicegateError:
        if _state(server, name) not in ("STOPPED", "EXITED", "FATAL"):
            raise


def _load(server: xmlrpc.client.ServerProxy, name: str) -> None:
    """Read the configuration again and start the service with it."""
    _call(server, "reloadConfig")
    if _state(server, name):
        _call(server, "removeProcessGroup", name)
    _call(server, "addProcessGroup", name)
