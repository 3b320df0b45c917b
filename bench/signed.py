"""What signatures cost `status`: 1,000 components in 10 environments, each with a signed veto of its newest version.

    python bench/signed.py [--rounds 3] [--components 1000]

Cold is a machine that has verified none of them, warm one that has; every command is a fresh process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.book import Organisation
from bench.publish import Cost, report

from sluicegate.delivery.book.signed import KEY_VARIABLE, Signatures
from sluicegate.model import ledgerfiles
from sluicegate.model.config import Config, Signing
from sluicegate.model.evidence import Record, Veto
from sluicegate.model.story import Story
from sluicegate.tools import sshsig


class Signed(Organisation):
    """Each newest version has a veto, signed where there is a key; without one nothing is asked to be signed."""

    def __init__(self, folder: Path, components: int, key: str) -> None:
        super().__init__(folder, components=components, environments=10, versions=18, deploys=1)
        self.key = key
        self.signatures: Signatures | None = None

    def _config(self) -> bytes:
        signing = "name: bench\nevidence: {signed-by: allowed-signers}\n" if self.key else ""
        return signing.encode() + super()._config()

    def _ledger(self) -> Iterator[tuple[str, bytes]]:
        if self.key:
            self._commit("main", {"allowed-signers": f"bench {self.key}".encode()})
            signing = Signing(signers="allowed-signers")
            config = Config(repositories={}, components={}, environments={}, name="bench", signing=signing)
            lines = f"bench {self.key}".encode()
            self.signatures = Signatures(config, signing, lines, lambda *_: Story(), str(self.folder))
        yield from super()._ledger()

    def _story(self, component: str, version: str) -> list[Record]:
        return [*super()._story(component, version), *([Veto(why="bad")] if version == self.versions[-1] else [])]

    def _told(self, path: str, records: list[Record], since: timedelta = timedelta()) -> Story:
        story = super()._told(path, records, since)
        if self.signatures is None or not path.startswith("components/"):
            return story
        component, version = path.split("/")[1], ledgerfiles.version_of(path.split("/")[2])
        sign = self.signatures.sign
        return Story(sign(component, version, record) if isinstance(record, Veto) else record for record in story)

    def vetoed(self) -> int:
        """How many components have a newest version whose veto counts."""
        words = [sys.executable, "-m", "sluicegate", "-C", str(self.folder), "status", "--json"]
        status = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return sum(row["newest_vetoed"] for row in status["components"])


def median(costs: list[Cost]) -> Cost:
    walls, cpus = [cost.wall for cost in costs], [cost.cpu for cost in costs]
    return Cost(wall=statistics.median(walls), cpu=statistics.median(cpus), peak=max(cost.peak for cost in costs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--components", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        place = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(place / "cache")
        private, public = sshsig.make_key()
        (place / "key").write_bytes(private)
        os.environ[KEY_VARIABLE] = str(place / "key")
        plain = Signed(place / "plain", chosen.components, "").write()
        signed = Signed(place / "signed", chosen.components, public).write()
        costs: dict[str, list[Cost]] = {"plain": [], "cold": [], "warm": []}
        for _ in range(chosen.rounds):
            costs["plain"].append(plain.status())
            shutil.rmtree(place / "cache", ignore_errors=True)
            costs["cold"].append(signed.status())
            costs["warm"].append(signed.fresh_status())
        assert plain.vetoed() == signed.vetoed() == chosen.components
        unsigned, cold, warm = (median(costs[name]) for name in ("plain", "cold", "warm"))
        for name, cost in (("unsigned", unsigned), ("cold", cold), ("warm", warm)):
            print(f"{name}: {cost.cpu:.2f} s of the processor, {cost.wall:.2f} s, {cost.peak:.0f} MB")
        report("status-1000-signed-vetoes cold/1 s of processor", cold.cpu, 1.0)
        report("status-1000-signed-vetoes warm/unsigned", warm.cpu / unsigned.cpu, 1.3)


if __name__ == "__main__":
    main()
