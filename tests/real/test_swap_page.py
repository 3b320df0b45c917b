"""docs/how-to/swap.md, typed by a reader of the page before it: every shell block is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.tools import process
from sluicegate.tools.supervisor import Supervisor
from tests.parts import free_port
from tests.real.needs import needs

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.real


def test_the_page_leads_from_caddy_to_a_swap_with_haproxy(tmp_path: Path) -> None:
    needs("haproxy", "curl")
    first, text = (PAGES.joinpath(name).read_text() for name in ("first-pipeline.md", "swap.md"))
    for port in ("18101", "18102", "18103", "18080", "18090"):
        number = str(free_port())
        first, text = first.replace(port, number), text.replace(port, number)
    shown = text.partition("they print:\n```\n")[2].partition("```")[0]
    blocks = [*BLOCK.findall(first), *BLOCK.findall(text)]
    script = "set -eu\n" + "\n".join(f'{block}[ -z "${{!:-}}" ] || echo $! >> pids' for block in blocks)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin", "HOME": str(tmp_path)}
    for who in ("COMMITTER", "AUTHOR"):
        environment |= {f"GIT_{who}_NAME": "olle", f"GIT_{who}_EMAIL": "olle@example.com"}
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert shown and done.stdout.endswith(shown), done.stdout
    finally:
        for name in ("int1", "blue1", "green1"):
            Supervisor(tmp_path / "hosts" / name).shutdown()
        if (pids := tmp_path / "pids").exists():
            for pid in dict.fromkeys(pids.read_text().split()):
                process.end(int(pid), seconds=10)
