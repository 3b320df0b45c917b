"""Reports of Puppet's runs that a puppetserver posts: kept in a folder of the home until the delivery kit took them.

Puppet's own report processor `http` sends each report as YAML. Only the secret in its URL lets it in, which opens
nothing else, and only from the addresses that were said. The server knows nothing of delivery: it runs
`sluicegate -C REPO record reports FILE... --json`. What is still to be taken lies on disk: a restart loses nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.model.numbers import whole
from sluicegate.model.printable import printable
from sluicegate.runner.worker import Worker
from sluicegate.tools import files, process
from sluicegate.tools.reports import puppet
from sluicegate.web import call as calls
from sluicegate.web.call import Call, Refusal
from sluicegate.web.delivery import command

PATH = ("delivery", "reports")
USER = "puppet"
LARGEST = puppet.LIMIT
"""Bytes of one report: the delivery kit reads no more. It is written to disk as it comes."""
MANY, ROOM = 2000, 512 << 20
"""Reports that may wait, and their bytes."""
SECONDS = 120.0
"""How long a report may take to come."""
AT_ONCE = 8
BATCH, BATCH_BYTES = 200, 64 << 20
"""What one command is given; reports that come close together are one change of the delivery repo."""
SOON, LOOK = 2.0, 60.0
"""Seconds in which more reports are waited for; and after which what is left is tried again."""
PATIENCE = 900.0
TRIES = 3
BROKEN = (70, 137, 139)
"""A bug of ours, and what the system kills: a report may be why. Everything else is not a report's fault."""
TOLD = ("host", "environment", "outcome", "why")
KEPT = 20
"""Reports that the command cannot take are kept in `bad`, the newest so many."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks. Raises UsageError for what is neither."""
    read = []
    for text in texts:
        try:
            read.append(ipaddress.ip_network(text))
        except ValueError as problem:
            raise UsageError(f"--reports-from: '{text}' is neither an address nor a network") from problem
    return tuple(read)


class _Broken(SluicegateError):
    """The command did not come to an end of its own."""


