"""README, "Start your own", typed by a newcomer with an empty account; it needs a package index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAIR = """
cat >> sluicegate.yaml <<END
END
sed -i 's|/srv|'"$HOME"'|; s|^  int: .int1.|&\\n  blue: [blue1]\\n  green: [green1]|' sluicegate.yaml
sed -i 's|^  int1: .*|&\\n  blue1: {driver: local, folder: /nowhere/b, ports: {app: 8102}}\\n'\
'  green1: {driver: local, folder: /nowhere/g, ports: {app: 8103}}|' sluicegate.yaml
sed -i 's|^objective:.*||' sluicegate.yaml
cat >> sluicegate.yaml <<END
  staging: {from: integration, hosts: {one-of: [blue, green]}, deploy: {driver: archive}}
  production:
    from: staging
    hosts: {one-of: [blue, green]}
    deploy: {driver: archive}
    swaps-with: staging
    balancer: {driver: caddy, file: $HOME/live, address: "http://127.0.0.1:8080", routes: {app: /}}
END
"""


def copied(to: Path) -> Path:
    """The files of this checkout that Git knows, as somebody gets them."""
    for name in subprocess.check_output(["git", "-C", str(ROOT), "ls-files", "-z"], text=True).split("\0"):
        if name and (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name, follow_symlinks=False)
    return to


@pytest.mark.real
@pytest.mark.timeout(900)
def test_start_your_own_leads_a_newcomer_to_a_repository_that_is_well(tmp_path: Path) -> None:
    part = (ROOT / "README.md").read_text().partition("## Start your own")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\nset -e{PAIR}")
    editor.chmod(0o755)
    pip_variables = {
        name: value for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name.lower()
    }
    environment = pip_variables | {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "EDITOR": str(editor)}
    (tmp_path / "home").mkdir()
    words = ["bash", "-euc", block]
    done = subprocess.run(
        words, cwd=copied(tmp_path / "checkout"), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "well: 1 component, 3 environments, 0 pins" in done.stdout
    assert "1 file changed" in done.stdout
