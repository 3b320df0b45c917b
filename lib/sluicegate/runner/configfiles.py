"""Managed files of the config-file-provider plugin, kept where a Jenkins keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import NotFound
from sluicegate.tools import xml

STORE = "org.jenkinsci.plugins.configfiles.GlobalConfigFiles.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """One file that jobs ask for by its id."""

    id: str
    name: str
    content: str


def read(home: Path) -> dict[str, ConfigFile]:
    """The files of a home by id. Raises Malformed when their store is not XML."""
    path = home / STORE
    if not path.exists():
        return {}
    root = xml.parse(path.read_bytes(), source=STORE)
    files = [
        ConfigFile(id=xml.text(entry, "id").strip(), name=xml.text(entry, "name"), content=xml.text(entry, "content"))
        for entry in root.iterfind("configs/*")
    ]
    return {file.id: file for file in files}


def find(home: Path, name: str) -> ConfigFile:
    """The file of this id. Raises NotFound when there is none."""
    file = read(home).get(name)
    if file is None:
        raise NotFound(f"there is no managed file '{name}'", hint=f"{STORE} of the home holds them")
    return file
