"""Texts of NAME=VALUE lines, as Java reads them and as EnvInject was seen to."""

from __future__ import annotations

import pytest

from sluicegate.runner import properties


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("A=1\n# comment\n! comment\n\nB: 2\nC 3\nD", {"A": "1", "B": "2", "C": "3", "D": ""}),
        ("A=one\\\n   two", {"A": "onetwo"}),
        ("A = spaced  ", {"A": "spaced  "}),
        ("A\\=B=C", {"A=B": "C"}),
        ("A=\\u00e4\\t.", {"A": "ä\t."}),
        ("A=C:\\dir", {"A": "C:dir"}),
        ("A=1\r\nB=2", {"A": "1", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_lines_are_read_as_java_does(text: str, pairs: dict[str, str]) -> None:
    assert properties.load(text) == pairs


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("A=C:\\dir\\x", {"A": "C:\\dir\\x"}),
        ("A=\\\\host\\share", {"A": "\\\\host\\share"}),
        ("A=a\\\\b", {"A": "a\\b"}),
        ("A=a\\:b", {"A": "a:b"}),
        ("A=a\\nb", {"A": "a\nb"}),
        ("A=$HOME/x", {"A": "/home/x"}),
        ("A=${LATE}\nLATE=l", {"A": "l", "LATE": "l"}),
        ("A=$A", {"A": "$A"}),
        ("A=$B\nB=$A", {"A": "$A", "B": "$B"}),
        ("A=${NOSUCH}$$", {"A": "${NOSUCH}$"}),
    ],
)
def test_envinject_keeps_lone_backslashes_and_follows_references(text: str, pairs: dict[str, str]) -> None:
    assert properties.injected(text, {"HOME": "/home"}) == pairs
