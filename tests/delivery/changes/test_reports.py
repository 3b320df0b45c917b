"""What hosts report of runs that nobody kicked: who has what was assigned, drift, and the end of a deploy."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sluicegate.cli.shapes import reality
from sluicegate.delivery.answers.drift import drift
from sluicegate.delivery.answers.flow import flow
from sluicegate.delivery.answers.history import history
from sluicegate.delivery.answers.remembered import remembered_status
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.book.heard import last_words
from sluicegate.delivery.changes import hosts
from sluicegate.delivery.changes.planning import make_plan
from sluicegate.delivery.changes.reports import Taken, kept, read, take
from sluicegate.errors import PartlyDone, TimedOut, UnknownName, UsageError
from sluicegate.model.evidence import HostsDiffer, HostsInstalled, Started
from sluicegate.tools.reports.puppet import read_report
from tests.fakes import FakeAgents, FakeHost
from tests.worlds import CONFIG, Shop

LENIENT = CONFIG.replace(
    b"hosts: rooms\n    deploy: {driver: fake}",
    b'hosts: rooms\n    deploy: {driver: fake, max-failed: 1}\n    after: {smoke: {command: ["true"]}}',
)


class Agents:
    """The hosts' agents; each run gives the report that is sent afterwards."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.fakes = FakeAgents()
        shop.drivers.deployers = self.fakes

    def run(self, host: str, *, after: float = 1.0) -> bytes:
        """The agent of a host runs, so many seconds from now."""
        self.shop.pass_time(timedelta(seconds=after))
        intent = self.fakes.run(self.shop.drivers.hosts[host])
        return self.report(host, intent)

    def report(
        self, host: str, intent: str, *, job: str = "", status: str = "changed", at: datetime | None = None
    ) -> bytes:
        time = (at or self.shop.now).isoformat()
        log = "logs: [{level: err, message: cannot reach the repository}]" if status == "failed" else "logs: []"
        tags = f"[package, sluicegate-{intent}]" if intent else "[package]"
        return f"""\
--- !ruby/object:Puppet::Transaction::Report
host: {host}.example.com
time: '{time}'
job_id: {job}
status: {status}
{log}
resource_statuses: {{"Package[auth]": {{tags: {tags}}}}}
""".encode()


def take_all(shop: Shop, *reports: bytes) -> tuple[Taken, ...]:
    shop.pass_time()
    return take(shop.by("reports"), [(f"report{number}", content) for number, content in enumerate(reports)])


def outcomes(shop: Shop, *reports: bytes) -> list[str]:
    return [taken.outcome for taken in take_all(shop, *reports)]


@pytest.fixture
def agents(live: Shop) -> Agents:
    """auth 2.0.0 is pinned in integration and assigned to int1, whose agent did not run in time."""
    agents = Agents(live)
    live.publish("auth", "2.0.0")
    with pytest.raises(TimedOut, match="has not applied this"):
        live.sync()
    return agents


def test_the_last_host_of_a_deploy_that_reports_ends_it_and_starts_the_tests(live: Shop, agents: Agents) -> None:
    with pytest.raises(UsageError, match="is not deployed in integration"):
        live.tested("auth", "2.0.0")
    assert live.story("auth", "2.0.0", "started") == []
    assert outcomes(live, agents.run("int1")) == ["installed"]
    environment = live.state.config.environment("integration")
    standing = live.state.effective(environment)
    assert standing is not None and standing.versions["auth"] == "2.0.0" and not live.state.unsure(environment, "int")
    assert [record.suite for record in live.story("auth", "2.0.0", "started")] == ["regression"]
    live.tested("auth", "2.0.0")
    (installed,) = live.chronicle("integration", "installed")
    assert isinstance(installed, HostsInstalled) and list(installed.runs) == ["int1"]
    assert any(
        "installed, by their own reports: int1" in entry.summary() for entry in history(live.state, "integration")
    )


def test_a_report_that_comes_again_writes_nothing_and_starts_nothing(live: Shop, agents: Agents) -> None:
    report = agents.run("int1")
    take_all(live, report)
    with live.unchanged():
        assert outcomes(live, report, report) == ["before", "before"]
        assert outcomes(live, agents.run("int1")) == ["installed"]
    assert len(live.story("auth", "2.0.0", "started")) == 1


