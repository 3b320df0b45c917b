"""`trigger` follows a Jenkins that behaves as recordings of a real one: nothing is lost, restarts are waited for."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError, UnknownName, UsageError
from sluicegate.runner.following import follow
from sluicegate.runner.remote import Remote
from sluicegate.runner.results import Result
from sluicegate.tools import patience, restarts
from tests.jenkins_stub import NOTE, JenkinsStub, Job, playing

CHOICE = {"name": "SIZE", "type": "ChoiceParameterDefinition", "choices": ["small", "large"]}
TEXT = {"name": "WHY", "type": "StringParameterDefinition"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "pause", lambda seconds: None)


def followed(stub: JenkinsStub, name: str = "a", values: Mapping[str, str] | None = None) -> tuple[Result, bytes]:
    written: list[bytes] = []
    with playing(stub) as url:
        result = follow(Remote(url, "ci", "t0ken"), name, values or {}, lambda line: None, written.append)
    return result, b"".join(written)


def shown(log: bytes) -> bytes:
    return log.decode("utf-8", "replace").encode().replace(b"\r\n", b"\n").replace(NOTE, b"")


def test_unfinished_lines_that_the_size_counts_are_not_lost() -> None:
    pieces = [
        b"Started by user " + NOTE + b"anna\n",
        b"one\nstart part1 ",
        b"part2 ",
        b"part3 end\n",
        b"Finished: SUCCESS\n",
    ]
    result, text = followed(JenkinsStub({"a": Job(pieces)}))
    assert (result, text) == (Result.SUCCESS, shown(b"".join(pieces)))


def test_lines_beyond_the_ten_thousand_of_an_answer_are_not_lost() -> None:
    lines = [b"%d\n" % number for number in range(200_010)]
    pieces = [b"".join(lines[at : at + 25_000]) for at in range(0, len(lines), 25_000)]
    pieces += [b""] * 10 + [b"Finished: SUCCESS\n"]
    _, text = followed(JenkinsStub({"a": Job(pieces)}))
    assert text == b"".join(pieces)


@pytest.mark.parametrize("seed", range(6))
def test_no_byte_is_lost_or_doubled_whatever_a_log_holds(seed: int) -> None:
    dice = random.Random(seed)
    words = [
        b"x",
        b"line",
        b"\r\n",
        b"\n",
        b"\r",
        b"\xe4",
        "ä€😀".encode(),
        "�".encode(),
        NOTE,
        b"same line\n" * 300,
        b".",
    ]
    words += [b"crlf\r\n" * 200] if seed % 2 else []
    pieces = [b"".join(dice.choices(words, k=dice.randrange(60))) for _ in range(14)] + [b"Finished: SUCCESS\n"]
    _, text = followed(JenkinsStub({"a": Job(pieces)}))
    assert text == shown(b"".join(pieces))


def test_the_result_is_that_of_the_complete_build() -> None:
    stub = JenkinsStub({"a": Job([b"one\n"] * 6, result="UNSTABLE", early=4)})
    assert followed(stub)[0] is Result.UNSTABLE
    assert stub.jobs["a"].ended


RESTART = [0, 0, 503, 503, 503, 401, 401, 503, 404]
"""What a GET sees of a restart, in the order of recordings 717 and 722."""


@pytest.mark.parametrize("where", ["queue/item", "progressiveText", "1/api/json"])
def test_a_restart_in_the_middle_is_waited_for(where: str) -> None:
    stub = JenkinsStub({"a": Job()}, before={where: list(RESTART)})
    assert followed(stub)[0] is Result.SUCCESS
    assert not stub.spells and not stub.before


def test_a_restart_before_the_job_is_started_starts_it_once() -> None:
    stub = JenkinsStub({"a": Job()}, before={"a/build": [500, 503, 401, 503]})
    assert followed(stub)[0] is Result.SUCCESS
    assert len(stub.jobs["a"].started) == 1


def test_an_item_that_a_restart_forgot_is_found_by_its_build() -> None:
    stub = JenkinsStub({"a": Job()}, lost_items=True)
    assert followed(stub)[0] is Result.SUCCESS


def test_a_request_that_is_merged_with_a_waiting_one_is_followed() -> None:
    assert followed(JenkinsStub({"a": Job(parameters=[TEXT], merged=True)}))[0] is Result.SUCCESS


def test_a_server_that_stays_away_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "PATIENCE", 0.05)
    with pytest.raises(RemoteUnavailable, match="starting"):
        followed(JenkinsStub({"a": Job()}, before={"queue/item": [503] * 100_000}))


def test_a_wrong_token_is_no_restart() -> None:
    stub = JenkinsStub({"a": Job()}, spells=[401], login_up=True)
    with pytest.raises(Denied, match="wrong token"):
        followed(stub)
    assert stub.calls == ["GET /job/a/api/json", "GET /login"]


def test_an_error_of_the_server_is_no_wrong_token() -> None:
    with pytest.raises(SluicegateError, match="status 500") as broken:
        followed(JenkinsStub({"a": Job()}, before={"a/build": [500]}))
    assert "log" in broken.value.hint and broken.value.exit_code == 1


@pytest.mark.parametrize(
    ("name", "values", "message", "hint"),
    [
        ("a", {"SIZE": "huge"}, "parameter SIZE: huge .*small, large", ""),
        ("a", {"NOPE": "1"}, "no parameter NOPE .*SIZE, WHY", ""),
        ("fold", {}, "fold is a folder", "fold/JOB"),
        ("b", {}, "/job/b does not exist", "fold/b"),
        ("c", {}, "/job/c does not exist", "'ci'"),
    ],
)
def test_what_jenkins_would_not_take_is_said_before(
    name: str, values: Mapping[str, str], message: str, hint: str
) -> None:
    stub = JenkinsStub({"a": Job(parameters=[CHOICE, TEXT]), "fold": Job(folder=True), "fold/b": Job()})
    with pytest.raises(UsageError, match=message) as refused:
        followed(stub, name, values)
    assert hint in refused.value.hint
    assert not any(line.startswith("POST") for line in stub.calls)


def test_a_jenkins_below_a_path_is_asked_for_there() -> None:
    stub = JenkinsStub({"a": Job()}, context="/jenkins")
    assert followed(stub)[0] is Result.SUCCESS
    with playing(stub) as url, pytest.raises(UnknownName) as missing:
        follow(Remote(url.removesuffix("/jenkins"), "", ""), "a", {}, print, print)
    assert "below a path" in missing.value.hint


def test_a_job_that_is_disabled_is_said_to_be() -> None:
    with pytest.raises(SluicegateError, match="is disabled"):
        followed(JenkinsStub({"a": Job(buildable=False)}))
