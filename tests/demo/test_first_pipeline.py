"""docs/how-to/first-pipeline.md, typed by a newcomer: every shell block is run, on ports that are free here."""

from __future__ import annotations

import re
from pathlib import Path

from tests.parts import HOW_TO, free_port, typed


def test_the_page_leads_from_an_empty_folder_to_a_swap(tmp_path: Path) -> None:
    text = (HOW_TO / "first-pipeline.md").read_text()
    for port in ("18101", "18102", "18103", "18080"):
        text = text.replace(port, str(free_port()))
    shown = text.partition("The last two print:\n```\n")[2].partition("```")[0]
    output = typed([text], tmp_path, hosts=("int1", "blue1", "green1"), seconds=120)
    printed = re.sub(r"\b[0-9a-f]{12}\b", "6a1e5c725e9a", output)
    assert shown and printed.endswith(shown), output
