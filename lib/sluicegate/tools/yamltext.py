"""Reads YAML with every scalar as the text that stands there, and remembers the line of each key.

`auth: 1.10` is version 1.10 and not a number, `12:30` is no base-60 integer, and a duplicate key is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from sluicegate.errors import ConfigError
from sluicegate.model.frozen import frozen
from sluicegate.model.settings import Plain

LARGEST = 5_000_000
MERGE_MARKER = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)
STRANGE_END = re.compile("(\r(?!\n)|[\x85\u2028\u2029])[ \t]*[^ \t#\r\n\x85\u2028\u2029]")
"""What ends a line for YAML alone, and something that counts behind it: it would look like a part of a comment."""


@frozen
class Document:
    """A YAML file: its plain content, and where each key stands, by path such as `a/b/0`.

    `lines` has the key's line (from 1), `ends` where its text ends, `spans` where its value begins and ends.
    """

    file: str
    content: dict[str, Plain]
    lines: Mapping[str, int]
    ends: Mapping[str, int]
    spans: Mapping[str, tuple[int, int]]

    def where(self, path: str) -> str:
        """`file:line` of the nearest key that exists on the way to `path`."""
        while path and path not in self.lines:
            path = path.rpartition("/")[0]
        return f"{self.file}:{self.lines.get(path, 1)}"


@lru_cache(maxsize=8)
def read(content: bytes, file: str) -> Document:
    """Parse one YAML mapping; an empty file is an empty mapping. Raises ConfigError with file:line.

    Who reads the same again gets the same document: nobody changes what it holds.
    """
    if len(content) > LARGEST:
        raise ConfigError([f"{file}: {len(content)} bytes is more than the {LARGEST} that a YAML file may have"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ConfigError([f"{file}: not UTF-8 at byte {problem.start}"]) from problem
    if marker := MERGE_MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise ConfigError([f"{file}:{line}: a merge marker ({marker[0].strip()}) is left; resolve the merge first"])
    if end := STRANGE_END.search(text):
        line = text.count("\n", 0, end.start()) + 1
        raise ConfigError([f"{file}:{line}: the character {end[1]!a} ends a line for YAML and not for who reads it"])
    for number, line_text in enumerate(text.split("\n"), start=1):
        if re.match(r"[ ]*\t", line_text):
            raise ConfigError([f"{file}:{number}: a tab in the indentation; YAML takes spaces only"])
    from sluicegate.tools.yamlnodes import walk  # PyYAML costs two starts of bare Python

    walked = walk(text, file)
    return Document(file=file, content=walked.content, lines=walked.lines, ends=walked.ends, spans=walked.spans)
