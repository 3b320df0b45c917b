"""Names of jobs, folders and views. Imitates jenkins.model.Jenkins.checkGoodName."""

from __future__ import annotations

from sluicegate.errors import Malformed

UNSAFE = frozenset("?*/\\%!@#$^&|<>[]:;")
LONGEST = 200
DEEPEST, LONGEST_FULL = 50, 1000
"""Levels and bytes of a full name: the paths of a job's files are longer, and the system takes 4,096 bytes."""


def check(name: str) -> str:
    """The name, or Malformed with Jenkins' words."""
    if not name.strip():
        raise Malformed("No name is specified")
    if name in (".", ".."):
        raise Malformed(f"‘{name}’ is not an allowed name")
    for character in name:
        if ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) <= 0xDFFF:
            raise Malformed("No control characters are allowed in names")
        if character in UNSAFE:
            raise Malformed(f"‘{character}’ is an unsafe character")
    if name.endswith("."):
        raise Malformed("A name cannot end with ‘.’")
    if name != name.strip():
        raise Malformed("A name cannot begin or end with a space")
    if len(name.encode()) > LONGEST:
        raise Malformed(f"The name has more than {LONGEST} bytes")
    return name


def check_full(full_name: str) -> str:
    """The full name, or Malformed for one whose files would lie too deep."""
    depth = full_name.count("/") + 1
    if depth > DEEPEST:
        raise Malformed(f"Folders go at most {DEEPEST} levels deep; this would be level {depth}")
    if len(full_name.encode()) > LONGEST_FULL:
        raise Malformed(f"The full name has more than {LONGEST_FULL} bytes")
    return full_name


def is_text(name: str) -> bool:
    """Whether a name that stands on the disk is UTF-8: no page and no JSON could tell of another one."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in name)


def is_plain(name: str) -> bool:
    """Whether this could be the name of an item at the top."""
    try:
        return check(name) == name
    except Malformed:
        return False


def resolve(name: str, owner: str) -> str:
    """The full name of a job that a job in the folder `owner` names. Imitates Jenkins.getItem(String, ItemGroup)."""
    if name.startswith("/"):
        return name.strip("/")
    parts = owner.split("/") if owner else []
    for part in name.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def folder_of(full_name: str) -> str:
    """The full name of the folder that holds an item, empty at the top."""
    return full_name.rpartition("/")[0]
