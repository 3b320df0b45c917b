"""Reading config.xml: hostile input, and files that must stay as they are."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from sluicegate.errors import Malformed, UsageError
from sluicegate.runner import jobxml, names
from sluicegate.runner.items import Items
from sluicegate.runner.newitems import NEW_FOLDER
from sluicegate.tools import files, xml

BILLION = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha"}">' for n in range(12))
ATTACKS = {
    "external entity": b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/hostname">]><project>&x;</project>',
    "parameter entity": b'<!DOCTYPE p [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><project/>',
    "billion laughs": f"<!DOCTYPE p [{BILLION}]><project>&a11;</project>".encode(),
    "bare DTD": b"<!DOCTYPE project><project/>",
    "50 MB": b"<project>" + b"<a>b</a>" * 6_500_000 + b"</project>",
    "100k depth": b"<project>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</project>",
    "bad UTF-16": b"\xff\xfe<\x00?\x00x\x00m\x00l\x00 \xd8\x00\xd8",
    "unknown encoding": b'<?xml version="1.0" encoding="no-such"?><project/>',
    "not closed": b"<project><nope",
    "no project": b"<nope/>",
    "empty": b"",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_hostile_xml_is_refused_at_once(attack: bytes) -> None:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Malformed):
        jobxml.parse(attack)
    assert time.monotonic() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_xinclude_is_text_like_any_other() -> None:
    inside = b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'
    content = b"<project><description>" + inside + b"</description></project>"
    assert jobxml.parse(content).description == ""


def test_both_xml_versions_are_read() -> None:
    for version in ("1.0", "1.1"):
        text = f"<?xml version='{version}' encoding='UTF-8'?>\n<project><description>å</description></project>"
        assert jobxml.parse(text.encode()).description == "å"


def test_disabling_changes_nothing_else() -> None:
    content = b"<?xml version='1.1'?>\n<project>\n  <x plugin=\"y@1\"/><disabled>false</disabled>\n</project>\n"
    assert jobxml.with_disabled(content, True) == content.replace(b">false<", b">true<")
    assert jobxml.with_disabled(jobxml.with_disabled(content, True), False) == content


def test_disabling_a_job_changes_nothing_of_its_parts() -> None:
    part = b"<properties><a.Part><disabled>false</disabled></a.Part></properties>"
    command = b"<command><![CDATA[echo <disabled>true</disabled>]]></command>"
    quoted = b"<builders><hudson.tasks.Shell>" + command + b"</hudson.tasks.Shell></builders>"
    content = b"<project>" + part + quoted + b"<disabled>false</disabled></project>"
    disabled = content.replace(quoted + b"<disabled>false", quoted + b"<disabled>true")
    assert jobxml.with_disabled(content, True) == disabled
    assert jobxml.with_disabled(disabled, False) == content
    without = b"<project>" + part + b"</project>"
    assert jobxml.parse(jobxml.with_disabled(without, True)).disabled


def test_a_job_that_cannot_be_disabled_in_place_is_said_to_be() -> None:
    content = "<?xml version='1.0' encoding='UTF-16'?><project><disabled>false</disabled></project>".encode("utf-16")
    with pytest.raises(UsageError, match="UTF-8"):
        jobxml.with_disabled(content, True)


@pytest.mark.parametrize(
    "name", ["..", ".", "", " ", "a/b", "a\\b", "x" * 300, "a\nb", "a\x00b", "a@b", "a.", "a:b", "\udc80"]
)
def test_bad_names_are_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed) as caught:
        Items(tmp_path).create("", name, b"<project/>")
    assert caught.value.message
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize("name", ["CON", "-rf", "a b", "a+b", "🚰", "ünïcode", "a.b"])
def test_unusual_names_are_stored_right(name: str, tmp_path: Path) -> None:
    Items(tmp_path).create("", name, b"<project/>")
    assert (tmp_path / "jobs" / name / "config.xml").read_bytes() == b"<project/>"
    assert Items(tmp_path).get(name) is not None


@pytest.mark.parametrize("fault", [errno.EACCES, errno.EIO])
def test_a_job_that_cannot_be_read_is_there_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    Items(tmp_path).create("", "auth", b"<project/>")
    (tmp_path / "jobs" / "nothing").mkdir()

    def failing(folder: int, name: str) -> int:
        if os.path.basename(os.readlink(f"/proc/self/fd/{folder}")) == "auth":
            raise OSError(fault, os.strerror(fault))
        return open_in(folder, name)

    open_in = files.open_in
    monkeypatch.setattr(files, "open_in", failing)
    items = Items(tmp_path)
    assert list(items.by_name) == ["auth"]
    with pytest.raises(UsageError, match="already exists"):
        items.create("", "auth", b"<project/>")
    item = items.needed("auth")
    assert item.color == "notbuilt" and not item.is_folder


def test_a_case_twin_is_refused_as_on_jenkins(tmp_path: Path) -> None:
    items = Items(tmp_path)
    items.create("", "Hello", b"<project/>")
    with pytest.raises(UsageError, match="already exists"):
        items.create("", "hello", b"<project/>")


def test_job_names_resolve_from_the_folder_of_the_job_that_names_them() -> None:
    assert names.resolve("b", "team") == "team/b"
    assert names.resolve("../b", "team/inner") == "team/b"
    assert names.resolve("/b", "team") == "b"


@pytest.mark.parametrize("reference", ["&#27;", "&#x1b;", "&#x1B;"])
def test_control_characters_are_read_and_written_as_xml_1_1_has_them(reference: str) -> None:
    content = (
        f"<?xml version='1.1' encoding='UTF-8'?><a x='{reference}'>1{reference}2<![CDATA[&#x1b;]]>\r\n</a>".encode()
    )
    root = xml.parse(content)
    assert (root.text, root.get("x")) == ("1\x1b2&#x1b;\n", "\x1b")
    assert xml.parse(xml.dump(root).encode()).text == root.text
    assert xml.parse(xml.tag("a", "\x1b\r\x7f\x9f\0é").encode()).text == "\x1b\r\x7f\x9fé"
    for bad in (b"<a>&#0;</a>", b"<a>\x1b</a>", b"<a>&#xd800;</a>"):
        with pytest.raises(Malformed):
            xml.parse(bad)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE project [<!ENTITY a 'b'>]><project>&a;</project>",
        b"\xef\xbb\xbf<!DOCTYPE project SYSTEM 'http://example.com/x.dtd'><project/>",
        "<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE project [<!ENTITY a 'b'>]><project>&a;</project>".encode(
            "utf-16"
        ),
        "<?xml version='1.0' encoding='cp500'?><!DOCTYPE p [<!ENTITY a 'b'>]><p>&a;</p>".encode("cp500"),
        b"<project>&unknown;</project>",
        b"<project>" + b"<a>" * 250 + b"</a>" * 250 + b"</project>",
    ],
)
def test_short_files_are_read_as_strictly_as_long_ones(content: bytes) -> None:
    with pytest.raises(Malformed):
        xml.parse(content)


@pytest.mark.parametrize("tail", ["", "<x/>" * 300])
def test_short_and_long_files_mean_the_same(tail: str) -> None:
    inside = "<a b='&#x1b;c'>\u00e9 &lt;&#x9f; <![CDATA[&#x1b;]]><!-- <b> --></a>"
    root = xml.parse(f"<?xml version='1.1' encoding='UTF-8'?>\n<project>{inside}{tail}</project>".encode())
    assert (root[0].get("b"), root[0].text) == ("\x1bc", "\u00e9 <\x9f &#x1b;")
    plain = xml.parse(f"<project><a b='c'>\u00e9&lt;</a>{tail}</project>".encode())
    assert (plain[0].get("b"), plain[0].text) == ("c", "\u00e9<")


def test_folders_end_at_a_depth_that_the_system_can_bear(tmp_path: Path) -> None:
    items = Items(tmp_path)
    place = ""
    for _ in range(names.DEEPEST - 1):
        place = items.create(place, "f", NEW_FOLDER).full_name
    job = items.create(place, "job", b"<project/>")
    with pytest.raises(Malformed, match="at most 50 levels deep"):
        items.create(items.create(place, "f", NEW_FOLDER).full_name, "job", b"<project/>")
    long = items.create("", "f2", NEW_FOLDER)
    for _ in range(4):
        long = items.create(long.full_name, "x" * 200, NEW_FOLDER)
    with pytest.raises(Malformed, match="more than 1000 bytes"):
        items.create(long.full_name, "y" * 200, b"<project/>")
    with pytest.raises(Malformed, match="more than 1000 bytes"):
        items.rename(items.by_name["f2"], "z" * 199)
    assert "f2" in items.by_name and Items(tmp_path).job(job.full_name) is not None


def test_a_home_with_a_thousand_folders_in_each_other_opens_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = Items(tmp_path)
    items.create("", "job", b"<project/>")
    here = os.open(tmp_path / "jobs", os.O_RDONLY)
    for _ in range(1000):  # by hand, step by step: the whole path is longer than the system takes
        for name in ("f", "jobs"):
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
            if name == "f":
                config = os.open("config.xml", os.O_CREAT | os.O_WRONLY, dir_fd=here)
                os.write(config, NEW_FOLDER)
                os.close(config)
    os.close(here)
    opened = Items(tmp_path)
    assert opened.job("job") is not None and "/".join(["f"] * 50) in opened.by_name
    assert "is left out" in caplog.text
    subprocess.run(["rm", "-rf", str(tmp_path / "jobs")], check=True)  # Python's own way recurses
