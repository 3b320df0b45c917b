"""The table of hosts on a terminal, and the line a host in a pipe."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from sluicegate.cli import live
from sluicegate.delivery.changes.applying import HostNews


def news(host: str, state: str, what: str = "auth 1 -> 2", text: str = "") -> HostNews:
    return HostNews(text or f"prod: {host}: {state}", host=host, state=state, what=what, hosts=5)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_pipe_each_line_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with live.live_hosts() as say:
        say(news("app1", "at work"))
        say("something else")
    assert capsys.readouterr().out == "prod: app1: at work\nsomething else\n"


def test_what_is_over_within_a_second_is_lines_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with live.live_hosts() as say:
        say(news("app1", "done"))
    assert terminal.getvalue() == "prod: app1: done\n"


def test_after_that_a_table_says_what_became_of_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in (("TERM", "xterm"), ("COLUMNS", "100"), ("LINES", "30")):
        monkeypatch.setenv(name, value)
    table = live.HostTable(plain=0.0)
    table(news("app1", "at work"))
    table(news("app1", "done"))
    table(news("app2", "failed", "[bold]no room\nsecond line"))
    table(news("app3", "at work"))
    table("starting regression")
    assert table.counts() == "1 done, 1 at work, 1 failed, 2 waiting"
    assert [row[0] for row in table.rows(10)] == ["app2", "app3", "app1"]
    assert len(table.rows(2)) == 2
    table.close()
    shown = terminal.getvalue()
    assert "[bold]no room" in shown and "starting regression" in shown and "2 waiting" in shown
    assert "second line" not in shown


def test_a_step_that_changes_no_state_is_no_row() -> None:
    table = live.HostTable(plain=99.0)
    table(news("app1", ""))
    assert table.hosts == {}


def test_rich_is_not_imported_before_a_table_is_shown() -> None:
    script = (
        "import sys; from sluicegate.cli.live import HostTable; from tests.cli.test_live import news; "
        "HostTable()(news('a', 'done')); print([name for name in sys.modules if name == 'rich'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
