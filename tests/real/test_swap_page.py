"""docs/how-to/swap.md, typed by a reader of the page before it: every shell block is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.parts import HOW_TO, free_port, typed
from tests.real.needs import needs

pytestmark = pytest.mark.real


def test_the_page_leads_from_caddy_to_a_swap_with_haproxy(tmp_path: Path) -> None:
    needs("haproxy", "curl")
    first, text = (HOW_TO.joinpath(name).read_text() for name in ("first-pipeline.md", "swap.md"))
    for port in ("18101", "18102", "18103", "18080", "18090"):
        number = str(free_port())
        first, text = first.replace(port, number), text.replace(port, number)
    shown = text.partition("they print:\n```\n")[2].partition("```")[0]
    variables = {"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"}
    for who in ("COMMITTER", "AUTHOR"):
        variables |= {f"GIT_{who}_NAME": "olle", f"GIT_{who}_EMAIL": "olle@example.com"}
    output = typed([first, text], tmp_path, hosts=("int1", "blue1", "green1"), seconds=240, **variables)
    assert shown and output.endswith(shown), output
