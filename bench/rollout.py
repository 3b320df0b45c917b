"""A rollout over many small servers behind one HAProxy with logged-in users, beside the same load without one.

    .venv/bin/python bench/rollout.py [--servers 200] [--users 1000] [--pause 1.0]

Servers and users share one thread of this machine, so the ratio counts and not the milliseconds. Says what was lost,
the youngest session that changed version (its bound is its life), the least number of hosts that were ready, how
long it took, and the answers' 99th percentile during the rollout and before it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.real.test_rollout import LIFE, staged

from sluicegate.tools.scratch import scratch


def percentile(spans: list[float]) -> float:
    return sorted(spans)[int(len(spans) * 0.99)] * 1000 if spans else 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=1.0)
    wanted = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {wanted.servers} servers, {wanted.users} users")
    with scratch() as folder, staged(folder, wanted.servers, "{batch: 50%, capacity: 50%}") as stage:
        crowd = stage.crowd
        crowd.arrive(stage.pooled.port, wanted.users, wanted.pause)
        time.sleep(10)
        quiet = crowd.spans()
        began = time.monotonic()
        stage.roll()
        took = time.monotonic() - began
        busy = crowd.spans()
        crowd.leave()
        moves = [age for user in crowd.users for age in user.moves]
        print(f"rollout {took:.1f} s; {len(quiet) + len(busy)} answers, {len(stage.lost) + len(stage.cut)} lost")
        print(f"youngest session that changed version: {min(moves, default=0.0):.1f} s (life {LIFE:g} s)")
        print(f"asked while changed: {sum(server.intrusions for server in crowd.servers.values())}")
        print(
            f"least hosts ready: {stage.pool.least} of {wanted.servers}; most whose check was late: {stage.pool.sick}"
        )
        before, during = percentile(quiet), percentile(busy)
        print(f"p99 {before:.0f} ms before, {during:.0f} ms during: {during / before:.2f} times" if before else "")


if __name__ == "__main__":
    main()
