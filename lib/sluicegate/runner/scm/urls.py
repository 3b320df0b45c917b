"""Addresses of Git repositories."""

from __future__ import annotations

import os
import re

from sluicegate.errors import Malformed

TOKEN = 16
"""Letters of the shortest API token that people put into addresses."""


def same_repository(url: str, second_url: str) -> bool:
    """Whether two URLs mean one repository (GitStatus.looselyMatches): user, `.git` and a slash at the end aside."""
    return bool(_plain(url)) and _plain(url) == _plain(second_url)


def _plain(url: str) -> str:
    text = url.strip().removeprefix("file://")
    scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!//)(.*)", text)
    text = f"ssh://{scp[1]}/{scp[2].lstrip('/')}" if scp else re.sub(r"//[^@/]+@", "//", text)
    return os.path.normpath(text.removesuffix("/").removesuffix(".git")) if text else ""


def check(url: str) -> str:
    """The address as it was given. Raises Malformed for one that git would read as something else."""
    if unset := re.search(r"\$\{?([A-Za-z_]\w*)", url):
        raise Malformed(
            f"the repository URL '{shown(url)}' names the variable {unset[1]}, which is not set",
            hint=f"give it as a parameter of the job or as a global variable: --env {unset[1]}=VALUE",
        )
    if not url or url.startswith("-") or re.search(r"[\0\n\r]", url):
        raise Malformed(f"the repository URL '{shown(url)}' cannot be used")
    return url


def secrets(url: str) -> list[str]:
    """What is secret in an address: its password; of HTTP also a lone user that is as long as a token."""
    parts = re.match(r"([a-z+]+)://([^/@:]*)(?::([^/@]*))?@", url)
    if parts is None:
        return []
    lone = parts[1].startswith("http") and not parts[3] and len(parts[2]) >= TOKEN
    return [word for word in (parts[3], parts[2] if lone else "") if word]


def shown(url: str) -> str:
    """An address as everybody may read it who may read a job: without what is secret in it."""
    for word in secrets(url):
        url = url.replace(f":{word}@", "@", 1).replace(f"//{word}@", "//", 1)
    return url
