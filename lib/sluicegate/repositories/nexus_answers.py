"""What a Nexus answers, and what it means: its checksums, its refusals, and pages that are no answer of a Nexus."""

from __future__ import annotations

import re

from sluicegate.errors import Conflict, IntegrityError, SluicegateError, UsageError
from sluicegate.tools.http import Answer

KINDS = ("sha1", "sha256")
"""The checksums of what is sent: by the first a Nexus names what it stores, the second is ours."""


def etag(reply: Answer) -> str | None:
    """The SHA-1 in an ETag; proxies mark it as weak, older Nexus wrap it."""
    sha1 = re.search(r"\b[0-9a-f]{40}\b", reply.headers.get("etag", ""))
    return sha1[0] if sha1 else None


def conflict(where: str, standing: str, mine: str, *, kind: str = "SHA-1") -> Conflict:
    return Conflict(
        f"{where} is already published with other content: it has {kind} {standing}, the new file has {mine}",
        hint="a version is immutable; publish the change under a new version",
    )


def no_nexus(where: str) -> IntegrityError:
    return IntegrityError(
        f"{where} is answered by an HTML page, not by the file's checksum",
        hint="a login page or a proxy stands before the repository: correct 'url'",
    )


def absent(reply: Answer) -> bool:
    """Whether the server says that this path is empty; a repository that is not there says nothing of its files."""
    return reply.status == 404 and "Repository not found" not in reply.explanation


def refused(reply: Answer, where: str, repository: str) -> SluicegateError:
    """The server's own words for what it does not take."""
    message = f"{where}: the server answered {reply.explanation}"
    if reply.status == 404:
        return UsageError(message, hint=f"is there a hosted repository '{repository}' at this server?")
    if reply.status == 400 and "version policy" in reply.reason:
        return UsageError(
            message, hint="a release repository takes no SNAPSHOT and the reverse: name another with 'snapshots'"
        )
    if reply.status == 400 and "mavenPath" in reply.reason:
        return UsageError(message, hint="a strict maven2 repository needs a 'group', and names that begin with "
                          "component and version; or set its layout policy to permissive")  # fmt: skip
    if reply.status in (400, 409, 412):
        return SluicegateError(message, hint="see the repository's settings")
    return SluicegateError(message, hint="see the server's log")
