"""Which versions are not final ones, by the words and signs of their ecosystem."""

from __future__ import annotations

import re

from sluicegate.model import snapshots

# Words that say that a version is not the final one, wherever they stand behind its first number or sign.
EARLY = re.compile(
    r"(?:alpha|beta|milestone|rc|cr|pr(?=[.-]?[0-9])|candidate|snapshot|snap(?=[.-]?[0-9])|pre|preview|prerelease|dev"
    r"|devel|develop|nightly|canary|unstable|ea|eap|early-access|exp|experimental|trunk|wip|edge|insiders?|test|poc"
    r"|draft|tech-?preview)"
    r"(?![a-z])",
    re.IGNORECASE,
)
EARLY_LETTER = re.compile(r"[abm]-?[0-9]", re.IGNORECASE)  # a1, b-2, m3: in Maven's words, and behind a tilde
# The release of an rpm that is made of a state before the version: 2.1-0.3.20240101git.fc39, 2.1-0.5.b2 (but OpenJDK's
# 1.8.0.65-0.b17 is a final build).
EARLY_RELEASE = re.compile(
    r"-0\.(?:(?:[0-9]+\.)?(?:[0-9]{8}|git|svn|hg|bzr|cvs|snap)|[0-9]+\.[abm][0-9])[^-]*$", re.IGNORECASE
)
EARLY_COMMIT = re.compile(r"~[0-9.]*(?:git|svn|hg|bzr|cvs|gbp)", re.IGNORECASE)
# What a distribution puts behind a tilde for a rebuild, or for a source without some files, which is no version before
# the one it is made of.
REBUILD = re.compile(
    r"~\+?(?:(?:bpo|deb|debian|dfsg|ds|repack|ubu|ubuntu|kali|mint|el|fc|rhel|centos|xenial|bionic|focal|jammy|kinetic"
    r"|lunar|mantic|noble|oracular|plucky|questing|resolute|stretch|buster|bullseye|bookworm|trixie|forky|sid)(?![a-z])"
    r"|[0-9]{2}\.(?:04|10)(?![0-9]))[0-9+.]*",
    re.IGNORECASE,
)


def prerelease(scheme: str, version: str) -> bool:
    """Whether `latest` passes the version over: 1.0.0-rc1, 1.0~beta2-1ubuntu1, 1.0-SNAPSHOT and its publications.

    In semver whatever follows a hyphen is one. In deb and rpm it is what stands behind a tilde of the upstream version,
    but a rebuild's mark such as `~bpo12`, and in rpm a release such as `0.3.20240101git`; everywhere a word tells.
    """
    if snapshots.base(version):
        return True
    if scheme == "semver":
        version, _, _ = version.partition("+")
        return "-" in version or re.search("[A-Za-z]", version.removeprefix("v")) is not None
    behind_name = re.search("[0-9._-].*", version.partition(":")[2] or version)  # Finchley.M9
    text = behind_name[0] if behind_name else ""
    if scheme == "maven":
        return _early(text, EARLY_LETTER)
    if scheme == "rpm" and EARLY_RELEASE.search(text):
        return True
    marked = REBUILD.sub("", text).replace("+~", "+")  # 7.5.1+~cs14.2, with sources of others, is above 7.5.1
    upstream = marked.rpartition("-")[0] or marked
    behind_tilde = marked.partition("~")[2]
    return (
        "~" in upstream
        or _early(marked)
        or EARLY_COMMIT.search(marked) is not None
        or EARLY_LETTER.match(behind_tilde) is not None
    )


def _early(text: str, *more: re.Pattern[str]) -> bool:
    """Whether a word for what is not final stands in the text as a word of its own."""
    return any(not text[: mark.start()][-1:].isalpha() for pattern in (EARLY, *more) for mark in pattern.finditer(text))
