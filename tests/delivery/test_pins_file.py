"""Pin files: what is written is read, and every other byte stays."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.delivery.pins import edit_pins, read_pins
from sluicegate.errors import ConfigError
from sluicegate.model.values import Hold, Pin

FILE = "environments/staging.yaml"
names = st.sampled_from(["auth", "portal", "a.b_c-d", "123", "true", "null", "No"])
versions = st.one_of(
    st.sampled_from(["1.10", "12:30", "1e3", "0x10", "1_000", "null", "true", "~1", "1.0 # x", "- 1", "'1", "{a: b}"]),
    st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=12),
)
words = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20).filter(str.isprintable)
holds = st.none() | st.builds(Hold, by=words, why=words, until=st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)))
comments = st.sampled_from(["", "  # a comment", "   # ünïcode: {x}, auth: 9"])
separators = st.sampled_from(["\n", "\r\n"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A pin file as people write them: orders, comments, quotes, blocks, both line ends, with or without the last."""
    newline = draw(separators)
    lines = [draw(st.sampled_from(["", "# the pins of staging", "---"]))]
    pins: dict[str, str] = {}
    for name in draw(st.permutations(["auth", "portal", "zoo", "bar"]))[: draw(st.integers(0, 4))]:
        version = draw(st.sampled_from(["1.0", "1.10", "2.0.0-rc1", "3"]))
        pins[name] = version
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from(["", "# auth: 1.0", "  # indented"])))
        style = draw(st.sampled_from(["plain", "single", "double", "flow", "block", "blockhold", "gap"]))
        tail = draw(comments)
        if style == "block":
            lines += [f"{name}:{tail}", f"  version: {version}{tail}"]
        elif style == "blockhold":
            lines += [f"{name}:", f"    version: '{version}'", "    hold:", f"      why: x{tail}", "      by: rita"]
        else:
            value = {
                "plain": version,
                "single": f"'{version}'",
                "double": f'"{version}"',
                "flow": f"{{version: {version}}}",
                "gap": f"    {version}",
            }[style]
            lines.append(f"{name}: {value}{tail}")
    if not pins and lines[0] == "---":
        lines[0] = ""
    text = newline.join(lines) + draw(st.sampled_from(["", newline, newline * 3]))
    return text, pins


@given(files(), names, versions, holds)
@settings(deadline=None, max_examples=150)
def test_what_is_written_is_read_and_the_rest_stays(
    file: tuple[str, dict[str, str]], name: str, version: str, hold: Hold | None
) -> None:
    text, pins = file
    content = text.encode()
    before = read_pins(content, FILE)
    assert {n: p.version for n, p in before.items()} == pins
    edited = edit_pins(content, FILE, {name: Pin(component=name, version=version, hold=hold)})
    after = read_pins(edited, FILE)
    assert after[name] == Pin(component=name, version=version, hold=hold)
    assert {n: p for n, p in after.items() if n != name} == {n: p for n, p in before.items() if n != name}
    assert list(after) == [*before] + ([name] if name not in before else [])
    if name not in before:
        assert edited.startswith(content), "a new pin comes at the end; nothing else is touched"
    else:
        kept = [line for line in text.splitlines() if line.lstrip().startswith("#")]
        assert [line for line in edited.decode().splitlines() if line.lstrip().startswith("#")] == kept


@given(files())
@settings(deadline=None, max_examples=100)
def test_setting_what_is_there_and_removing_what_is_not_changes_nothing_else(
    file: tuple[str, dict[str, str]],
) -> None:
    text, pins = file
    content = text.encode()
    assert edit_pins(content, FILE, {"other": None}) == content
    for name in pins:
        if text.startswith("---") and len(pins) == 1:
            continue  # nothing but the mark would be left, which is no mapping
        removed = read_pins(edit_pins(content, FILE, {name: None}), FILE)
        assert {n: p.version for n, p in removed.items()} == {n: v for n, v in pins.items() if n != name}


@given(st.dictionaries(names, versions, min_size=1, max_size=4))
@settings(deadline=None)
def test_a_file_made_from_nothing_reads_back(pins: dict[str, str]) -> None:
    content = edit_pins(None, FILE, {n: Pin(component=n, version=v) for n, v in pins.items()})
    assert {n: p.version for n, p in read_pins(content, FILE).items()} == pins
    assert edit_pins(content, FILE, dict.fromkeys(pins)) == b""


def edited(content: str, **pins: str | None) -> str:
    changes = {n: Pin(component=n, version=v) if v else None for n, v in pins.items()}
    return edit_pins(content.encode(), FILE, changes).decode()


def test_comments_and_order_survive() -> None:
    content = "# head\nportal: 2.0.1   # since the fair\n\n# auth is slow\nauth: '1.4.2'  # x\n"
    assert edited(content, auth="1.5.0", portal="2.1.0") == (
        "# head\nportal: 2.1.0   # since the fair\n\n# auth is slow\nauth: 1.5.0  # x\n"
    )


def test_a_last_line_without_its_end_gets_one_when_another_follows() -> None:
    assert edited("auth: 1.0", portal="2.0") == "auth: 1.0\nportal: 2.0\n"
    assert edited("auth: 1.0", auth="2.0") == "auth: 2.0"


def test_windows_line_ends_stay() -> None:
    assert edited("auth: 1.0\r\n", auth="2.0", portal="1.0") == "auth: 2.0\r\nportal: 1.0\r\n"


def test_an_indented_file_stays_indented() -> None:
    assert edited("# x\n  auth: 1.0\n", portal="2.0") == "# x\n  auth: 1.0\n  portal: 2.0\n"


def test_a_line_separator_in_a_comment_does_not_take_the_wrong_line_away() -> None:
    assert edited("# a\u2028# b\nauth: 1.0\nportal: 2.0\n", auth=None) == "# a\u2028# b\nportal: 2.0\n"


@pytest.mark.parametrize("content", ["{auth: 1.0}\n", "auth: 1.0\n...\n", "{auth: 1.0, portal: 1.0}\n"])
def test_a_style_that_cannot_be_added_to_is_a_mistake_and_never_a_broken_file(content: str) -> None:
    with pytest.raises(ConfigError, match="cannot be edited in this style"):
        edited(content, zoo="1.0")
    assert "2.0" in edited(content, auth="2.0")


def test_a_version_is_the_text_that_stands_there() -> None:
    content = b"a: 1.10\nb: 12:30\nc: 1e3\nd: 0o17\ne: 2026-11-23\nf: yes\ng: '1.0'\n"
    versions = ["1.10", "12:30", "1e3", "0o17", "2026-11-23", "yes", "1.0"]
    assert [pin.version for pin in read_pins(content, FILE).values()] == versions