class Reports:
    """What puppetservers may post, and the thread that passes it on."""

    def __init__(self, home: Path, repo: str, sources: tuple[Network, ...]) -> None:
        self.repo = repo
        self.sources = sources
        self.folder = files.ensure_folder(home.resolve() / "reports", mode=0o700)
        self.secret_file = home / "secrets" / "reports"
        self._secret = _secret(self.secret_file)
        self._came = threading.Event()
        self._uploads = asyncio.Semaphore(AT_ONCE)
        self._tried: dict[str, int] = {}
        self._one_by_one = False
        self.worker = Worker("reports", self._round)
        for part in self.folder.glob(".*.part"):  # of a server that was killed
            part.unlink(missing_ok=True)

    # -- what comes --
    async def receive(self, request: Request, call: Call) -> Response:
        """Take a report in. Raises Refusal: 401, 403, 405, 408, 413, 503."""
        self._must_be_a_puppetserver(call)
        if call.method != "POST":
            raise Refusal(405, "Method Not Allowed", headers={"Allow": "POST"})
        announced = request.headers.get("content-length", "0")
        if "transfer-encoding" not in request.headers and whole(announced, most=LARGEST) is None:
            raise Refusal(413, f"a report has at most {LARGEST} bytes", headers={"Connection": "close"})
        if self._uploads.locked():
            raise Refusal(503, "too many reports at a time", headers={"Retry-After": "10"})
        async with self._uploads:
            await to_thread.run_sync(self._must_have_room)
            name = f"{time.time_ns():020}-{secrets.token_hex(4)}"
            part = self.folder / f".{name}.part"
            try:
                async with asyncio.timeout(SECONDS):
                    size = await _written(request, part)
                if size == 0:
                    raise Refusal(400, "the report is empty")
                await to_thread.run_sync(_keep, part, self.folder / f"{name}.yaml")
            except TimeoutError:
                raise Refusal(408, "the report came too slowly", headers={"Connection": "close"}) from None
            finally:
                part.unlink(missing_ok=True)
        self._came.set()
        return calls.text("taken\n")

    def _must_be_a_puppetserver(self, call: Call) -> None:
        try:
            here = ipaddress.ip_address(call.peer)
        except ValueError:
            raise Refusal(403, "reports are taken from puppetservers only") from None
        here = getattr(here, "ipv4_mapped", None) or here
        if not any(here in network for network in self.sources):
            raise Refusal(403, f"reports are not taken from {here}; serve --reports-from says from where")
        scheme, _, credentials = call.headers.get("authorization", "").partition(" ")
        expected = base64.b64encode(f"{USER}:{self._secret}".encode())
        if scheme.lower() != "basic" or not hmac.compare_digest(credentials.strip().encode(), expected):
            raise Refusal(401, "Unauthorized", headers={"WWW-Authenticate": 'Basic realm="reports"'})

    def _must_have_room(self) -> None:
        waiting = self._waiting()
        if len(waiting) >= MANY or sum(size for _, size in waiting) >= ROOM:
            raise Refusal(503, "too many reports wait to be taken; see the server's log", headers={"Retry-After": "60"})

    # -- what goes on to the delivery kit --
    def stop(self) -> None:
        self.worker.stop()
        self._came.set()

    def _waiting(self) -> list[tuple[Path, int]]:
        """The reports that were taken in, in their order, with their sizes."""
        waiting = []
        for path in sorted(self.folder.glob("*.yaml")):
            with suppress(FileNotFoundError):  # it was taken meanwhile
                waiting.append((path, path.stat().st_size))
        return waiting

    def _round(self) -> None:
        """Pass on what there is, or wait."""
        if not self._waiting():
            self._came.wait(LOOK)
            self.worker.wait(SOON)
        self._came.clear()
        batch = self._batch()
        if not batch:
            return
        try:
            self._take(batch)
            self._one_by_one = False
        except _Broken as problem:
            self._failed(batch, problem)
        except SluicegateError as problem:  # a mistake in sluicegate.yaml, a Git server that is down
            logging.getLogger(__name__).warning("reports wait: %s", problem.message)
            self.worker.wait(LOOK)

    def _batch(self) -> list[Path]:
        batch: list[Path] = []
        room = BATCH_BYTES
        for path, size in self._waiting():
            if batch and (self._one_by_one or len(batch) >= BATCH or size > room):
                break
            batch.append(path)
            room -= size
        return batch

    def _take(self, batch: Sequence[Path]) -> None:
        """Run the command; its JSON says that all were taken, whatever it says of them."""
        words = command(self.repo, "record", "reports", *map(str, batch))
        done = process.run(words, timeout=PATIENCE, check=False)
        try:
            taken = json.loads(done.stdout)
        except ValueError:
            taken = None
        if not isinstance(taken, list):
            trouble = done.error_text[-500:] or f"status {done.status}"
            raise (_Broken if done.status in BROKEN or done.status < 0 else SluicegateError)(trouble)
        for outcome in taken:
            if isinstance(outcome, dict) and outcome.get("outcome") in ("differs", "stranger", "unreadable"):
                line = " ".join(filter(None, (str(outcome.get(key, "")) for key in TOLD)))
                logging.getLogger(__name__).warning("report of %s", printable(line)[:1000])
        for path in batch:
            path.unlink(missing_ok=True)
            self._tried.pop(path.name, None)

    def _failed(self, batch: Sequence[Path], problem: SluicegateError) -> None:
        """Try the reports one by one, and put by what breaks the command: it must not keep the others back."""
        logging.getLogger(__name__).warning("%d reports were not taken: %s", len(batch), problem.message)
        self._one_by_one = True
        name = batch[0].name
        if len(batch) == 1:
            self._tried[name] = self._tried.get(name, 0) + 1
        if self._tried.get(name, 0) >= TRIES:
            del self._tried[name]
            self._put_by(batch[0])
        else:
            self.worker.wait(SOON)

    def _put_by(self, path: Path) -> None:
        bad = files.ensure_folder(self.folder / "bad", mode=0o700)
        os.replace(path, bad / path.name)
        for old in sorted(bad.glob("*.yaml"))[:-KEPT]:
            old.unlink(missing_ok=True)
        logging.getLogger(__name__).warning("the report %s is put by", bad / path.name)


async def _written(request: Request, path: Path) -> int:
    """Write the body to a new file as it comes; its size."""
    size = 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        async for block in request.stream():
            size += len(block)
            if size > LARGEST:
                raise Refusal(413, f"a report has at most {LARGEST} bytes", headers={"Connection": "close"})
            stream.write(block)
        stream.flush()
    return size


def _keep(part: Path, path: Path) -> None:
    """Bring a report to disk before anybody answers for it."""
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(part, path)
    files.sync_folder(path.parent)


def _secret(path: Path) -> str:
    """The secret of the URL; made at the first start, and anew where somebody removed the file."""
    if not path.exists():
        files.replace(path, f"{secrets.token_urlsafe(24)}\n".encode(), mode=0o600)
    secret = path.read_text().strip()
    if not secret:
        raise UsageError(f"{path} is empty", hint=f"rm {path}: the next start makes a new secret")
    return secret