def test_a_host_that_was_behind_reports_and_the_others_wait_for_it(live: Shop) -> None:
    agents = Agents(live)
    agents.fakes.kicked |= {"int1", "room1"}
    live.edited("sluicegate.yaml", LENIENT)
    live.to_integration(auth="2.0.0")
    live.pin_by_hand("training", auth="2.0.0", portal="1.0.0")
    plan = live.deploy("training")
    assert set(plan.behind) == {"room2"}
    with live.unchanged():
        assert outcomes(live, agents.run("room1")) == ["installed"], "the deploy itself has looked at it"
    assert outcomes(live, agents.run("room2")) == ["installed"]
    standing = live.state.effective(live.state.config.environment("training"))
    assert standing is not None and not standing.behind
    assert {record.suite for record in live.story("auth", "2.0.0", "started") if record.env == "training"} == {"smoke"}


def test_a_host_that_has_reported_and_does_not_answer_ends_nothing(live: Shop, agents: Agents) -> None:
    report = agents.run("int1")
    live.drivers.hosts["int1"].files.clear()
    assert outcomes(live, report) == ["installed"]
    environment = live.state.config.environment("integration")
    assert live.state.unsure(environment, "int") is not None
    assert live.story("auth", "2.0.0", "started") == []


def test_what_a_report_claims_counts_only_for_a_host_and_an_assignment_of_ours(live: Shop, agents: Agents) -> None:
    intent, _ = agents.fakes.assigned["int1"]
    forged = [
        agents.report("int2", intent),
        agents.report("int1", "0123456789abcdef"),
        agents.report("int1", ""),
        agents.report("room1", intent),
        b"--- !ruby/object:Puppet::Transaction::Report\nhost: int1.example.com\n",
        b"\x00\xff{",
        b"a: " * 100,
    ]
    with live.unchanged():
        later = live.now + timedelta(seconds=5)
        taken = take_all(live, *forged, agents.report("int1", "0123456789abcdef", at=later))
    assert [row.outcome for row in taken[:4]] == ["stranger", "stranger", "not yet", "stranger"]
    assert {row.outcome for row in taken[4:7]} == {"unreadable"}
    assert taken[7].why == "its catalog names an assignment that this ledger does not have"
    assert live.story("auth", "2.0.0", "started") == []


def test_a_report_for_an_earlier_assignment_is_not_yet_and_later_drift(live: Shop, agents: Agents) -> None:
    earlier = live.chronicle("integration", "intent")[0]
    live.pass_time()
    with live.unchanged():
        assert outcomes(live, agents.report("int1", earlier.id)) == ["not yet"]
    take_all(live, agents.run("int1"))
    live.pass_time()
    (old,) = take_all(live, agents.report("int1", earlier.id))
    assert (old.outcome, old.why) == (
        "differs", "its run used what an earlier deploy assigned; is an old environment served?",
    )  # fmt: skip
    (record,) = live.chronicle("integration", "differs")
    assert isinstance(record, HostsDiffer) and record.problems == {"int1": old.why}


def test_drift_is_written_when_it_comes_and_when_it_goes(live: Shop, agents: Agents) -> None:
    take_all(live, agents.run("int1"))
    intent, _ = agents.fakes.assigned["int1"]

    def reported(status: str) -> list[str]:
        live.pass_time(timedelta(minutes=30))
        return outcomes(live, agents.report("int1", intent, status=status))

    assert reported("failed") == ["differs"]
    with live.unchanged():
        assert reported("failed") == ["differs"]
    environment = live.state.config.environment("integration")
    last = live.state.last_deploy(environment, "int")
    assert last is not None
    assert last_words(live.state, environment, "int", last)["int1"].problem == "cannot reach the repository"
    assert reported("unchanged") == ["installed"]
    assert reported("failed") == ["differs"]
    assert len(live.chronicle("integration", "differs")) == 2
    assert len(live.chronicle("integration", "installed")) == 2


def test_of_several_reports_of_a_host_the_latest_run_counts(live: Shop, agents: Agents) -> None:
    well = agents.run("int1")
    live.pass_time()
    broken = agents.report("int1", agents.fakes.assigned["int1"][0], status="failed")
    assert outcomes(live, broken, well) == ["differs", "before"]
    assert live.story("auth", "2.0.0", "started") == []


def test_a_run_that_the_deploy_asked_for_is_the_deploys(live: Shop, agents: Agents) -> None:
    intent = agents.fakes.run(live.drivers.hosts["int1"])
    live.pass_time()
    with live.unchanged():
        assert outcomes(live, agents.report("int1", intent, job=f"{intent}.17")) == ["kicked"]
    assert outcomes(live, agents.report("int1", intent, job="the shop's own")) == ["installed"]


