"""Pin files: what is written is read again, and every byte that was not asked to change stays."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.book.pins import edit_pins, read_pins
from sluicegate.errors import ConfigError, UsageError
from sluicegate.model.printable import printable
from sluicegate.model.values import Hold, Pin
from sluicegate.tools import yamltext

NAMES = ("auth", "portal", "a.b_c-d", "123", "true", "null", "No")
FILE = "environments/staging.yaml"

names = st.sampled_from(NAMES)
version_texts = st.one_of(
    st.sampled_from(["1.10", "12:30", "1e3", "0x10", "1_000", "null", "true", "~1", "1.0 # x", "- 1", "'1", "{a: b}"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12),
)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(
    lambda text: text.isprintable() and printable(text) == text
)
holds = st.none() | st.builds(Hold, by=words, why=words, until=st.none() | st.dates())
comments = st.lists(st.sampled_from(("", "# ours", "#", "# auth: 9.9.9", "  # indented")), max_size=2)


@st.composite
def pins(draw: st.DrawFn, component: str | None = None) -> Pin:
    return Pin(component=component or draw(names), version=draw(version_texts), hold=draw(holds))


@st.composite
def values(draw: st.DrawFn) -> str:
    """A pin's value in one of the ways in which people write it."""
    version = draw(st.sampled_from(("1.0.0", "1.10", "2026.11.23", "0x1F", "1:30", "1e5", "null", "yes")))
    form = draw(st.sampled_from(("{}", "'{}'", '"{}"', "{}  # why", "   {}  # auth: 9", "{{version: {}}}",
                                 "\n  version: '{}'", "   # ünïcode: {{x}}, auth: 9\n  version: {}  # b: c",
                                 "{{version: '{}', hold: {{by: rita}}}}  # held",
                                 "\n  version: {}\n  hold:\n    by: rita\n    why: 'the fair'",
                                 "\n  # why\n  version: {}", "{{\n  version: {}\n  }}")))  # fmt: skip
    return form.format(version)


@st.composite
def files(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for name in draw(st.lists(names, unique=True)):
        lines += draw(comments)
        key = draw(st.sampled_from((name, f"'{name}'", f'"{name}"')))
        value = draw(values())
        lines += f"{key}:{'' if value.startswith(chr(10)) else ' '}{value}".split("\n")
    lines += draw(comments)
    text = draw(st.sampled_from(("\n", "\r\n"))).join(lines)
    end = draw(st.sampled_from(("", "\n")))
    text = text + end
    if lines and not text.startswith(" ") and not all(line.lstrip().startswith("#") or not line for line in lines):
        text = draw(st.sampled_from(("", "---\n"))) + text
    return draw(st.sampled_from(("", "\ufeff"))) + text


def comment_lines(text: str) -> list[str]:
    return [line.strip() for line in text.lstrip("\ufeff").splitlines() if line.strip().startswith("#")]


@given(files(), pins())
def test_a_pin_that_is_set_is_read_again_and_the_others_stay(text: str, pin: Pin) -> None:
    before = read_pins(text.encode(), FILE)
    after = read_pins(edit_pins(text.encode(), FILE, {pin.component: pin}), FILE)
    assert after == before | {pin.component: pin}
    assert list(after)[: len(before)] == list(before)


@given(files(), pins())
def test_a_pin_that_is_new_comes_at_the_end_and_no_byte_before_it_changes(text: str, pin: Pin) -> None:
    if pin.component not in read_pins(text.encode(), FILE):
        assert edit_pins(text.encode(), FILE, {pin.component: pin}).startswith(text.encode())


@given(files(), names)
def test_a_pin_that_is_taken_out_is_gone_and_the_others_stay(text: str, name: str) -> None:
    before = read_pins(text.encode(), FILE)
    if text.lstrip("\ufeff").startswith("---") and list(before) == [name]:
        return  # nothing but the mark would be left, which is no mapping
    after = read_pins(edit_pins(text.encode(), FILE, {name: None}), FILE)
    assert after == {component: pin for component, pin in before.items() if component != name}


@given(files(), names)
def test_comments_on_lines_of_their_own_survive_a_plain_edit(text: str, name: str) -> None:
    document = yamltext.read(text.encode(), FILE)
    inside = isinstance(document.content.get(name), dict)
    edited = edit_pins(text.encode(), FILE, {name: Pin(component=name, version="7.7.7")}).decode()
    if not inside:  # what stands between the lines of a value goes with the value
        assert comment_lines(edited) == comment_lines(text)


@given(files(), pins())
def test_setting_the_same_again_changes_no_byte(text: str, pin: Pin) -> None:
    once = edit_pins(text.encode(), FILE, {pin.component: pin})
    assert edit_pins(once, FILE, {pin.component: pin}) == once


def test_a_comment_after_a_pin_that_is_taken_out_stays() -> None:
    content = b"auth:\n  version: 1.0.0\n\n# portal's\nportal: 1\n"
    assert edit_pins(content, FILE, {"auth": None}) == b"\n# portal's\nportal: 1\n"


@given(st.lists(pins(), unique_by=lambda pin: pin.component))
def test_a_file_written_from_nothing_is_read_again(all_of: list[Pin]) -> None:
    written = edit_pins(None, FILE, {pin.component: pin for pin in all_of})
    assert read_pins(written, FILE) == {pin.component: pin for pin in all_of}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("auth: 1.0.0\n", "auth: 2.0.0\n"),
        ("auth: 1.0.0", "auth: 2.0.0"),
        ("auth: '1.0.0'  # OPS-3\nportal: 1\n", "auth: 2.0.0  # OPS-3\nportal: 1\n"),
        ("auth:\n  version: 1.0.0\n# portal's\nportal: 1\n", "auth: 2.0.0\n# portal's\nportal: 1\n"),
        ("auth:  # ours: x\n  version: 1.0.0\nportal: 1\n", "auth: 2.0.0  # ours: x\nportal: 1\n"),
        ("auth:\n  version: 1.0.0\n  hold:\n    by: rita\n\n# end", "auth: 2.0.0\n\n# end"),
        ("auth:\r\n  version: 1.0.0\r\nportal: 1\r\n", "auth: 2.0.0\r\nportal: 1\r\n"),
        ("portal: 1\r\nauth: 1.0.0\r\n# end\r\n", "portal: 1\r\nauth: 2.0.0\r\n# end\r\n"),
        ("\ufeffauth: 1.0.0\n", "\ufeffauth: 2.0.0\n"),
        ("portal: 1", "portal: 1\nauth: 2.0.0\n"),
        ("portal: 1\r\n", "portal: 1\r\nauth: 2.0.0\r\n"),
        ("# x\n  portal: 1\n", "# x\n  portal: 1\n  auth: 2.0.0\n"),
        ("{auth: 1.0.0, portal: 1}\n", "{auth: 2.0.0, portal: 1}\n"),
        ("auth: 1.0.0\n...\n", "auth: 2.0.0\n...\n"),
        ("", "auth: 2.0.0\n"),
    ],
)
def test_an_edit_touches_its_value_only(before: str, after: str) -> None:
    edited = edit_pins(before.encode(), FILE, {"auth": Pin(component="auth", version="2.0.0")})
    assert edited.decode() == after


