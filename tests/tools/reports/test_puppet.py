"""Reports of Puppet are read for what they say, whatever else stands in them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import Malformed
from sluicegate.tools.reports import puppet
from sluicegate.tools.reports.puppet import FailedResource, PuppetReport, read_report

WRITTEN = """\
--- !ruby/object:Puppet::Transaction::Report
host: app1.example.com
time: '2026-11-26T06:10:52.450944032+00:00'
configuration_version: &1 1795673452
job_id: 5c1f.17
transaction_uuid: a8837cc1-4563-4820-9e91-3668dcf42cb7
report_format: 12
puppet_version: 7.23.0
status: failed
transaction_completed: true
noop: false
noop_pending: false
environment: &2 production
initial_environment: *2
cached_catalog_status: not_used
logs:
- !ruby/object:Puppet::Util::Log
  level: !ruby/sym err
  tags: !ruby/object:Puppet::Util::TagSet
    hash:
      err: true
      sluicegate-5c1f: true
  message: |-
    E: Version '9.9' for 'auth-server' was not found
    with status 100
  source: Puppet
- level: notice
  message: Applied catalog in 0.10 seconds
  tags: [notice]
metrics:
  resources: {name: resources, values: [[total, Total, 9], [failed, Failed, 1]]}
resource_statuses:
  Package[auth-server]:
    resource: Package[auth-server]
    containment_path:
    - Stage[main]
    - Sluicegate
    - Sluicegate::Component[auth]
    - Package[auth-server]
    tags: &3
    - package
    - sluicegate-5c1f
    failed: true
    events:
    - {status: success, message: 'not this'}
    - {status: failure, message: "E: Version '9.9' was not found"}
  Cron[theirs]:
    resource: Cron[theirs]
    containment_path: ["Stage[main]", "Profile::Theirs"]
    tags: *3
    failed_to_restart: true
  File[/etc/motd]:
    resource: File[/etc/motd]
    failed: false
"""
READ = PuppetReport(
    host="app1.example.com", time="2026-11-26T06:10:52.450944032+00:00", job_id="5c1f.17", environment="production",
    initial_environment="production", configuration_version="1795673452", cached_catalog_status="not_used",
    transaction_completed=True, status="failed", transaction_uuid="a8837cc1-4563-4820-9e91-3668dcf42cb7",
    intents=("5c1f",), errors=("E: Version '9.9' for 'auth-server' was not found\nwith status 100",),
    failed=(
        FailedResource(name="Package[auth-server]", message="E: Version '9.9' was not found", component="auth"),
        FailedResource(name="Cron[theirs]"),
    ),
)  # fmt: skip
MINIMAL: dict[str, Any] = {"host": "app1", "status": "changed"}


def test_a_report_full_of_ruby_is_read_for_what_it_says() -> None:
    assert read_report(WRITTEN.encode()) == READ
    assert not READ.cached


def test_the_same_as_json_says_the_same() -> None:
    statuses = {
        "Package[auth-server]": {
            "resource": "Package[auth-server]", "failed": True, "tags": ["sluicegate-5c1f"],
            "containment_path": ["Sluicegate::Component[auth]"],
            "events": [{"status": "failure", "message": "E: Version '9.9' was not found"}],
        },
        "Cron[theirs]": {"resource": "Cron[theirs]", "failed_to_restart": True},
    }  # fmt: skip
    document = {
        "host": READ.host, "time": READ.time, "job_id": READ.job_id, "environment": READ.environment,
        "initial_environment": READ.initial_environment, "configuration_version": 1795673452,
        "cached_catalog_status": "not_used", "transaction_completed": True, "status": "failed", "noop": False,
        "noop_pending": None, "transaction_uuid": READ.transaction_uuid, "report_format": 12, "metrics": {},
        "logs": [{"level": "err", "message": READ.errors[0], "tags": []}], "resource_statuses": statuses,
    }  # fmt: skip
    assert read_report(json.dumps(document).encode()) == READ


@pytest.mark.parametrize(
    ("status", "cached"), [("on_failure", True), ("explicitly_requested", True), ("not_used", False)]
)
def test_a_catalog_that_was_kept_is_told(status: str, cached: bool) -> None:
    assert read_report(json.dumps({**MINIMAL, "cached_catalog_status": status}).encode()).cached is cached


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"--- 17\n", b"- a\n- b\n", b"{", b'{"status": "changed"}', b"host: app1\n", b"<html>Sign in</html>",
        b"--- !ruby/object:Puppet::Transaction::Report\nhost: [app1\n", b"host: {a: b}\nstatus: changed\n",
        b"[" * 100_000, b'{"host": ' + b"[" * 100_000, b"host: x\nstatus: y\nlogs:\n- " + b"{a: " * 200 + b"}" * 200,
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_in_a_sentence(wrong: bytes) -> None:
    with pytest.raises(Malformed, match="this is no report of Puppet: "):
        read_report(wrong)


def test_a_report_that_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puppet, "LIMIT", 100)
    with pytest.raises(Malformed, match="a report of Puppet of 0 MB is refused"):
        read_report(WRITTEN.encode())


def test_of_thousands_of_failures_the_first_are_kept_and_none_is_long() -> None:
    entry = "- {level: err, message: '%d" + "x" * 3000 + "'}\n"
    status = "  File[/%d]: {resource: 'File[/%d]', failed: true}\n"
    text = "host: app1\nstatus: failed\nlogs:\n" + "".join(entry % n for n in range(200)) + "resource_statuses:\n"
    report = read_report((text + "".join(status % (n, n) for n in range(5000))).encode())
    assert (len(report.errors), len(report.errors[0]), len(report.failed)) == (50, 2000, 50)


def test_an_error_that_is_said_again_and_again_hides_no_other() -> None:
    logs = "".join(f"- {{level: err, message: {text}}}\n" for text in [*["no such fact"] * 200, "no such class"])
    report = read_report(f"host: app1\nstatus: failed\nlogs:\n{logs}".encode())
    assert report.errors == ("no such fact", "no such class")


def test_aliases_that_name_each_other_take_no_memory() -> None:
    lines = ["host: app1", "status: failed", "logs:", "- &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60)]
    assert read_report("\n".join(lines).encode()).errors == ()


def test_a_package_manager_s_stray_bytes_spoil_nothing() -> None:
    log = b'logs:\n- {level: err, message: "caf\xe9 \x07\xc2\x85 bell"}\n'
    assert "bell" in read_report(b"host: app1\nstatus: failed\n" + log).errors[0]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_comes_it_is_a_report_or_refused(content: bytes) -> None:
    with suppress(Malformed):
        read_report(b"host: app1\nstatus: failed\n" + content)


KEYS = (*puppet.FIELDS, "logs", "resource_statuses", "tags", "events", "level", "message")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.sampled_from(KEYS), below),
    max_leaves=20,
)


@given(VALUES)
def test_any_json_is_a_report_or_refused(document: object) -> None:
    with suppress(Malformed):
        read_report(json.dumps(document).encode())
