"""Records and their lines: the chain, retries, and lenient reading."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import IntegrityError
from sluicegate.model import evidence, ledgerfiles
from sluicegate.model.evidence import Approval, Other, Record, Rejection, Veto
from sluicegate.model.recordjson import as_json
from sluicegate.model.story import Story
from sluicegate.model.values import Actor

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PATH = "components/auth/1.0.0.jsonl"
ANNA = Actor(user="anna", source="https://ci/1/", verified=True)
SEAL = Approval(env="staging", role="qa")
words = st.sampled_from(["", "staging", "ünï", "why\nnot"])
records = st.one_of(
    st.builds(evidence.Tests, env=words, suite=words, passed=st.integers(0, 10**9), failed=st.integers(0, 10**9)),
    st.builds(Approval, env=words, role=words, why=words),
    st.builds(Veto, env=words, why=words),
)


def add(story: list[Record], record: Record, by: Actor = ANNA, at: datetime = NOW) -> None:
    written = ledgerfiles.next_record(Story(story), PATH, record, by=by, at=at)
    story += [written] if written else []


@given(st.lists(records, max_size=6), st.randoms())
def test_what_is_written_is_read_in_whatever_order_and_how_often_the_lines_stand(
    given_: list[Record], random: Any
) -> None:
    story: list[Record] = []
    for record in given_:
        add(story, record)
    lines = [ledgerfiles.line(record) for record in story] * 2
    random.shuffle(lines)
    assert list(ledgerfiles.read(b"".join(lines), path=PATH)) == story


def test_a_retried_step_writes_nothing_and_approve_reject_approve_is_three() -> None:
    story: list[Record] = []
    rejection = Rejection(env="staging", role="qa")
    for record in (SEAL, SEAL, rejection, SEAL, SEAL):
        add(story, record)
    assert [r.what for r in story] == ["approval", "rejection", "approval"]
    assert len({r.id for r in story}) == 3
    assert [r.after for r in story] == ["", story[0].id, story[1].id]


def test_another_build_and_another_person_write_their_own() -> None:
    story: list[Record] = []
    add(story, SEAL)
    add(story, SEAL, Actor(user="anna", source="https://ci/2/"))
    add(story, SEAL, Actor(user="olle", source="https://ci/1/"))
    assert len(story) == 3


def test_times_follow_the_chain_when_a_clock_is_late() -> None:
    story: list[Record] = []
    add(story, evidence.Tests(), at=NOW)
    add(story, SEAL, at=NOW - timedelta(hours=1))
    assert story[1].at > story[0].at


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_an_integrity_error(content: bytes) -> None:
    if any(line.strip() for line in content.removeprefix(BOM_UTF8).splitlines()):
        with pytest.raises(IntegrityError, match=r"1\.0\.0\.jsonl:\d+ of the ledger: this line is no record"):
            ledgerfiles.read(content, path=PATH)
    else:
        assert ledgerfiles.read(content, path=PATH) == ()


TORN = [
    line
    for number in (1, 20, 60, -2)
    if (line := ledgerfiles.line(Veto(id="1", at=NOW, by=ANNA, env="staging"))[:number])
]


HEAD = b'"id":"1","at":"2026-11-23T09:00:00Z","what":"veto"'
TWO_FACED = [b'{%b,"what" : "tests"}' % HEAD, b'{%b,"env":"a","env":"b"}' % HEAD, b'{%b,"more":{"a":1,"a":2}}' % HEAD]
TOO_LONG = [b'{%b,"passed":%b}' % (HEAD, b"9" * 5000)]
LAST = [b'{"id":"1","at":"9999-12-31T23:59:59.999999Z","what":"veto"}']


@pytest.mark.parametrize(
    "torn",
    [*TORN, b"<<<<<<< ours", b"[]", b"null", b'{"id": 1}', b"[" * 100_000, *TWO_FACED, *TOO_LONG, *LAST],
    ids=lambda line: line[-40:],
)
@pytest.mark.parametrize("kinds", [(), (evidence.Built, Veto)])
def test_a_torn_line_is_never_taken_for_no_line(torn: bytes, kinds: tuple[type[Record], ...]) -> None:
    whole = ledgerfiles.line(Approval(id="2", at=NOW, by=ANNA, env="staging"))
    with pytest.raises(IntegrityError, match=r"1\.0\.0\.jsonl:3 of the ledger") as raised:
        ledgerfiles.read(whole + b"\n" + torn + b"\n" + whole, *kinds, path=PATH)
    assert PATH in raised.value.hint and "check --deep" in raised.value.hint


def test_a_record_that_is_appended_never_joins_the_line_before() -> None:
    veto, seal = Veto(id="1", at=NOW, by=ANNA), Approval(id="2", at=NOW, by=ANNA)
    by_hand = ledgerfiles.line(veto).rstrip(b"\n")
    assert [record.id for record in ledgerfiles.read(ledgerfiles.extended(by_hand, [seal]), path=PATH)] == ["1", "2"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
)


@given(st.sampled_from(["built", "tests", "veto", "deployed", "pinned", "swap", "intent", "future"]), st.data())
def test_a_field_that_holds_something_else_spoils_no_record(what: str, data: st.DataObject) -> None:
    head = {"id": "1", "at": "2026-11-23T09:00:00Z", "what": what}
    line = json.dumps(head | {name: data.draw(anything) for name in FIELDS[what]})
    (record,) = ledgerfiles.read(line.encode(), path=PATH)
    assert json.loads(json.dumps(as_json(record)))["what"] == what


FIELDS = {
    "built": ("artifacts", "manifest", "committed", "figures"),
    "tests": ("env", "passed", "failed", "skipped"),
    "veto": ("env", "why", "more"),
    "deployed": ("components", "group"),
    "pinned": ("verdicts", "downgrade", "how"),
    "swap": ("before", "pins", "sessions_until", "back"),
    "intent": ("pid", "target", "gated"),
    "future": ("env", "passed"),
}


def test_a_count_that_is_no_count_is_unknown_not_zero() -> None:
    line = b'{"id":"1","at":"2026-11-23T09:00:00Z","what":"tests","passed":true,"failed":"0","skipped":NaN}'
    (tests,) = ledgerfiles.read(line, path=PATH).of(evidence.Tests)
    assert (tests.passed, tests.failed, tests.skipped) == (None, None, None)


def test_a_record_of_a_newer_writer_is_kept_under_its_name() -> None:
    (record,) = ledgerfiles.read(b'{"id":"1","at":"2026-11-23T09:00:00Z","what":"weather","wind":3}', path=PATH)
    assert isinstance(record, Other) and as_json(record)["what"] == "weather"


FIRST_FORM = Path(__file__).parent.parent / "fixtures" / "book-1" / "ledger"


@pytest.mark.parametrize("path", sorted(FIRST_FORM.glob("[cep]*/**/*.jsonl")), ids=lambda path: path.stem)
def test_a_ledger_of_the_first_form_is_read_with_every_fact(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    story = {record.id: as_json(record) for record in ledgerfiles.read(path.read_bytes(), path=PATH)}
    assert lines
    for line in lines:
        facts = {name: fact for name, fact in line.items() if fact or type(fact) is int}
        assert {name: story[line["id"]].get(name) for name in facts} == facts


@given(st.text(min_size=1, max_size=20))
def test_any_version_has_a_path_of_its_own_and_comes_back(version: str) -> None:
    try:
        version.encode()
    except UnicodeEncodeError:
        return
    path = ledgerfiles.component_path("auth", version)
    assert path.count("/") == 2
    assert ledgerfiles.version_of(path.rpartition("/")[2]) == version


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"1","at":"2026-11-23T09:00:00Z","what":"veto","why":"\\"what\\": \\"tests\\""}',
        b'{"id":"1","at":"2026-11-23T09:00:00Z","wh\\u0061t":"veto","more":{"what":"tests"}}',
        b'{"id":"1","at":"2026-11-23T09:00:00Z","more":{"what":"tests"},"what":"veto"}',
        b'\xef\xbb\xbf{"id": "1", "at": "2026-11-23T09:00:00Z", "what": "veto"}',
    ],
)
def test_what_is_looked_for_is_found_however_its_line_is_written(line: bytes) -> None:
    second_line = b'{"id": "2", "at": "2026-11-23T09:00:00Z", "what": "tests"}'
    whole = ledgerfiles.read(line + b"\n" + second_line, path=PATH)
    assert (
        ledgerfiles.read(line + b"\n" + second_line, evidence.Veto, path=PATH) == tuple(whole.of(evidence.Veto)) != ()
    )


@pytest.mark.parametrize("blank", [b"", b" ", b"\t"])
def test_what_is_no_kind_that_is_looked_for_is_told_by_every_reader_alike(blank: bytes) -> None:
    line = b'{"id":"1","at":"2026-11-23T09:00:00Z","what"%b:"veto"}' % blank
    assert ledgerfiles.read(line, evidence.Built, path=PATH) == ()
    assert len(ledgerfiles.read(line, Veto, path=PATH)) == 1
