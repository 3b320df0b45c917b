"""What the tests of the job library share."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from sluicegate.jjb.render import templates

FIXTURES = Path(__file__).parent / "fixtures"
TEMPLATES = templates()
ROOT = TEMPLATES.parent


def template_ids() -> list[str]:
    """The templates' ids, without our prefix."""
    texts = [path.read_text() for path in sorted(TEMPLATES.glob("*.yaml"))]
    return [name for text in texts for name in re.findall(r"^    id: sluicegate-(.+)$", text, re.MULTILINE)]


def command(config: bytes) -> str:
    """The script of a job's only shell step."""
    steps = ElementTree.fromstring(config).findall("builders/hudson.tasks.Shell/command")
    assert len(steps) == 1
    return steps[0].text or ""
