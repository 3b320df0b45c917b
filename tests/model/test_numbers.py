"""Numbers of outside data: one reader, with bounds, in all places."""

from __future__ import annotations

import ast
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from sluicegate.model.numbers import INT, decimal, required, whole
from sluicegate.model.settings import duration
from sluicegate.runner import causes, cron, records
from sluicegate.runner.history import History
from sluicegate.tools import xml
from sluicegate.tools.patience import Patience

LIB = Path(__file__).parents[2] / "lib" / "sluicegate"
ODD = ["²", "٣", "--5", "5-", "1_0", " 5", "0x5", "1e3", "", "nan", "9" * 5000, None, 1.0, True, [5]]


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_whole_number_is_none(text: object) -> None:
    assert whole(text) is None
    with pytest.raises(ValueError, match="is no whole number from 0 to"):
        required(text)


def test_a_whole_number_lies_within_its_bounds() -> None:
    assert [whole("007"), whole(7), whole("+7"), whole("-7", least=-7)] == [7, 7, 7, -7]
    assert [whole("99999999999", most=INT), whole(-1), whole(10**30), whole("9" * 19)] == [None] * 4


@pytest.mark.parametrize("text", ["nan", "inf", "1e9", "²", "9" * 400, "-1", "", ".", "11"])
def test_what_is_no_decimal_number_within_its_bounds_is_none(text: str) -> None:
    assert decimal(text, most=10) is None


def test_a_decimal_number_is_read() -> None:
    assert [decimal("2", most=10), decimal("0.25", most=10), decimal(".5", most=10)] == [2, 0.25, 0.5]


@pytest.mark.parametrize("text", ["²", "--5", "99999999999", "9" * 5000])
def test_a_number_in_xml_that_java_could_not_hold_is_the_default(text: str) -> None:
    assert xml.number(fromstring(f"<a><b>{text}</b></a>"), "b", 3) == 3


@pytest.mark.parametrize("text", ["²", "--5", "9" * 5000])
def test_a_home_with_odd_numbers_is_read(tmp_path: Path, text: str) -> None:
    history = History("job", tmp_path)
    for name in ("2", "²"):
        (history.builds / name).mkdir(parents=True)
    (history.builds / "2" / "build.xml").write_text(
        "<build><result>SUCCESS</result>"
        f"<timestamp>{text}</timestamp><startTime>{text}</startTime><duration>{text}</duration><queueId>{text}</queueId>"
        f"<actions><hudson.model.CauseAction><causeBag><entry><hudson.model.Cause_-UpstreamCause>"
        f"<upstreamBuild>{text}</upstreamBuild></hudson.model.Cause_-UpstreamCause><int>{text}</int></entry></causeBag>"
        "</hudson.model.CauseAction></actions></build>"
    )
    (tmp_path / "nextBuildNumber").write_text(text)
    (history.builds / "permalinks").write_text(f"lastSuccessfulBuild {text}\n")
    assert history.numbers() == [2] and history.next_number == 3
    record = history.get(2)
    assert record is not None and (record.timestamp, record.duration, record.queue_id) == (0, 0, 0)
    assert [cause.build for cause in record.causes] == [0]
    assert history.links()["lastSuccessfulBuild"] == 2
    assert history.resolve(text) is None
    assert records.read("job", history.builds / "²") is None


@pytest.mark.parametrize("text", ["²", "--5", "9" * 5000])
def test_schedules_spans_and_waits_refuse_odd_numbers(text: str) -> None:
    for spec in (f"{text} * * * *", f"H/{text} * * * *", f"H({text}-{text}) * * * *"):
        with pytest.raises(Exception, match="schedule, line 1"):
            cron.parse(spec, "job")
    with pytest.raises(ValueError, match="not a span of time"):
        duration(f"{text} min")
    assert Patience().parse_retry_after(text) == 0
    with pytest.raises(ValueError):
        causes.from_dict({"kind": "upstream", "build": text})


def test_nobody_else_asks_whether_a_text_has_digits() -> None:
    places = [
        f"{path.relative_to(LIB)}:{node.lineno}"
        for path in LIB.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("isdigit", "isdecimal", "isnumeric")
    ]
    assert places == []
