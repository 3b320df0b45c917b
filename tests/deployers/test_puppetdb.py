"""PuppetDB as a source of reports. Its answers are of the shapes in its API's reference (query v4), by a stub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import responses
from requests import PreparedRequest

from sluicegate.deployers.puppet import PuppetDeployer
from sluicegate.deployers.puppet.database import Database
from sluicegate.errors import ConfigError, Denied, RemoteUnavailable, TimedOut, Untrusted, UsageError
from sluicegate.model.settings import Plain
from sluicegate.tools.reports.puppet import PuppetReport
from tests.parts import CONFIG, no_host, settings

URL = "https://puppetdb.example.com:8081"
QUERY = f"{URL}/pdb/query/v4"
ANSWERS: dict[str, object] = {
    "reports[certname, start": [
        {"certname": "app1.example.com", "start_time": "2026-11-26T06:10:52.450Z", "status": "unchanged",
         "environment": "production", "configuration_version": "17", "cached_catalog_status": "not_used",
         "noop": False, "noop_pending": False, "transaction_uuid": "u1"},
        {"certname": "app2.example.com", "start_time": "2026-11-26T06:11:52.450Z", "status": "failed",
         "environment": "production", "configuration_version": None, "cached_catalog_status": None,
         "noop": None, "noop_pending": None, "transaction_uuid": "u2"},
        {"certname": "app3.example.com", "start_time": "2026-11-26T06:12:52.450Z", "status": "changed",
         "environment": "production", "configuration_version": "17", "cached_catalog_status": "not_used",
         "noop": False, "noop_pending": False, "transaction_uuid": "older"},
    ],
    "reports[certname, logs": [
        {"certname": "app2.example.com", "logs": {"href": "/pdb/...", "data": [
            {"level": "notice", "message": "begun"}, {"level": "err", "message": "no catalog"}]}},
    ],
    "catalogs[": [
        {"certname": f"app{number}.example.com", "transaction_uuid": f"u{number}"} for number in (1, 2, 3)
    ],
    "resources[": [
        {"certname": f"app{number}.example.com", "tags": ["class", "sluicegate", f"sluicegate-intent{number}"]}
        for number in (1, 2, 3)
    ],
}  # fmt: skip


def database(**values: Plain) -> Database:
    return Database.configure(settings(url=URL, **values))


@pytest.fixture
def stub() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:

        def answer(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
            import json
            from urllib.parse import parse_qs, urlsplit

            query = parse_qs(urlsplit(request.url or "").query)["query"][0]
            return 200, {}, json.dumps(next(rows for start, rows in ANSWERS.items() if query.startswith(start)))

        mock.add_callback(responses.GET, QUERY, callback=answer)
        yield mock


NAMES = [f"app{number}.example.com" for number in (1, 2, 3)]


def test_last_reports_are_put_together_of_what_the_database_has(stub: responses.RequestsMock) -> None:
    first, second, third = database().latest(NAMES)
    assert first == PuppetReport(
        host="app1.example.com", time="2026-11-26T06:10:52.450Z", status="unchanged", environment="production",
        configuration_version="17", cached_catalog_status="not_used", transaction_uuid="u1",
        transaction_completed=True, intents=("intent1",),
    )  # fmt: skip
    assert (second.status, second.errors, second.transaction_completed) == ("failed", ("no catalog",), False)
    assert third.intents == (), "its last catalog is of another run than its last report"


def test_an_error_that_is_said_again_and_again_hides_no_other(
    stub: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = [{"level": "err", "message": text} for text in (*["no such fact"] * 200, "no such class")]
    monkeypatch.setitem(ANSWERS, "reports[certname, logs", [{"certname": "app2.example.com", "logs": logs}])
    (two,) = [report for report in database().latest(["app2.example.com"]) if report.host == "app2.example.com"]
    assert two.errors == ("no such fact", "no such class")


def test_many_hosts_are_asked_in_questions_that_an_address_can_hold(stub: responses.RequestsMock) -> None:
    list(database().latest([f"host{number}.example.com" for number in range(120)]))
    assert len(stub.calls) == 3 * 4
    assert max(len(str(call.request.url)) for call in stub.calls) < 4000


def test_the_deployer_asks_by_certname(stub: responses.RequestsMock) -> None:
    values: dict[str, Plain] = {"assigned": {"folder": "/srv/assigned"}, "certname": "{host}.example.com"}
    assert PuppetDeployer.configure("x", settings(**values), CONFIG, no_host).kept_reports(["app1"]) is None
    deployer = PuppetDeployer.configure("x", settings(**values, puppetdb={"url": URL}), CONFIG, no_host)
    reports = deployer.kept_reports(["App1", "app2"])
    assert reports is not None and [report.host for report in reports] == NAMES
    assert "app1.example.com" in str(stub.calls[0].request.url)


@pytest.mark.parametrize(
    ("problem", "kind", "message"),
    [
        (requests.exceptions.SSLError("x"), Untrusted, "not trusted"),
        (requests.exceptions.ConnectTimeout("x"), TimedOut, "does not answer within 30 s"),
        (requests.exceptions.ConnectionError("x"), RemoteUnavailable, "does not answer as one"),
        (403, Denied, r"refuses us \(403\)"),
        (500, RemoteUnavailable, "answers with status 500"),
        ("<html>", RemoteUnavailable, "does not answer as one"),
    ],
)
def test_a_database_that_cannot_be_asked_is_told(problem: object, kind: type[Exception], message: str) -> None:
    with responses.RequestsMock() as mock:
        if isinstance(problem, int):
            mock.get(QUERY, status=problem, body="no")
        else:
            mock.get(QUERY, body=problem)  # type: ignore[arg-type]
        with pytest.raises(kind, match=message):
            list(database().latest(NAMES))


def test_answers_that_are_no_reports_are_passed_over() -> None:
    with responses.RequestsMock() as mock:
        mock.get(QUERY, json=[None, 3, {}, {"certname": 7, "tags": "x", "logs": [[]]}])
        assert {report.host for report in database().latest(NAMES)} == {""}


def test_the_token_comes_from_the_variable_and_proxies_of_a_step_do_not_count(
    stub: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="the environment has no PDB_TOKEN"):
        list(database(token={"env": "PDB_TOKEN"}).latest(NAMES))
    monkeypatch.setenv("PDB_TOKEN", "secret")
    list(database(token={"env": "PDB_TOKEN"}).latest(NAMES))
    assert stub.calls[0].request.headers["X-Authentication"] == "secret"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "puppetdb"}, "'url' is not of the form"),
        ({"url": "http://pdb.example.com", "token": {"env": "X"}}, "expected https"),
        ({"cert": "/x.pem"}, "'cert' and 'key' of 'puppetdb' belong together"),
        ({"ca": "x.pem"}, "expected an absolute path"),
        ({"seconds": "long"}, "expected a number from 1 to 600"),
        ({"user": "x"}, "unknown key 'user'"),
    ],
)
def test_mistakes_in_its_settings_are_named(values: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Database.configure(settings(**{"url": URL, **values}))
