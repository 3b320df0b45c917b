"""`make agent-file`: the one file runs on a Debian 11 that has no Python at all, for an ordinary user too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.tools import process
from tests.real.needs import needs

TOP = Path(__file__).parents[2]
pytestmark = [pytest.mark.root, pytest.mark.timeout(1800)]


def test_the_agent_file_brings_its_own_interpreter(tmp_path: Path) -> None:
    needs("mmdebstrap", "chroot")
    root = tmp_path / "bullseye"
    process.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--include=git,ca-certificates", "bullseye", root],
        timeout=1200.0,
    )
    assert not list(root.glob("usr/bin/python*"))
    file = root / "usr/local/bin/sluicegate"
    subprocess.run([sys.executable, TOP / "packaging" / "agent_file.py", file], check=True, timeout=1200)

    def inside(line: str) -> str:
        words = ["chroot", "--userspec=nobody", root, "/bin/sh", "-ec", f"cd /tmp; export HOME=/tmp; {line}"]
        done = process.run(words, timeout=120.0, check=False)
        assert done.status == 0, done.text + done.error_text
        return done.text

    git = "git config --global user.name A; git config --global user.email a@example.com"
    assert inside("sluicegate --version").startswith("sluicegate ")
    assert "made the delivery repo d" in inside(f"{git}; sluicegate init d; sluicegate -C d check")
    place = inside("echo /tmp/.cache/sluicegate/agent-*").strip()
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import ssl, sys; print(sys.prefix)'])"
    assert inside(f'{place}/bin/python -c "{child}"').strip() == place
    assert "cannot be reached" in inside("sluicegate trigger a --url http://127.0.0.1:9 2>&1 || test $? = 5")
