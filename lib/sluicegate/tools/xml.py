"""Reads XML without entities, DTDs or network: what is attacked by XML is refused before it is parsed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from sluicegate.errors import UsageError

LARGEST = 100_000_000


def read_file(path: Path) -> bytes:
    """The bytes of an XML file of reasonable size."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    if path.stat().st_size > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST} bytes")
    return path.read_bytes()


def parse(content: bytes, name: str) -> ET.Element:
    """The root element. Raises UsageError for what is not XML, or has a document type or an entity."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\x00" in content:
        raise UsageError(f"{name}: XML with a document type, an entity or UTF-16 is not taken")
    try:
        return ET.fromstring(content)
    except ET.ParseError as problem:
        raise UsageError(f"{name}: not XML: {problem}") from problem
