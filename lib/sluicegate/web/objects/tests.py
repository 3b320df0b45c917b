"""A build's test report."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from sluicegate.runner.records import Record
from sluicegate.runner.steps import junit
from sluicegate.tools.reports import testreports
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, plain
from sluicegate.web.site import Site

STATUS = {"passed": "PASSED", "failed": "FAILED", "skipped": "SKIPPED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the tests of a build said."""

    record: Record
    suites: tuple[testreports.Suite, ...]

    @property
    def counts(self) -> testreports.Tally:
        return testreports.tally(self.suites)


def exist(record: Record) -> bool:
    return (record.folder / "junitResult.xml").exists()


def of(record: Record) -> Report:
    """The report of a build. Raises Refusal when it has none."""
    suites = junit.read(record.folder)
    if suites is None:
        raise not_found()
    return Report(record=record, suites=tuple(suites))


def _suite(suite: testreports.Suite) -> object:
    cases = [_case(case) for case in suite.cases]
    cls, stamp = "hudson.tasks.reports.SuiteResult", suite.timestamp or None
    return plain(cls, cases=cases, duration=suite.duration, name=suite.name, timestamp=stamp)


def _case(case: testreports.Case) -> object:
    """A test case; without history each failure is as old as this build."""
    failed = case.state == "failed"
    return plain(
        "hudson.tasks.reports.CaseResult",
        age=1 if failed else 0,
        className=case.class_name,
        duration=case.duration,
        errorDetails=case.details or None if failed else None,
        errorStackTrace=case.trace or case.details or None if failed else None,
        failedSince=0,
        name=case.name,
        skipped=case.state == "skipped",
        skippedMessage=case.details or None if case.state == "skipped" else None,
        status=STATUS[case.state],
        stderr=None,
        stdout=None,
    )


def _page(site: Site, report: Report) -> Response:
    record, suites, counts = report.record, report.suites, report.counts
    item = site.runner.items.get(record.job)
    return site.target(lambda: site.show("tests.html", item=item, record=record, suites=suites, counts=counts))


KIND: Kind[Report] = Kind(
    cls="hudson.tasks.junit.TestResult",
    fields={
        "duration": lambda site, report: sum(suite.duration for suite in report.suites),
        "empty": lambda site, report: not report.counts.total,
        "failCount": lambda site, report: report.counts.failed,
        "passCount": lambda site, report: report.counts.passed,
        "skipCount": lambda site, report: report.counts.skipped,
        "suites": lambda site, report: [_suite(suite) for suite in report.suites],
    },
    inline=True,
    reads={"": _page},
)
