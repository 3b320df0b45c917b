"""Kicks Puppet on a host, and judges by the report of that very run.

The status that the agent ends with says too little: 0 may be a run of an old catalog, 1 may be anything. What counts is
a report with our job id, of a catalog that was compiled now, in the right environment, from what was assigned.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sluicegate.errors import Denied, Malformed, RemoteUnavailable, SluicegateError, TimedOut
from sluicegate.ports import Host
from sluicegate.tools import meter
from sluicegate.tools.process import Completed
from sluicegate.tools.reports import puppet
from sluicegate.tools.reports.puppet import PuppetReport, read_report

REPORT = "puppet-report.yaml"
AGAIN = 10.0  # seconds until an agent is kicked again whose catalog was made of older data
LOOK = 10.0  # seconds between two looks whether an agent has run by itself
TELL = 60.0
DISABLED = re.compile(r"administratively disabled \(Reason: '(.*?)'\)|administratively disabled")
LOCKED = re.compile(r"already in progress|maxwaitforlock timeout has been exceeded")
UNSIGNED = re.compile(r"waitforcert is disabled|need to sign this agent's certificate|certificate .* revoked|"
                      r"certificate verify failed.*")  # fmt: skip
ERROR = re.compile(r"^(?:\x1b\[[0-9;]*m)*(?:Error|Critical|Emergency|Alert): (.*?)(?:\x1b\[0m)?$", re.MULTILINE)
RUBY = re.compile(r"^/\S+:\d+:in [`'][^']*': (.*?)(?: \([\w:]+\))?$", re.MULTILINE)
AWAY = re.compile(r"No more routes to|Could not connect|Failed to open TCP connection|Connection timed out")
SHOWN = 3  # messages, resources
sleep = time.sleep


class Stale(SluicegateError):
    """The catalog was made of what was assigned before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """How a run is started and judged. `environment` is '' where the server decides it.

    `limit` bounds a run and, with `kick: none`, the wait for one; `spread` how long data may take to reach whatever
    compiles the catalog. `report_paths`: host -> where its last report is, once it was asked.
    """

    kick: str
    program: str
    environment: str
    manifest: str
    options: tuple[str, ...]
    root: bool
    lock_wait: timedelta
    limit: timedelta
    spread: timedelta
    others_may_fail: bool
    report_paths: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def run(self, host: Host, intent: str) -> PuppetReport:
        """Have the host do what the intent assigned to it. Each way in which it does not has words of its own."""
        if self.kick == "none":
            return self._wait(host, intent)
        deadline = time.monotonic() + self.spread.total_seconds()
        for number in range(1, 10_000):
            job = f"{intent}.{time.time_ns()}"
            report = self._kicked(host, job) if self.kick == "agent" else self._applied(host)
            try:
                return self.judged(host.name, report, intent)
            except Stale as stale:
                if time.monotonic() + AGAIN > deadline:
                    raise
                meter.waits(f"{host.name}: {stale.message}; run {number} was too early")
                sleep(AGAIN)
        raise AssertionError("no deadline is that far away")

    def judged(self, name: str, report: PuppetReport, intent: str) -> PuppetReport:
        """The report of a host, if it says that what the intent assigned is done."""
        # First what makes the whole report worthless, then what it says of this intent.
        if report.cached:
            raise SluicegateError(
                f"{name}: Puppet used an old catalog ({report.cached_catalog_status}){_told(report.errors)}",
                hint="mend what keeps it from compiling; is use_cached_catalog set there?",
            )
        if not report.transaction_completed and report.status == "failed":
            if any(map(AWAY.search, report.errors)):
                raise _server_away(name, report.errors)
            raise SluicegateError(
                f"{name}: Puppet could not apply a catalog{_told(report.errors) or ': it does not say why'}",
                hint=f"look there: {self.program} agent --test --noop",
            )
        if self.environment and report.environment != self.environment:
            raise SluicegateError(
                f"{name}: Puppet ran in the environment '{report.environment}', expected '{self.environment}'",
                hint="does its server or ENC say another one? correct that, or 'environment' in sluicegate.yaml",
            )
        if report.noop:
            raise SluicegateError(
                f"{name}: Puppet only said what it would do: 'noop' is set there",
                hint="take 'noop' out of puppet.conf, or take the host out: sluicegate host out",
            )
        if intent not in report.intents:
            raise self._stale(name, report)
        failed = [resource for resource in report.failed if resource.component or not self.others_may_fail]
        if failed:
            lines = [
                f"{resource.name}: {resource.message}" if resource.message else resource.name for resource in failed
            ]
            more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            raise SluicegateError(f"{name}: Puppet failed at {'; '.join(lines[:SHOWN])}{more}", hint="see its report")
        if not report.transaction_completed:
            raise SluicegateError(
                f"{name}: Puppet did not get to the end of its catalog{_told(report.errors)}",
                hint="see its report there",
            )
        return report

    def _stale(self, name: str, report: PuppetReport) -> SluicegateError:
        version = f" (version {report.configuration_version})" if report.configuration_version else ""
        if report.intents:
            return Stale(
                f"{name}: the catalog{version} was made of an older assignment",
                hint="is the control repository deployed, is it the same puppetserver? then deploy again",
            )
        return Stale(
            f"{name}: the catalog{version} has nothing of the class sluicegate",
            hint="does the host include it, and does Hiera read sluicegate/%{trusted.certname}.yaml? "
            "see docs/how-to/puppet.md",
        )

    # how a run is come by

    def _kicked(self, host: Host, job: str) -> PuppetReport:
        words = [
            self.program, "agent", "--onetime", "--no-daemonize", "--no-usecacheonfailure", "--no-splay",
            "--detailed-exitcodes", "--logdest", "console", "--color", "false", "--report", "--waitforcert", "0",
            "--job-id", job, "--waitforlock", "5",
            "--maxwaitforlock", f"{max(self.lock_wait.total_seconds(), 1):.0f}",
        ]  # fmt: skip
        done = self._run(host, [*words, *self._environment, *self.options])
        report = self._last_report(host)
        if report is None or report.job_id != job:
            raise self._without_report(host, done)
        return report

    def _applied(self, host: Host) -> PuppetReport:
        """`puppet apply` knows no job id, so its report goes to a file that was not there before."""
        host.remove(REPORT)
        here = host.run(["pwd"]).text.strip()
        words = [
            self.program, "apply", "--detailed-exitcodes", "--logdest", "console", "--color", "false",
            "--lastrunreport", f"{here}/{REPORT}",
        ]  # fmt: skip
        done = self._run(host, [*words, *self._environment, *self.options, "--", self.manifest])
        report = self._report(host, f"{here}/{REPORT}")
        if report is None:
            raise self._without_report(host, done)
        return report

    @property
    def _environment(self) -> tuple[str, ...]:
        return ("--environment", self.environment) if self.environment else ()

    def _run(self, host: Host, words: Sequence[str]) -> Completed:
        limit = self.limit.total_seconds() + self.lock_wait.total_seconds()
        done = host.run(words, timeout=limit, root=self.root)
        if done.status == 127:
            raise SluicegateError(
                f"the host '{host.name}' has no program '{self.program}' for us: {_last(done)}",
                hint="install the agent; or say where it is: program: /opt/puppetlabs/bin/puppet",
            )
        return done

    def _wait(self, host: Host, intent: str) -> PuppetReport:
        """For the agent's own interval. What it says of an earlier assignment is no answer yet."""
        began = reported_at = time.monotonic()
        limit = self.limit.total_seconds()
        path = self._report_path(host)
        while True:
            report = self._report(host, path)
            if report is not None and intent in report.intents:
                return self.judged(host.name, report, intent)
            now = time.monotonic()
            last = f"its last run was at {report.time[:19]}Z" if report and report.time else "it has not run yet"
            if now - began >= limit:
                why = f"; {report.errors[0]}" if report and report.errors else ""
                raise TimedOut(
                    f"{host.name}: its agent has not applied this within {self.limit}: {last}{why}",
                    hint="does it run there? or let it be kicked: kick: agent",
                )
            if now - reported_at >= TELL:
                reported_at = now
                meter.waits(f"{host.name}: waits for its agent, {now - began:.0f} of {limit:.0f} s; {last}")
            sleep(min(LOOK, limit))

    def _report_path(self, host: Host) -> str:
        """Asked once of each host: it takes Puppet as long as a small run."""
        if host.name not in self.report_paths:
            self.report_paths[host.name] = self._asked_report_path(host)
        return self.report_paths[host.name]

    def _asked_report_path(self, host: Host) -> str:
        words = [self.program, "config", "print", "lastrunreport", "--section", "agent"]
        done = self._run(host, [*words, *self.options])  # an agent need not have the environment's folder
        path = done.text.strip().splitlines()[-1:]
        if done.status != 0 or not path or not path[0].startswith("/"):
            raise SluicegateError(f"the host '{host.name}' does not say where Puppet's last report is: {_last(done)}")
        return path[0]

    def _last_report(self, host: Host) -> PuppetReport | None:
        return self._report(host, self._report_path(host))

    def _report(self, host: Host, path: str) -> PuppetReport | None:
        """None where there is no such file, or one that nobody can read."""
        words = ["head", "-c", str(puppet.LIMIT + 1), "--", path]
        done = host.run(words, timeout=300.0, root=self.root)
        if done.status != 0:
            if "No such file" in done.error_text:
                return None
            raise SluicegateError(f"the host '{host.name}': {path}: {_last(done)}", hint="check our rights there")
        if not done.stdout.strip():
            return None
        try:
            return read_report(done.stdout)
        except Malformed as problem:
            raise SluicegateError(f"{host.name}: {path}: {problem.message}", hint=problem.hint) from problem

    def _without_report(self, host: Host, done: Completed) -> SluicegateError:
        """What kept the agent from a run, or from saying how it went."""
        output = f"{done.text}\n{done.error_text}"
        if match := DISABLED.search(output):
            reason = match[1] or "nobody says why"
            return SluicegateError(
                f"{host.name}: Puppet is disabled there: {reason}",
                hint=f"whoever did it: {self.program} agent --enable; or take it out: sluicegate host out {host.name}",
            )
        if LOCKED.search(output):
            return RemoteUnavailable(
                f"{host.name}: another run of Puppet holds the lock, for longer than {self.lock_wait}",
                hint="look what it does there; a crashed one leaves agent_catalog_run.lock",
            )
        if match := UNSIGNED.search(output):
            return Denied(
                f"{host.name}: the puppetserver does not know its certificate: {match[0]}",
                hint="sign it: puppetserver ca sign --certname NAME",
            )
        errors = (ERROR.findall(output) or RUBY.findall(output))[:SHOWN] or [_last(done)]
        if AWAY.search(output):
            return _server_away(host.name, errors)
        complaint = "; ".join(errors)
        return SluicegateError(
            f"{host.name}: Puppet left no report of this run (status {done.status}): {complaint}",
            hint="is the puppetserver up, and may it take reports? see the agent's log there",
        )


def _server_away(name: str, errors: Sequence[str]) -> RemoteUnavailable:
    return RemoteUnavailable(
        f"{name}: its puppetserver does not answer{_told(errors)}", hint="is it up? then deploy again"
    )


def _told(errors: Sequence[str]) -> str:
    """The first errors, after a colon: the first one is the cause."""
    return f": {'; '.join(errors[:SHOWN])}" if errors else ""


def _last(done: Completed) -> str:
    lines = [line for line in f"{done.text}\n{done.error_text}".splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"status {done.status}, and it says nothing"
