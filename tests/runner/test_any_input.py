"""Whatever stands in config.xml or in the queue's journal: an answer in words, never a fault of ours, never a hang."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import SluicegateError
from sluicegate.runner import jobxml
from sluicegate.runner.elements import projects
from sluicegate.runner.elements.catalogue import entries
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.parameters import chosen
from sluicegate.runner.queue import Queue
from tests.anything import searching

SECONDS = 5.0
TAGS = st.sampled_from(
    [
        *("project", "builders", "publishers", "buildWrappers", "triggers", "properties", "scm", "axes", "command"),
        *("quietPeriod", "spec", "name", "value", "defaultValue", "string", "numToKeep", "url", "branches", "enabled"),
        *sorted(entries()),
    ]
)
TEXTS = st.one_of(
    st.sampled_from(["", "true", "-1", "9" * 40, "1e999", "H/0 * * * *", "NaN", "²", "${A}${A}", "@daily", "\u202e"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30),
)
ATTRIBUTES = st.one_of(st.just(""), st.builds(lambda text: f' class="{escape(text, {chr(34): "&quot;"})}"', TEXTS))


def _element(tag: str, attributes: str, inside: list[str]) -> str:
    return f"<{tag}{attributes}>{''.join(inside)}</{tag}>"


ELEMENTS = st.recursive(
    TEXTS.map(escape),
    lambda inner: st.builds(_element, TAGS, ATTRIBUTES, st.lists(inner, max_size=4)),
    max_leaves=25,
)
CONFIGS = st.one_of(
    st.binary(max_size=200),
    ELEMENTS.map(lambda text: f"<project>{text}</project>".encode()),
    ELEMENTS.map(lambda text: f"<?xml version='1.1' encoding='UTF-8'?>{text}".encode()),
    st.builds(
        lambda text, cut: f"<matrix-project>{text}</matrix-project>".encode()[:cut], ELEMENTS, st.integers(0, 400)
    ),
)


@searching(2.0)
@given(CONFIGS)
def test_any_config_is_a_job_or_is_refused_in_words(content: bytes) -> None:
    begun = time.monotonic()
    try:
        config = jobxml.parse(content)
        chosen(definitions(config), {"A": "x"})
        projects.plan(config)
    except SluicegateError as problem:
        assert problem.message
    assert time.monotonic() - begun < SECONDS


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
WORDS = st.sampled_from(["add", "fold", "start", "end", "cancel", "next", "delay", "rename", "id", "job", "number"])
LINES = st.one_of(
    st.binary(max_size=60).filter(lambda line: b"\n" not in line),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(WORDS, VALUES, min_size=1, max_size=5).map(lambda entry: json.dumps(entry).encode()),
    st.builds(lambda depth, piece: piece * depth, st.integers(1, 3000), st.sampled_from([b"[", b'{"add":', b"\0"])),
)


@searching(1.0)
@given(st.lists(LINES, max_size=8))
def test_any_journal_opens_and_takes_and_keeps_what_comes_next(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "queue.journal").write_bytes(b"\n".join(lines))
        queue = Queue(home)
        added = queue.add("job", (), (), 3600)
        queue.close()
        again = Queue(home)
        assert added.id in [item.id for item in again.items()]
        again.close()
