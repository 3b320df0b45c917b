"""Branch specifiers as hudson.plugins.git.BranchSpec reads them: `*` stays within a slash, `**` does not; `:REGEX`."""

from __future__ import annotations

import re
from functools import lru_cache

from sluicegate.tools import patterns


@lru_cache(maxsize=1024)
def pattern(spec: str) -> str:
    """What a whole branch name, such as `origin/main` or `refs/tags/v1`, has to match; variables are replaced."""
    plain = "**" not in spec and "/" not in spec
    remotes = "|refs/remotes/[^/]+/|remotes/[^/]+/|[^/]+/" if plain else "|refs/remotes/|remotes/"
    pieces = re.split(r"(\*\*|\*)", spec)
    body = "".join({"**": ".*", "*": "[^/]*"}.get(piece, re.escape(piece)) for piece in pieces)
    return f"(?:refs/heads/{remotes})?{body}"


def matches(spec: str, name: str) -> bool:
    """Whether the specifier means this branch. Raises Malformed for a `:REGEX` that is none, or that takes too long."""
    return patterns.matches(spec[1:] if spec.startswith(":") and len(spec) > 1 else pattern(spec), name)


def single(specs: tuple[str, ...], remotes: tuple[str, ...]) -> str | None:
    """The one branch that is asked for, None when there may be several (GitSCM.getSingleBranch)."""
    if len(specs) != 1:
        return None
    spec = specs[0]
    if spec.startswith("*/") and len(remotes) == 1:
        spec = remotes[0] + spec[1:]
    return None if "*" in spec or spec.startswith(":") else spec


def spellings(spec: str, remotes: tuple[str, ...]) -> list[str]:
    """The references that a single branch may stand for, in the plugin's order (DefaultBuildChooser)."""
    if "/" not in spec:
        return [*(f"{remote}/{spec}" for remote in remotes), spec]
    references = []
    for remote in remotes:
        if spec.startswith(f"{remote}/"):
            references.append(f"refs/remotes/{spec}")
        elif spec.startswith(f"remotes/{remote}/"):
            references.append(f"refs/{spec}")
        elif spec.startswith("refs/heads/"):
            references.append(f"refs/remotes/{remote}/{spec.removeprefix('refs/heads/')}")
        else:
            references.append(spec)
        references.append(f"refs/remotes/{remote}/{spec}")
    return [*references, spec]
