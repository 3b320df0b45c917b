"""Text that people read: that of others made fit for a terminal, and numbers of things."""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but line feed and tab
    "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # those that turn the direction of the text behind them
    "\u2028\u2029"  # ends of lines that only some programs see
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\uffa0\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"  # no ink
    "\ud800-\udfff"  # halves of characters, which no file and no terminal takes
    "]|(?<=[!-~])[\u200c\u200d]|[\u200c\u200d](?=[!-~])"  # joiners, which emoji and Persian need and ASCII does not
)


def printable(text: str) -> str:
    """The text with what nobody would see, or a terminal would obey, as `\\x1b` or `\\u202e`."""
    return text if _is_plain(text) else HIDDEN.sub(lambda hidden: hidden[0].encode("unicode_escape").decode(), text)


def printable_json(document: str) -> str:
    """A JSON document with the same as its escapes, which leaves its meaning."""
    if _is_plain(document):
        return document
    import json

    return HIDDEN.sub(lambda hidden: json.dumps(hidden[0])[1:-1], document)


def _is_plain(text: str) -> bool:
    """Whether nothing is hidden, as mostly: a question of C, which a document of megabytes does not feel."""
    return text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()


def counted(number: int, singular: str, many: str) -> str:
    """`1 host`, `2 hosts`, `0 hosts`: the number with the word for one or the word for many."""
    return f"{number} {singular if number == 1 else many}"
