"""docs/how-to/first-pipeline.md, typed by a newcomer: every shell block is run, on ports that are free here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sluicegate.tools import process
from sluicegate.tools.supervisor import Supervisor
from tests.parts import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "first-pipeline.md"


def test_the_page_leads_from_an_empty_folder_to_a_swap(tmp_path: Path) -> None:
    text = PAGE.read_text()
    for port in ("18101", "18102", "18103", "18080"):
        text = text.replace(port, str(free_port()))
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shown = text.partition("The last two print:\n```\n")[2].partition("```")[0]
    script = "set -eu\n" + "\n".join(blocks[:4]) + "echo $! > caddy.pid\n" + "\n".join(blocks[4:])
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed = re.sub(r"\b[0-9a-f]{12}\b", "6a1e5c725e9a", done.stdout)
        assert shown and printed.endswith(shown), done.stdout
    finally:
        for name in ("int1", "blue1", "green1"):
            Supervisor(tmp_path / "hosts" / name).shutdown()
        if (pid := tmp_path / "caddy.pid").exists():
            process.end(int(pid.read_text()), seconds=10)
