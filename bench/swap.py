"""Swaps of a real HAProxy under load: how long answers take while one is made, beside all others of the same run.

    python bench/swap.py [--swaps 50] [--users 20] [--rate 1000] [--rows]

Users keep their connections and ask on a schedule, from a process of their own; a span counts from when the request was
due, so that a stall shows in every request that it delays. Two more HAProxy are the servers, so that little else than
the balancer is measured. During a swap is a request that was due from 5 ms before its first step (so under way then) to
20 ms after its last; what was due counts, as slow requests would meet a swap more often than others.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.publish import print_rows, report
from tests.haproxy import HEAD, configured, end, wait_until
from tests.real.needs import program

from sluicegate.tools import sockets
from sluicegate.tools.scratch import scratch

BEFORE, AFTER = 0.005, 0.02  # seconds around a swap that count as during it
BETWEEN = 0.2  # seconds from one swap to the next
SERVER = """\
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
"""
ANSWERS = """\
frontend {group}
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string {group}
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def haproxy(folder: Path, name: str, text: str, *ports: int) -> Iterator[None]:
    (folder / f"{name}.cfg").write_text(text)
    running = subprocess.Popen([program("haproxy"), "-db", "-q", "-f", folder / f"{name}.cfg"])
    try:
        wait_until(lambda: all(sockets.listens("127.0.0.1", port) for port in ports))
        yield
    finally:
        end(running)


def load(port: int, users: int, rate: float) -> None:
    """Ask until standard input ends; print when each request was due, when it was answered, and by whom."""
    links = [socket.create_connection(("127.0.0.1", port)) for _ in range(users)]
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin, selectors.EVENT_READ)
    for link in links:
        waiting.register(link, selectors.EVENT_READ)
    free, due, ended = list(links), {}, False
    answers: list[tuple[float, float, str]] = []
    following = time.monotonic()
    while not ended or len(free) < users:
        now = time.monotonic()
        while not ended and free and following <= now:
            link = free.pop(0)
            due[link] = following
            link.sendall(REQUEST)
            following += 1 / rate
        for key, _ in waiting.select(max(following - time.monotonic(), 0) if free and not ended else 1.0):
            if key.fileobj is sys.stdin:
                waiting.unregister(sys.stdin)
                ended = True
                continue
            assert isinstance(key.fileobj, socket.socket)
            received = key.fileobj.recv(65536).decode()
            if not received:
                waiting.unregister(key.fileobj)
                users -= 1
            else:
                free.append(key.fileobj)
            good = received.startswith("HTTP/1.1 200")
            answers.append((due.pop(key.fileobj, 0.0), time.monotonic(), received[-5:].strip() if good else ""))
    json.dump(answers, sys.stdout)


def percentile(spans: list[float], share: float) -> float:
    return sorted(spans)[min(int(len(spans) * share), len(spans) - 1)] * 1000


def swapped(count: int, users: int, rate: float) -> tuple[list[tuple[float, float, str]], list[tuple[float, float]]]:
    """When each request was due and was answered, and the group that did; when each swap began and ended."""
    kept = [sockets.keep_port() for _ in range(3)]
    users_port, *group_ports = (sockets.port_of(port) for port in kept)
    for port in kept:
        port.close()
    groups = dict(zip(("blue", "green"), group_ports, strict=True))
    with scratch() as folder:
        balancer = configured(folder, f"http://127.0.0.1:{users_port}")
        (folder / "main.map").write_text("live blue\n")
        parts = balancer.configuration({group: {"auth": [f"127.0.0.1:{at}"]} for group, at in groups.items()})
        rules, _, backends = parts.partition("\nbackend ")
        text = f"{HEAD.format(folder=folder, port=users_port)}{rules}\nbackend {backends}"
        servers = SERVER + "".join(ANSWERS.format(group=group, port=at) for group, at in groups.items())
        with haproxy(folder, "servers", servers, *group_ports), haproxy(folder, "haproxy", text, users_port):
            words = [
                sys.executable,
                __file__,
                "--load",
                str(users_port),
                f"--users={users}",
                f"--rate={rate}",
            ]
            loading = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            time.sleep(3)
            swaps: list[tuple[float, float]] = []
            for number in range(count):
                time.sleep(BETWEEN)
                began = time.monotonic()
                balancer.switch(("green", "blue")[number % 2], keep_sessions=number % 3 == 0)
                swaps.append((began, time.monotonic()))
            answers = json.loads(loading.communicate()[0])
    return answers, swaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second")
    parser.add_argument("--rows", action="store_true", help="print rows for docs/performance.md")
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        load(options.load, options.users, options.rate)
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {options.rate:g} requests a second")
    answers, swaps = swapped(options.swaps, options.users, options.rate)
    assert {group for *_, group in answers} >= {"blue", "green"}
    during, outside = [], []
    for due, at, _ in answers:
        within = any(began - BEFORE <= due <= ended + AFTER for began, ended in swaps)
        (during if within else outside).append(at - due)
    failed = sum(not group for *_, group in answers)
    steps = percentile([ended - began for began, ended in swaps], 0.5)
    print(f"{len(answers)} answers, {len(during)} during a swap; a swap takes {steps:.1f} ms (median)")
    for share in (0.5, 0.99):
        print(f"p{share * 100:g}: {percentile(during, share):.2f} ms during, {percentile(outside, share):.2f} outside")
    what = f"{options.swaps} swaps of HAProxy under {options.rate:g} requests a second"
    report(f"{what}: p99 during a swap to that outside", percentile(during, 0.99) / percentile(outside, 0.99), 2.0)
    report(f"{what}: failed requests", failed, 0.0)
    if options.rows:
        print_rows("swap.py")


if __name__ == "__main__":
    main()
