"""Reads XML from strangers: no DTD, no entities, bounded depth and size. Writes it as Jenkins does."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape

from sluicegate.errors import Malformed
from sluicegate.model.numbers import INT, whole

LIMIT = 8 << 20
DEPTH = 200
HEADER = "<?xml version='1.1' encoding='UTF-8'?>\n"


def parse(content: bytes, *, limit: int = LIMIT, source: str = "XML") -> Element:
    """The root element. Raises Malformed for anything that is not plain, small, well-formed XML.

    Jenkins writes XML 1.1 declarations and jenkins-job-builder 1.0: expat takes both.
    """
    if len(content) > limit:
        raise Malformed(f"{source} has {len(content)} bytes; at most {limit} are read")
    reader = _Reader(source)
    try:
        return reader.read(content)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as problem:
        raise Malformed(f"{source} is not well-formed: {problem}") from problem


class _Reader:
    """Feeds expat's events to a TreeBuilder and refuses what Jenkins jobs never need."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.depth = 0
        self.builder = TreeBuilder()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.builder.data
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype

    def read(self, content: bytes) -> Element:
        self.parser.Parse(content, True)
        root: Element = self.builder.close()
        return root

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise Malformed(f"{self.source} is nested deeper than {DEPTH} levels")
        self.builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(tag)

    def refuse_doctype(self, *_: object) -> None:
        raise Malformed(f"{self.source} has a document type declaration; DTDs and entities are refused")


def text(element: Element | None, path: str, default: str = "") -> str:
    """The text below `path`, unstripped; `default` when the element is missing."""
    if element is None:
        return default
    found = element.find(path)
    if found is None:
        return default
    return found.text or ""


def flag(element: Element | None, path: str, default: bool = False) -> bool:
    """A Java boolean below `path`."""
    value = text(element, path).strip().lower()
    return default if not value else value == "true"


def number(element: Element | None, path: str, default: int, *, least: int = -INT - 1, most: int = INT) -> int:
    """A whole number below `path`, of Java's int unless said; `default` when it is missing or something else."""
    value = whole(text(element, path).strip(), least=least, most=most)
    return default if value is None else value


def clean(value: str) -> str:
    """`value` without characters that no XML can carry."""
    return "".join(c for c in value if c in "\t\n\r" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF))


def tag(name: str, value: str, indent: str = "") -> str:
    """One line `<name>value</name>` with the value escaped."""
    quoted = escape(clean(value)).replace("\r", "&#xd;")
    return f"{indent}<{name}>{quoted}</{name}>\n"
