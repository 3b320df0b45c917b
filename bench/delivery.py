"""From the push to the end of the regression tests in integration, through the demo's build server and jobs.

The worked example's parts are started, then changes are pushed; each goes by hook, build (unit tests, quality figures,
publish), sync, installation and regression tests. The limit is 20 s for all of it, most of which is the example's own
tests. Run it where sluicegate[demo] is installed: .venv/bin/python bench/delivery.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median

from sluicegate.demo.command import Screen
from sluicegate.demo.steps import Example
from sluicegate.demo.world import World

LIMIT = 20.0


class Quiet(Screen):
    """Shows nothing."""

    def step(self, title: str) -> None: ...

    def command(self, *_: object) -> None: ...

    def button(self, *_: object) -> None: ...

    def checked(self, text: str) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=5, help="how many changes are pushed; 3 at the least")
    changes = max(3, parser.parse_args().changes)
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        world = World(root=Path(folder) / "demo")
        example = Example(world, Quiet(quiet=True))
        try:
            world.build_up()
            for component in ("auth", "portal"):
                world.server.client("olle").build_job(f"{component}-build")
                example.wait_for_integration(component, "")
            taken = []
            for number in range(changes):
                before = example.newest("auth")
                (world.root / "src" / "auth" / "NEWS").write_text(f"change {number}\n")
                begin = time.perf_counter()
                version = example.push("auth", f"Change {number}", before=before)
                taken.append(time.perf_counter() - begin)
                flow = json.loads(world.run("sluicegate", "flow", f"auth={version}", "--json").output)
                print(f"auth={version}: {taken[-1]:.1f} s, by its flow: {flow['total']:.1f} s")
        finally:
            world.close()
    print(f"push to the end of the regression tests: median {median(taken):.1f} s of {changes}")
    print(f"ratio push-to-tested-in-integration/20s {median(taken) / LIMIT:.2f} goal <=1.00")


if __name__ == "__main__":
    main()