def test_a_line_separator_in_a_comment_does_not_take_the_wrong_line_away() -> None:
    content = "# a\u2028# b\nauth: 1.0\nportal: 2.0\n".encode()
    assert edit_pins(content, FILE, {"auth": None}) == "# a\u2028# b\nportal: 2.0\n".encode()


@pytest.mark.parametrize("content", ["{portal: 1.0}\n", "portal: 1.0\n...\n"])
def test_a_style_that_cannot_be_added_to_is_a_mistake_and_never_a_broken_file(content: str) -> None:
    with pytest.raises(UsageError, match="in a shape that cannot be edited"):
        edit_pins(content.encode(), FILE, {"auth": Pin(component="auth", version="1.0")})


def test_versions_are_read_as_the_text_that_stands_there() -> None:
    content = b"auth: 1.10\nportal: 1e5\nx-1: 12:30\na.b: null\n"
    assert [pin.version for pin in read_pins(content, FILE).values()] == ["1.10", "1e5", "12:30", "null"]


def test_a_hold_is_read_with_who_why_and_until_when() -> None:
    content = b"auth: {version: 1.0.0, hold: {why: 'OPS-12: x', by: rita, until: 2026-12-01}}\n"
    hold = Hold(by="rita", why="OPS-12: x", until=date(2026, 12, 1))
    assert read_pins(content, FILE) == {"auth": Pin(component="auth", version="1.0.0", hold=hold)}


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("auth:\n", f"{FILE}:1: the version is empty"),
        ("# x\nauth: [1.0.0]\n", f"{FILE}:2: expected a version"),
        ("auth: {version: 1, hodl: {}}\n", f"{FILE}:1: unknown key 'hodl'. Did you mean 'hold'?"),
        ("auth: {version: 1, hold: {until: soon}}\n", f"{FILE}:1: 'until' is 'soon'"),
        ("auth: 1\nauth: 2\n", f"{FILE}:2: the key 'auth' stands twice"),
        ("auth: 1\n<<<<<<< HEAD\n", f"{FILE}:2: a merge marker"),
        ("auth: 1\n\tportal: 2\n", f"{FILE}:2: a tab"),
        ("auth: &x 1\nportal: *x\n", FILE),
    ],
)
def test_mistakes_are_told_with_their_line(content: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        read_pins(content.encode(), FILE)
    assert mistake in str(wrong.value)


@pytest.mark.parametrize("line", ["auth: 1.10", "auth: 1e3", "auth: 0x1f", "auth: 1.0~rc1-2+b1", "# ours\n\nauth: 12"])
def test_a_file_of_plain_lines_is_read_as_yaml_reads_it(line: str) -> None:
    plain = read_pins(f"{line}\nportal: 2.0.0\n".encode(), "f")
    assert plain == read_pins(f"{line}\nportal: '2.0.0'\n".encode(), "f")
    assert set(plain) == {"auth", "portal"}


def test_a_doubled_line_is_a_mistake_in_a_file_of_plain_lines_too() -> None:
    with pytest.raises(ConfigError, match="f:2"):
        read_pins(b"auth: 1.0.0\nauth: 1.1.0\n", "f")


@pytest.mark.parametrize("end", ["\r", "\x85", "\u2028", "\u2029"])
def test_a_line_that_only_yaml_sees_is_a_mistake(end: str) -> None:
    with pytest.raises(ConfigError, match=r"environments/e\.yaml:2: the character .* ends a line for YAML"):
        read_pins(f"auth: 1.0.0\n# a note{end}portal: 2.0.0\n".encode(), "environments/e.yaml")
    assert read_pins(b"auth: 1.0.0\r\nportal: 2.0.0\r\n", "environments/e.yaml").keys() == {"auth", "portal"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["<<<<<<< ours", "=======", ">>>>>>> theirs", "||||||| base"])
def test_a_mark_of_a_merge_is_named_however_lines_end(mark: str, end: str) -> None:
    with pytest.raises(ConfigError, match=r"e\.yaml:2: a merge marker"):
        read_pins(end.join(["auth: 1.0.0", mark, ""]).encode(), "environments/e.yaml")