def test_while_a_deploy_is_under_way_reports_end_nothing(live: Shop, agents: Agents) -> None:
    live.begin("integration", "deploy", group="int", target={})
    intent, _ = agents.fakes.assigned["int1"]
    live.pass_time()
    take_all(live, agents.report("int1", intent))
    assert live.story("auth", "2.0.0", "deployed") == [] and live.story("auth", "2.0.0", "started") == []


def test_hosts_that_are_out_are_not_waited_for(live: Shop) -> None:
    agents = Agents(live)
    agents.fakes.kicked |= {"int1"}
    live.edited("sluicegate.yaml", LENIENT)
    live.to_integration(auth="2.0.0")
    live.pin_by_hand("training", auth="2.0.0", portal="1.0.0")
    with pytest.raises(TimedOut):
        live.deploy("training")
    report = agents.run("room1")
    assert outcomes(live, report) == ["installed"]
    training = live.state.config.environment("training")
    assert live.state.unsure(training, "rooms"), "room2 has said nothing yet"
    hosts.take_out(live.by("rita"), "room2", why="broken disk")
    assert outcomes(live, agents.run("room1")) == ["installed"]
    assert not live.state.unsure(training, "rooms")
    assert [record.suite for record in live.story("auth", "2.0.0", "started") if record.env == "training"] == ["smoke"]


def test_a_job_that_cannot_be_started_is_said_and_started_by_the_next_report(live: Shop, agents: Agents) -> None:
    live.edited("sluicegate.yaml", CONFIG.replace(b'command: ["true", "{component}"]', b'command: ["/nowhere"]', 1))
    with pytest.raises(PartlyDone, match=r"not started: regression of auth=2\.0\.0"):
        take_all(live, agents.run("int1"))
    live.edited("sluicegate.yaml", CONFIG)
    take_all(live, agents.run("int1"))
    started = live.story("auth", "2.0.0", "started")
    assert [type(record) for record in started] == [Started]


def test_hosts_that_are_only_waited_for_wait_side_by_side(live: Shop, agents: Agents) -> None:
    rooms = [f"room{number}" for number in range(1, 13)]
    live.drivers.hosts |= {name: FakeHost(name) for name in rooms}
    text = CONFIG.decode().replace(
        "  room2: {driver: fake}", "\n".join(f"  {name}: {{driver: fake}}" for name in rooms[1:])
    )
    text = text.replace("rooms: [room1, room2]", f"rooms: [{', '.join(rooms)}]")

    def at_once() -> int:
        return make_plan(live.state, live.state.config.environment("training"), {"auth": "2.0.0"}).at_once

    live.edited("sluicegate.yaml", text)
    assert at_once() == 10
    agents.fakes.waits = True
    assert at_once() == 12
    live.edited(
        "sluicegate.yaml", text.replace("hosts: rooms\n    deploy: {", "hosts: rooms\n    deploy: {at-once: 3, ")
    )
    assert at_once() == 3, "who says a number gets it"


def test_drift_tells_what_a_host_reported_of_itself(live: Shop, agents: Agents) -> None:
    take_all(live, agents.run("int1"))
    assert not drift(live.state, "integration").reported
    live.pass_time()
    take_all(live, agents.report("int1", agents.fakes.assigned["int1"][0], status="failed"))
    seen = drift(live.state, "integration")
    assert {host: word.problem for host, word in seen.reported.items()} == {"int1": "cannot reach the repository"}
    assert seen.differs == 1 and reality.reality(seen)["reported"][0]["why"] == "cannot reach the repository"


def test_status_tells_what_a_host_reported_of_itself_until_it_says_otherwise(live: Shop, agents: Agents) -> None:
    def reported() -> dict[str, str]:
        column = next(column for column in remembered_status(live.state).columns if column.name == "integration")
        assert remembered_status(live.state) == status(live.state), "remembered as it was read"
        return {host: word.problem for host, word in column.reported.items()}

    take_all(live, agents.run("int1"))
    assert reported() == {}
    live.pass_time()
    take_all(live, agents.report("int1", agents.fakes.assigned["int1"][0], status="failed"))
    assert reported() == {"int1": "cannot reach the repository"}
    live.publish("portal", "3.0.0")
    assert reported() == {"int1": "cannot reach the repository"}
    take_all(live, agents.run("int1"))
    assert reported() == {}


