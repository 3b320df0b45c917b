"""How a missing extra is installed: from the checkout that this is, into the environment that this runs in."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]


def install(extra: str) -> str:
    """The command that a person types. No package index has sluicegate, so it names the checkout."""
    source = CHECKOUT if (CHECKOUT / "setup.cfg").is_file() else "CHECKOUT"
    return f"{sys.executable} -m pip install '{source}[{extra}]'"
