"""How the full name of a job or folder, `team/inner`, becomes a path below a Jenkins: `job/team/job/inner/`."""

from __future__ import annotations

from urllib.parse import quote


def path_of(full_name: str) -> str:
    return "".join(f"job/{quote(part, safe='')}/" for part in full_name.split("/") if part)
