"""Reads XML from strangers: no DTD, no entities, bounded depth and size. Writes it as Jenkins does."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser, tostring
from xml.sax.saxutils import escape

from sluicegate.errors import Malformed
from sluicegate.model.numbers import INT, whole

LIMIT = 8 << 20
DEPTH = 200
BYTES_AN_ELEMENT = 64
"""An element is made for so many bytes of the limit: a document of nothing but small ones would take minutes."""
HEADER = "<?xml version='1.1' encoding='UTF-8'?>\n"
CONTROLS = frozenset({*range(1, 32), *range(127, 160)} - {9, 10, 13, 0x85})
"""Characters that XML 1.1 carries as references only."""
REFERENCE = re.compile(
    rb"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));", re.DOTALL
)
"""What is not closed goes to the end: looked for from each of many openings, the end would take hours."""
ATTRIBUTE = re.compile(rb"=\s*[\"']")
"""Each attribute has that, and little else."""
STAND_IN = 0xF0000
"""expat reads XML 1.0: a control character goes through it as one of a plane that nobody uses."""
ESCAPED = re.compile(f"[\\r{''.join(map(chr, sorted(CONTROLS)))}]")
BACK = {STAND_IN + code: code for code in CONTROLS}


def parse(content: bytes, *, limit: int = LIMIT, source: str = "XML") -> Element:
    """The root element. Raises Malformed for anything that is not plain, small, well-formed XML.

    Jenkins writes XML 1.1 and jenkins-job-builder 1.0: expat takes both declarations, and references to control
    characters (`&#x1b;`) are read as 1.1 has them.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    if len(content) > limit:
        raise Malformed(f"{source} has {len(content)} bytes; at most {limit} are read")
    # Refuse by counting what would take much time or memory to parse.
    most = limit // BYTES_AN_ELEMENT
    if content.count(b"<") > 3 * most:
        raise Malformed(f"{source} has more than {3 * most} tags, comments and instructions")
    if content.count(b"=") > most and sum(1 for _ in ATTRIBUTE.finditer(content)) > most:
        raise Malformed(f"{source} has more than {most} attributes")
    if content.count(b"&#") > most:
        raise Malformed(f"{source} has more than {most} character references")
    # What plainly holds no DTD is parsed by the quick parser.
    plain = REFERENCE.sub(_stand_in, content) if b"&#" in content else content
    if plain == content and _is_harmless(content):
        parser = XMLParser()
    else:
        parser = DefusedXMLParser(target=_Shallow(source, most), forbid_dtd=True)
    try:
        parser.feed(plain)
        root: Element = parser.close()
    except DefusedXmlException as problem:
        raise Malformed(f"{source} has a document type declaration; DTDs and entities are refused") from problem
    except (ParseError, LookupError, UnicodeError, ValueError) as problem:
        raise Malformed(f"{source} is not well-formed: {problem}") from problem
    return root


def _is_harmless(content: bytes) -> bool:
    """Whether nothing can be in it that is to be refused, seen without reading it: most files of a home are so.

    So few tags are no depth, and a DTD would be seen: without a NUL byte it is no UTF-16, and expat takes no other
    encoding in which `<!DOCTYPE` is other bytes.
    """
    return content.count(b"<") <= DEPTH and b"\0" not in content and b"<!DOCTYPE" not in content


class _Shallow:
    """Builds the tree of what a parser reads, and refuses the depth that Jenkins' jobs never need."""

    def __init__(self, source: str, elements: int) -> None:
        self.source = source
        self.depth = 0
        self.most, self.left = elements, elements
        self.builder = TreeBuilder()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise Malformed(f"{self.source} is nested deeper than {DEPTH} levels")
        self.left -= 1
        if self.left < 0:
            raise Malformed(f"{self.source} has more than {self.most} elements")
        self.builder.start(tag, {name: value.translate(BACK) for name, value in attributes.items()})

    def data(self, text: str) -> None:
        self.builder.data(text.translate(BACK))

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(tag)

    def close(self) -> Element:
        return self.builder.close()


def _stand_in(reference: re.Match[bytes]) -> bytes:
    digits = reference[1] or reference[2]
    code = int(digits, 16 if reference[1] else 10) if digits else 0
    return b"&#%d;" % (STAND_IN + code) if code in CONTROLS else reference[0]


def text(element: Element | None, path: str, default: str = "") -> str:
    """The text below `path`, unstripped; `default` when the element is missing."""
    if element is None:
        return default
    child = element.find(path)
    if child is None:
        return default
    return child.text or ""


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


def dump(element: Element) -> str:
    """An element as XML 1.1."""
    written = tostring(element, encoding="unicode").strip()
    return ESCAPED.sub(lambda letter: f"&#x{ord(letter[0]):x};", written)


def tag(name: str, value: str, indent: str = "") -> str:
    """One line `<name>value</name>` of XML 1.1 with the value escaped: only NUL and lone surrogates are left out."""
    carried = "".join(c for c in value if c != "\0" and not 0xD800 <= ord(c) <= 0xDFFF)
    quoted = ESCAPED.sub(lambda letter: f"&#x{ord(letter[0]):x};", escape(carried))
    return f"{indent}<{name}>{quoted}</{name}>\n"
