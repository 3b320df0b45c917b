"""Addresses of Git repositories."""

from __future__ import annotations

import os
import re

from sluicegate.errors import Malformed


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
            f"the repository URL '{url}' names the variable {unset[1]}, which is not set",
            hint=f"give it as a parameter of the job or as a global variable: --env {unset[1]}=VALUE",
        )
    if not url or url.startswith("-") or re.search(r"[\0\n\r]", url):
        raise Malformed(f"the repository URL '{url}' cannot be used")
    return url


def password(url: str) -> str:
    """The password within an address, '' without one."""
    userinfo = re.match(r"[a-z+]+://[^/@:]*:([^/@]+)@", url)
    return userinfo[1] if userinfo else ""
