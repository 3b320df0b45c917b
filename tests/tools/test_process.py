"""A program that changes the outside by itself does not outlive whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluicegate.errors import MissingProgram
from sluicegate.tools import process


def test_a_bound_program_ends_with_its_caller_however_that_ended(tmp_path: Path) -> None:
    noting = f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 600"
    code = f"from sluicegate.tools import process; process.run(['sh', '-c', {noting!r}], timeout=600, bound=True)"
    caller = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    program = int((tmp_path / "pid").read_text())
    assert "sleep" in process.command_line(program) or "sh" in process.command_line(program)
    caller.kill()
    caller.wait()
    while process.command_line(program) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.command_line(program) == ""


def test_a_bound_program_is_as_any_other_one() -> None:
    done = process.run(["sh", "-c", "cat; echo no >&2; exit 3"], stdin=b"in", check=False, bound=True)
    assert (done.status, done.stdout, done.stderr) == (3, b"in", b"no\n")
    assert done.argv[0] == "sh"
    with pytest.raises(MissingProgram, match="'no-such-program'"):
        process.run(["no-such-program"], bound=True)
