"""The text of a test report in pieces that expat takes, whatever bytes a test printed into it.

Tools write control characters, half characters of a cut-off output and wrong declarations into their reports. Each
character that XML cannot carry becomes U+FFFD, so that the tests beside it count.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 1 << 20
LARGEST = 512 << 20
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
REFERENCE = re.compile(r"&#(?:[xX]([0-9A-Fa-f]*)|([0-9]*));")
LONGEST_REFERENCE = 16
DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# Python's other codecs are no encodings of text, or slow with much of it (punycode).
ENCODINGS = re.compile(r"utf-8|ascii|iso8859-\d+|cp\d+|gb\w+|hz|big5\w*|euc_\w+|shift_jis\w*|koi8-\w|mac-\w+|tis-620")
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be",
}  # fmt: skip


class UnfitReport(Exception):
    """A report that is not read; its text says why."""


class EmptyReport(UnfitReport):
    """A report without any text."""


def cleaned(stream: BinaryIO) -> Iterator[str]:
    """The text, in pieces of about 1 MiB. Raises UnfitReport when it is empty, too large or in no known encoding."""
    block = stream.read(BLOCK)
    decoder = codecs.getincrementaldecoder(_encoding(block))(errors="replace")
    size, rest, begun = 0, "", False
    while block:
        size += len(block)
        if size > LARGEST:
            raise UnfitReport(f"it has more than {LARGEST >> 20} MiB")
        following = stream.read(BLOCK)
        text = rest + decoder.decode(block, not following)
        text, rest = _whole(text) if following else (text, "")
        if not begun:  # blanks before the declaration are an error for expat and for nobody else
            text = text.lstrip()
        begun = begun or bool(text)
        yield REFERENCE.sub(_reference, FORBIDDEN.sub("\ufffd", text))
        block = following
    if not begun:
        raise EmptyReport("it is empty")


def _encoding(begin: bytes) -> str:
    """The encoding that the first bytes show; what they declare counts only where it can be true."""
    for mark, encoding in MARKS.items():
        if begin.startswith(mark):
            return encoding
    declared = DECLARED.match(begin)
    if declared is None or declared[1].lower().startswith((b"utf-16", b"utf-32", b"ucs")):
        return "utf-8"
    try:
        name = codecs.lookup(declared[1].decode()).name
    except LookupError:
        name = ""
    if not ENCODINGS.fullmatch(name):
        raise UnfitReport(f"its encoding '{declared[1].decode()}' is not known")
    return name


def _whole(text: str) -> tuple[str, str]:
    """The text up to a character reference that the end of the piece may have cut, and the rest."""
    cut = text.rfind("&", -LONGEST_REFERENCE)
    return (text[:cut], text[cut:]) if cut >= 0 and ";" not in text[cut:] else (text, "")


def _reference(reference: re.Match[str]) -> str:
    digits, base = (reference[1], 16) if reference[2] is None else (reference[2], 10)
    digits = digits.lstrip("0")
    code = int(digits, base) if 0 < len(digits) <= 7 else 0
    if code > 0x10FFFF or not code or FORBIDDEN.match(chr(code)):
        return "\ufffd"
    return f"&#{code};"
