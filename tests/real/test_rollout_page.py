"""docs/how-to/rollout.md, typed by a reader: every shell block is run, and prints what the page shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.parts import HOW_TO, free_port, typed
from tests.real.needs import needs

pytestmark = pytest.mark.real
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_rolls_a_version_out_and_back(tmp_path: Path) -> None:
    needs("haproxy", "curl")
    text = HOW_TO.joinpath("rollout.md").read_text()
    for port in ("18201", "18202", "18203", "18204", "18205", "18290"):
        text = text.replace(port, str(free_port()))
    variables = {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"}
    for who in ("COMMITTER", "AUTHOR"):
        variables |= {f"GIT_{who}_NAME": "olle", f"GIT_{who}_EMAIL": "olle@example.com"}
    hosts = ("int1", "web1", "web2", "web3", "web4")
    output = timeless(typed([text], tmp_path, hosts=hosts, seconds=240, **variables))
    first, back = (timeless(shown) for kind, shown in BLOCK.findall(text) if not kind)
    assert first.strip() in output, output
    assert output.endswith(back), output


def timeless(text: str) -> str:
    """Without what differs each time: moments, and when a host was asked last."""
    return re.sub(r" +\d+ s ago|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "", text)
