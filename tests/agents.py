"""What stands for a host with Puppet: its agent, in memory, reads what is assigned as Hiera does, and installs it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.deployers.puppet.assigned import ABSENT, Assignment
from sluicegate.hosts.local import LocalHost
from sluicegate.tools import door
from sluicegate.tools.process import Completed


def nobody(host: str, component: str, version: str) -> None:
    """Nobody is told what is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHost(LocalHost):
    """`has`: component -> version, a package of its name each. It tells `on_installed` what the agent installs."""

    assigned: Path
    has: dict[str, str] = field(default_factory=dict)
    on_installed: Callable[[str, str, str], None] = field(default=nobody, compare=False)
    turn: threading.Lock = field(default_factory=threading.Lock, compare=False)

    def agent(self, job: str = "") -> None:
        """One run, kicked by us or not."""
        with self.turn:
            try:
                assignment = Assignment.read(self.assigned.read_bytes())
            except FileNotFoundError:
                assignment = Assignment(intent="")
            for component, how in assignment.components.items():
                version = str(how["version"])
                if version == ABSENT:
                    self.has.pop(component, None)
                elif self.has.get(component) != version:
                    self.has[component] = version
                    self.on_installed(self.name, component, version)
            report = {"host": self.name, "status": "changed", "job_id": job, "transaction_completed": True,
                      "logs": [{"tags": [f"sluicegate-{assignment.intent}"]}]}  # fmt: skip
            (self.folder / "report.json").write_text(json.dumps(report))

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0, root: bool = False
    ) -> Completed:
        if argv[0] not in ("dpkg-query", "puppet") and "dpkg-query" not in argv[-1]:
            return LocalHost.run(self, argv, stdin=stdin, timeout=timeout)
        door.passing(argv[0])
        stdout = ""
        if argv[0] == "dpkg-query":
            stdout = "".join(f"{name}\t{version}\tinstalled\n" for name, version in self.has.items() if name in argv)
        elif argv[:2] == ["puppet", "agent"]:
            self.agent(argv[argv.index("--job-id") + 1])
        elif argv[0] == "puppet":
            stdout = f"{self.folder}/report.json\n"
        return Completed(argv=tuple(argv), status=0, stdout=stdout.encode(), stderr=b"")