def test_flow_counts_a_version_as_installed_when_the_last_host_s_own_run_began(live: Shop, agents: Agents) -> None:
    assert flow(live.state, "auth", "2.0.0").installed is None
    report = agents.run("int1", after=600)
    live.pass_time(timedelta(minutes=5))  # until somebody looks at the folder of reports
    take_all(live, report)
    live.pass_time(timedelta(minutes=2))
    live.tested("auth", "2.0.0")
    seen = flow(live.state, "auth", "2.0.0")
    assert seen.installed is not None and seen.installed.total_seconds() == pytest.approx(601, abs=2)
    _, deploy, tests = seen.stages
    seconds = [span and span.total_seconds() for span in (deploy.worked, tests.waited, tests.worked)]
    assert seconds == [pytest.approx(600, abs=1), pytest.approx(301, abs=1), pytest.approx(120, abs=1)]
    live.pass_time(timedelta(hours=1))
    take_all(live, agents.report("int1", agents.fakes.assigned["int1"][0], status="failed"))
    live.pass_time(timedelta(hours=1))
    take_all(live, agents.run("int1"))
    assert flow(live.state, "auth", "2.0.0") == seen, "drift that came and went is another story"


def test_flow_waits_for_the_host_that_a_deploy_left_behind(live: Shop) -> None:
    agents = Agents(live)
    agents.fakes.kicked |= {"room1"}
    wide = b"  integration:\n    follow: latest\n    hosts: rooms\n    deploy: {driver: fake, max-failed: 1}\n"
    narrow = b"  integration:\n    follow: latest\n    hosts: int\n    deploy: {driver: fake}\n"
    live.edited("sluicegate.yaml", CONFIG.replace(narrow, wide))
    live.publish("auth", "2.0.0")
    live.sync()
    assert live.story("auth", "2.0.0", "deployed") and flow(live.state, "auth", "2.0.0").installed is None
    take_all(live, agents.run("room2", after=900))
    seen = flow(live.state, "auth", "2.0.0").installed
    assert seen is not None and seen.total_seconds() == pytest.approx(901, abs=2)


def test_flow_believes_no_clock_of_a_host_that_cannot_be_right(live: Shop, agents: Agents) -> None:
    agents.run("int1", after=600)
    ahead = agents.report("int1", agents.fakes.assigned["int1"][0], at=live.now + timedelta(days=1))
    take_all(live, ahead)
    seen = flow(live.state, "auth", "2.0.0").installed
    assert seen is not None and seen.total_seconds() == pytest.approx(602, abs=2), "when its report was taken"


def test_of_a_folder_of_reports_the_newest_of_each_host_is_read(tmp_path: Path) -> None:
    for name, at in (("a/202611261000.yaml", 10), ("a/202611260900.yaml", 20), ("b/202611260800.json", 5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (at, at))
    (tmp_path / "c").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("not a report")
    newest = [str(tmp_path / "a" / "202611260900.yaml"), str(tmp_path / "b" / "202611260800.json")]
    assert [name for name, _ in read([tmp_path])] == newest
    assert list(read([tmp_path / "a" / "notes.txt"])) == [(str(tmp_path / "a" / "notes.txt"), b"not a report")]
    with pytest.raises(UnknownName, match="no report and no folder"):
        list(read([tmp_path / "nowhere"]))


def test_a_report_that_is_too_large_is_refused_without_being_read(live: Shop, agents: Agents, tmp_path: Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as stream:
        stream.truncate(3 << 30)
    live.pass_time()
    with live.unchanged():
        (refused,) = take(live.by("reports"), read([tmp_path / "huge.yaml"]))
    assert refused.outcome == "unreadable" and "is refused" in refused.why


def test_reports_of_a_database_count_as_those_that_are_sent(live: Shop, agents: Agents) -> None:
    with pytest.raises(UsageError, match="no environment names a PuppetDB"):
        list(kept(live.state))
    agents.fakes.kept = [read_report(agents.run("int1"))]
    live.pass_time()
    first, *again = take(live.by("reports"), kept(live.state))
    assert (first.host, first.outcome) == ("int1", "installed")
    assert {row.outcome for row in again} == {"before"}, "this fake has all for each environment"
    assert [record.suite for record in live.story("auth", "2.0.0", "started")] == ["regression"]
