"""docs/how-to/puppet.md, typed by a reader: every shell block is run, and prints what the page shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.parts import HOW_TO, typed
from tests.real.needs import needs

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def test_the_page_installs_what_is_assigned_and_no_pin(tmp_path: Path) -> None:
    needs("puppet")
    text = HOW_TO.joinpath("puppet.md").read_text()
    shown = text.partition("`cat` prints:\n```\n")[2].partition("```")[0].split()
    variables = {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"}
    for who in ("COMMITTER", "AUTHOR"):
        variables |= {f"GIT_{who}_NAME": "olle", f"GIT_{who}_EMAIL": "olle@example.com"}
    output = typed([text], tmp_path, hosts=("int1",), seconds=500, **variables)
    assert len(shown) == 4
    assert re.findall(r"^\d+\.\d+\.\d+$", output, re.MULTILINE) == shown, output
