"""The deployer `puppet` and the many ways in which a run does not do what was asked, each told in its own words."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from sluicegate.deployers.packages.manager import PackageManager
from sluicegate.deployers.proof import mark, marked
from sluicegate.deployers.puppet import PuppetDeployer, agent
from sluicegate.deployers.puppet.assigned import Assignment
from sluicegate.errors import ConfigError, IntegrityError, Malformed, RemoteUnavailable
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.settings import Plain
from sluicegate.ports import Host
from sluicegate.tools import door, meter, process
from sluicegate.tools.parallel import each
from sluicegate.tools.reports.puppet import FailedResource, PuppetReport
from tests.parts import CONFIG, no_host, settings

AGENT = """\
#!/usr/bin/python3
# What stands for the agent: it writes down how it was called, and does what the file `plan` beside it says.
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
if words[:2] == ["config", "print"]:
    print(here / "last_run_report.yaml")
    with (here / "asked").open("a") as asked:
        asked.write(" ".join(words) + "\\n")
    sys.exit(0)
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
plan = json.loads((here / "plan").read_text())
plan = plan.pop(0) if isinstance(plan, list) else plan
told = json.loads((here / "plan").read_text())
if isinstance(told, list):
    (here / "plan").write_text(json.dumps(told[1:]))
if plan.get("report") is not None:
    job = words[words.index("--job-id") + 1]
    report = {"host": "app1", "status": "changed", "job_id": job, "transaction_completed": True,
              "cached_catalog_status": "not_used", "environment": "production"}
    report.update(plan["report"])
    tags = ["sluicegate-" + plan.get("intent", job.partition(".")[0])]
    report.setdefault("resource_statuses", {"File[/etc/sluicegate.assigned]": {"tags": tags}})
    (here / "last_run_report.yaml").write_text(json.dumps(report))
    for name, version in plan.get("installs", {}).items():
        (here / name).mkdir(exist_ok=True)
        (here / name / "current").unlink(missing_ok=True)
        (here / name / "current").symlink_to("releases/" + version)
print(plan.get("says", ""))
sys.exit(plan.get("status", 0))
"""


@dataclass(kw_only=True)
class Bench:
    """A host with an agent that does as it is told."""

    folder: Path
    host: LocalHost

    def deployer(self, **values: Plain) -> PuppetDeployer:
        entries: dict[str, Plain] = {
            "assigned": {"folder": str(self.folder / "assigned")}, "program": str(self.folder / "puppet"),
            "root": "false", "archives": {name: str(self.folder / name) for name in ("auth", "portal")},
            "environment": "production", **values,
        }  # fmt: skip
        return PuppetDeployer.configure("training", settings(**entries), CONFIG, no_host)

    def plans(self, *plans: dict[str, object]) -> None:
        (self.folder / "plan").write_text(json.dumps(list(plans) if len(plans) > 1 else plans[0]))

    def remove(self, **values: Plain) -> Outcome:
        """The smallest of all changes: it needs no files."""
        return self.deployer(**values).apply(self.host, {"auth": None}, "5c1f")["auth"]

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for name in ("assigned", "host"):
        (tmp_path / name).mkdir()
    (tmp_path / "puppet").write_text(AGENT)
    (tmp_path / "puppet").chmod(0o755)
    puppet_bench = Bench(folder=tmp_path, host=LocalHost(name="app1", folder=tmp_path / "host", ports={}))
    puppet_bench.plans({"report": {}})
    return puppet_bench


def test_the_agent_is_called_so_that_it_shows_no_secrets_and_waits_for_nobody(bench: Bench) -> None:
    assert bench.remove() == DONE
    (words,) = bench.calls
    assert "--test" not in words and "--verbose" not in words
    for flag in ("--onetime", "--no-daemonize", "--no-usecacheonfailure", "--no-splay", "--detailed-exitcodes"):
        assert flag in words
    assert words[words.index("--job-id") + 1].startswith("5c1f.")
    assert words[words.index("--maxwaitforlock") + 1] == "300"
    assert words[words.index("--environment") + 1] == "production"


def test_what_is_assigned_is_written_before_the_agent_is_kicked_and_says_its_intent(bench: Bench) -> None:
    bench.remove()
    content = (bench.folder / "assigned/app1.yaml").read_bytes()
    assert content.startswith(b"# Written by sluicegate under an open intent")
    assignment = Assignment.read(content)
    assert (assignment.intent, assignment.versions) == ("5c1f", {})
    assert assignment.components == {"auth": {"version": "absent", "archive": {"folder": str(bench.folder / "auth")}}}


FAILURES: list[tuple[dict[str, object], str, str]] = [
    ({"report": {"status": "failed", "transaction_completed": False, "resource_statuses": {}, "logs": [
        {"level": "err", "message": "Could not retrieve catalog from remote server: Error 500: no class 'auth'"}]}},
     "failed", "Puppet could not apply a catalog: Could not retrieve catalog from remote server: Error 500: no class"),
    ({"report": {"status": "failed", "transaction_completed": False, "resource_statuses": {}, "logs": [
        {"level": "err", "message": "Connection to https://puppet:8140/puppet/v3 failed, trying next route: Request to "
         "https://puppet:8140/puppet/v3/file_metadatas timed out connect operation after 120 seconds"},
        {"level": "err", "message": "No more routes to fileserver"}]}},
     "unreachable", "its puppetserver does not answer: Connection to https://puppet:8140/puppet/v3 failed"),
    ({"report": {"cached_catalog_status": "on_failure"}}, "failed", "Puppet used an old catalog (on_failure)"),
    ({"report": {"cached_catalog_status": "explicitly_requested"}}, "failed", "Puppet used an old catalog"),
    ({"report": {"environment": "testing", "initial_environment": "production"}}, "failed",
     "Puppet ran in the environment 'testing', expected 'production'"),
    ({"report": {"noop": True}}, "failed", "'noop' is set there"),
    ({"report": {"transaction_completed": False}}, "failed", "did not get to the end of its catalog"),
    ({"report": {}, "intent": "another"}, "failed", "was made of an older assignment"),
    ({"report": {"resource_statuses": {}}}, "failed", "has nothing of the class sluicegate"),
    ({"report": {"job_id": "5c1f.12"}, "status": 2}, "failed", "Puppet left no report of this run (status 2)"),
    ({"report": None, "status": 1, "says": "Notice: Skipping run of Puppet configuration client; administratively "
      "disabled (Reason: 'olle moves the database');\\nUse 'puppet agent --enable' to re-enable."},
     "failed", "Puppet is disabled there: olle moves the database"),
    ({"report": None, "status": 1, "says": "Notice: Run of Puppet configuration client already in progress; skipping"},
     "unreachable", "another run of Puppet holds the lock"),
    ({"report": None, "status": 1, "says": "Error: Connection to https://puppet:8140/puppet-ca/v1 failed, trying next "
      "route: Failed to open TCP connection to puppet:8140"}, "unreachable", "its puppetserver does not answer: Conn"),
    ({"report": None, "status": 1, "says": "Couldn't fetch certificate from CA server; you might still need to sign "
      "this agent's certificate (app1). Exiting now because the waitforcert setting is set to 0."},
     "failed", "the puppetserver does not know its certificate"),
    ({"report": None, "status": 1, "says": "/usr/lib/ruby/puppet/environments.rb:40:in `get!': Could not find a "
      "directory environment named 'x' anywhere in the path: /etc (Puppet::Environments::EnvironmentNotFound)"},
     "failed", "(status 1): Could not find a directory environment named 'x' anywhere in the path: /etc"),
    ({"report": {"status": "failed", "resource_statuses": {"Package[auth]": {
        "resource": "Package[auth]", "failed": True, "tags": ["sluicegate-5c1f"],
        "events": [{"status": "failure", "message": "E: Version '9' was not found"}]}}}},
     "failed", "Puppet failed at Package[auth]: E: Version '9' was not found"),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "ending", "message"), FAILURES)
def test_each_way_in_which_a_run_did_not_do_it_is_told(
    bench: Bench, plan: dict[str, object], ending: str, message: str
) -> None:
    bench.plans(plan)
    outcome = bench.remove()
    assert outcome.ending == ending
    assert message in outcome.why, outcome.why
    assert outcome.problem is not None and outcome.problem.hint


def test_a_report_of_the_run_before_does_not_count(bench: Bench) -> None:
    bench.remove()
    bench.plans({"report": None, "status": 1, "says": "Error: it broke"})
    assert "left no report of this run (status 1): it broke" in bench.remove().why


@pytest.mark.parametrize(("megabytes", "message"), [(50, ""), (65, "a report of Puppet of 64 MB is refused")])
def test_a_report_of_50_mb_is_read_and_a_larger_one_refused(bench: Bench, megabytes: int, message: str) -> None:
    logs = [{"level": "notice", "message": "x" * (1 << 20)} for _ in range(megabytes)]
    bench.plans({"report": {"logs": logs}})
    outcome = bench.remove()
    assert (outcome == DONE) == (not message) and message in outcome.why, outcome.why[:500]


def test_the_status_of_the_agent_alone_says_nothing(bench: Bench) -> None:
    bench.plans({"report": {"status": "changed"}, "status": 6})
    assert bench.remove() == DONE


def test_data_that_is_still_on_its_way_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(agent, "sleep", waited.append)
    bench.plans({"report": {}, "intent": "older"}, {"report": {"resource_statuses": {}}}, {"report": {}})
    assert bench.remove(spread="5 min") == DONE
    assert (len(waited), len(bench.calls)) == (2, 3)
    assert (bench.folder / "asked").read_text() == "config print lastrunreport --section agent\n", "once is enough"


def test_what_puppet_says_is_not_believed_where_the_host_says_otherwise(bench: Bench) -> None:
    bench.plans({"report": {}, "installs": {"auth": "1.0"}})
    assert "the host 'app1' has auth 1.0 after the change, expected -" in bench.remove().why


def test_an_agent_that_runs_by_itself_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reports an older assignment twice, then this one; nobody kicks it."""
    waits: list[str] = []
    runs = iter([None, "older", "5c1f"])
    monkeypatch.setattr(meter, "listener", waits.append)
    monkeypatch.setattr(agent, "TELL", 0.0)

    def pass_time(seconds: float) -> None:
        if intent := next(runs):
            report = {"host": "app1", "status": "changed", "transaction_completed": True, "environment": "production",
                      "time": "2026-11-26T06:10:52.45Z", "logs": [{"tags": [f"sluicegate-{intent}"]}]}  # fmt: skip
            (bench.folder / "last_run_report.yaml").write_text(json.dumps(report))

    monkeypatch.setattr(agent, "sleep", pass_time)
    assert bench.remove(kick="none") == DONE
    assert "it has not run yet" in waits[0] and "its last run was at 2026-11-26T06:10:52Z" in waits[-1]
    assert not (bench.folder / "calls").exists()


def test_waiting_for_an_agent_has_an_end(bench: Bench) -> None:
    outcome = bench.remove(kick="none", limit="0 s")
    assert outcome.ending == "timed out"
    assert "its agent has not applied this within 0:00:00: it has not run yet" in outcome.why


def test_a_host_that_is_down_gets_nothing_assigned(bench: Bench) -> None:
    (bench.folder / "host").rename(bench.folder / "unplugged")
    assert bench.remove().ending == "unreachable"
    assert list((bench.folder / "assigned").iterdir()) == []


def test_a_puppetserver_that_is_down_is_told_while_planning(bench: Bench) -> None:
    server = LocalHost(name="puppet1", folder=bench.folder / "nowhere", ports={})
    driver_settings = settings(assigned={"host": "int1", "folder": "/srv/data"}, program=str(bench.folder / "puppet"))
    deployer = PuppetDeployer.configure("training", driver_settings, CONFIG, lambda name: server)
    with pytest.raises(RemoteUnavailable, match="the host 'puppet1' is down"):
        deployer.refusals(bench.host, {"auth": None})
    with pytest.raises(RemoteUnavailable, match="the host 'puppet1' is down"):
        deployer.survey(bench.host)


def test_a_folder_that_is_missing_is_told_with_how_to_make_it(bench: Bench) -> None:
    (bench.folder / "assigned").rmdir()
    outcome = bench.remove()
    assert "assigned/app1.yaml" in outcome.why
    assert outcome.problem is not None and "install -d -o USER" in outcome.problem.hint


def test_what_is_installed_counts_only_where_it_is_assigned(bench: Bench) -> None:
    bench.plans({"report": {}, "installs": {"auth": "1.0"}})
    bench.remove()
    survey = bench.deployer().survey(bench.host)
    assert survey == {}  # marked: it has not proved itself
    (bench.host.folder / "unproven/auth").unlink()
    there = bench.deployer().survey(bench.host)["auth"]
    assert there.version == "1.0" and there.manifest == "assigned: nothing"
    assert not there.is_version("1.0", "0" * 64)


def test_what_is_assigned_and_was_taken_away_by_hand_is_no_version_and_has_to_be_taken_back(bench: Bench) -> None:
    entry = {"auth": {"version": "1.0", "archive": {"folder": "/srv/auth"}}}
    (bench.folder / "assigned/app1.yaml").write_bytes(Assignment(intent="a1", components=entry).content())
    there = bench.deployer().survey(bench.host)["auth"]
    assert (there.version, there.manifest) == ("", "assigned: 1.0")


def test_readers_see_the_whole_old_file_or_the_whole_new_one(bench: Bench) -> None:
    place, seen, ended = bench.deployer().place, set[str](), threading.Event()
    path = bench.folder / "assigned/app1.yaml"
    many = {f"c{n}": {"version": "1" * 200} for n in range(200)}
    place.assign(bench.host, "app1", Assignment(intent="a0", components=many))

    def read() -> None:
        while not ended.is_set():
            seen.add(Assignment.read(path.read_bytes()).intent)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 30):
        place.assign(bench.host, "app1", Assignment(intent=f"a{number}", components=many))
    ended.set()
    reader.join()
    assert seen <= {f"a{number}" for number in range(30)} and len(seen) > 1
    assert [path_there.name for path_there in path.parent.iterdir()] == ["app1.yaml"]


@pytest.mark.parametrize(
    "content", [b"", b"- a\n", b"sluicegate::assigned: {intent: a}\n", b"sluicegate::assigned: [1]\n", b"\xff\xfe\x00",
                b"a: b: c", b"sluicegate::assigned: {intent: a, components: {auth: 1.0}}", b"[" * 5000],
)  # fmt: skip
def test_a_file_that_somebody_edited_is_an_integrity_error(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="somebody has edited it"):
        Assignment.read(content)


def test_nothing_is_assigned_that_hiera_would_fill_in() -> None:
    wrong = Assignment(intent="a1", components={"auth": {"version": "1.0%{facts.secret}"}})
    with pytest.raises(Malformed, match="Hiera would take for its own"):
        wrong.content()


@pytest.mark.parametrize(
    ("name", "values", "certname"),
    [
        ("app1", {}, "app1"),
        ("APP1.Example.com", {}, "app1.example.com"),
        ("app1", {"certname": "{host}.example.com"}, "app1.example.com"),
        ("app1", {"certnames": {"app1": "7f3a.cloud"}}, "7f3a.cloud"),
    ],
)
def test_a_host_is_called_as_puppet_calls_it(bench: Bench, name: str, values: dict[str, Plain], certname: str) -> None:
    bench.deployer(**values).apply(LocalHost(name=name, folder=bench.host.folder, ports={}), {"auth": None}, "5c1f")
    assert [path_there.name for path_there in (bench.folder / "assigned").iterdir()] == [f"{certname}.yaml"]


def test_two_hosts_that_puppet_takes_for_one_are_refused(bench: Bench) -> None:
    deployer = bench.deployer(certnames={"int1": "app1"})
    assert deployer.refusals(bench.host, {"auth": None}) == (
        "app1 and int1 have one certname, app1; say it in 'certnames'",
    )


@dataclass(frozen=True)
class Offers:
    """A package manager whose list has one version."""

    source: str = "ours"

    def offered(self, host: Host, packages: Collection[str]) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(packages, ("1.0",))


def test_a_version_that_is_not_in_the_list_is_refused_before_anything_is_assigned(bench: Bench) -> None:
    manager = cast(PackageManager, Offers())
    deployer = replace(bench.deployer(), manager=manager, packages={"auth": ("auth-server", "auth-common")})
    wanted = {"auth": Release(component="auth", version="2.0", manifest="0" * 64)}
    assert deployer.refusals(bench.host, wanted)[0] == "app1: auth-server 2.0 is not in ours (there: 1.0)"
    assert deployer.refusals(bench.host, {"auth": None}) == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"list": "ours.list"}, "expected a file such as"),
        ({"assigned": {"folder": "data"}}, "'folder' of 'assigned' is 'data', expected an absolute path"),
        ({"assigned": {"host": "puppet9", "folder": "/srv"}}, "no host is called 'puppet9'"),
        ({"kick": "push"}, "'kick' is 'push', expected one of: agent, apply, none"),
        ({"kick": "apply"}, "'manifest' is the site.pp of 'kick: apply'"),
        ({"manifest": "/site.pp"}, "'manifest' is the site.pp of 'kick: apply'"),
        ({"certname": "{hostname}.example.com"}, "'certname' is"),
        ({"certnames": {"app1": "App1"}}, "the certname 'App1' is none of Puppet's"),
        ({"archives": {"other": "/srv/other"}}, "no component is called 'other'"),
        ({"archives": {"auth": "srv"}}, "the folder of an archive is 'srv'"),
        ({"options": ("site.pp",)}, "'options' begins with 'site.pp'"),
        ({"pins": "environments"}, "unknown key 'pins'"),
    ],
)
def test_wrong_settings_name_their_place(bench: Bench, wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        bench.deployer(**wrong)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seconds: float) -> None:
        if seconds:
            raise AssertionError(f"nothing waits for {seconds} s")

    waits: Callable[[float], None] = refuse
    monkeypatch.setattr(agent, "sleep", waits)


def test_a_release_without_an_archive_is_told(bench: Bench) -> None:
    release = Release(component="auth", version="1.0", manifest="0" * 64)
    outcome = bench.deployer().apply(bench.host, {"auth": release}, "5c1f")["auth"]
    assert "auth 1.0 has no archive" in outcome.why
    assert list((bench.folder / "assigned").iterdir()) == []


def test_what_a_run_that_nobody_kicked_lacks_is_said(bench: Bench) -> None:
    deployer = bench.deployer(certname="{host}.example.com", certnames={"app3": "three.example.com"})
    assert [deployer.reported_name(host) for host in ("App1", "app3")] == ["app1.example.com", "three.example.com"]
    well = PuppetReport(
        host="app1.example.com", status="unchanged", environment="production", transaction_completed=True,
        cached_catalog_status="not_used", intents=("5c1f",),
    )  # fmt: skip
    assert deployer.objection("app1", well) == ""
    assert deployer.objection("app1", replace(well, intents=())) == "", "of what it was made is asked elsewhere"
    for odd, objection in (
        (replace(well, cached_catalog_status="on_failure"), "Puppet used an old catalog"),
        (replace(well, noop=True), "Puppet only said what it would do"),
        (replace(well, environment="testing"), "Puppet ran in the environment 'testing'"),
        (replace(well, status="failed", failed=(FailedResource(name="Package[auth]", component="auth"),)),
         "Puppet failed at Package[auth]"),
        (replace(well, transaction_completed=False), "Puppet did not get to the end"),
        (replace(well, transaction_completed=False, status="failed", errors=("no catalog",)), "no catalog"),
    ):  # fmt: skip
        assert objection in deployer.objection("app1", odd)


def test_a_host_is_proven_by_what_it_has_and_nothing_is_installed(bench: Bench) -> None:
    deployer = bench.deployer()
    (bench.folder / "auth").mkdir()
    (bench.folder / "auth" / "current").symlink_to("releases/1.0")
    release = Release(component="auth", version="1.0", manifest="0" * 64)
    mark(bench.host, ["auth"])
    assert deployer.prove(bench.host, {"auth": release}) == {"auth": DONE}
    assert marked(bench.host) == ()
    assert deployer.prove(bench.host, {"auth": replace(release, version="1.1")})["auth"].ending == "failed"
    assert not (bench.folder / "calls").exists()


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """A control repository, with what others have on its branch."""
    bare = tmp_path / "control.git"
    process.run(["git", "init", "-q", "--bare", "--initial-branch=production", bare])
    _pushed(bare, tmp_path / "first", "Puppetfile", "mod 'apt'\n")
    return bare


def _pushed(bare: Path, clone: Path, name: str, content: str) -> None:
    process.run(["git", "clone", "-q", bare, clone])
    (clone / name).write_text(content)
    process.run(["git", "add", "-A"], cwd=clone)
    process.run(["git", "-c", "user.name=o", "-c", "user.email=o@example.com", "commit", "-qm", name], cwd=clone)
    process.run(["git", "push", "-q", "origin", "HEAD:production"], cwd=clone)


def _shown(bare: Path, path: str) -> bytes:
    return process.run(["git", "-C", bare, "show", f"production:{path}"]).stdout


def test_a_branch_of_the_control_repository_takes_what_is_assigned(bench: Bench, control: Path) -> None:
    place: dict[str, Plain] = {"git": str(control), "branch": "production", "folder": "data/sluicegate"}
    assert bench.remove(assigned=place) == DONE
    assert Assignment.read(_shown(control, "data/sluicegate/app1.yaml")).intent == "5c1f"
    assert _shown(control, "Puppetfile") == b"mod 'apt'\n"
    commit_message = process.run(["git", "-C", control, "log", "-1", "--format=%B", "production"]).text
    assert commit_message.strip() == "sluicegate assigns: app1\n\nIntent: 5c1f"
    assert bench.remove(assigned=place) == DONE  # the same again is no commit
    assert process.run(["git", "-C", control, "rev-list", "--count", "production"]).text.strip() == "2"


def test_somebody_who_pushes_meanwhile_is_no_conflict_and_nothing_of_his_is_lost(
    bench: Bench, control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bench.deployer(assigned={"git": f"file://{control}", "branch": "production", "folder": "data"}).place
    others = iter(range(3))

    def push_first(call: str) -> None:
        if call.startswith("git push") and (number := next(others, None)) is not None:
            door.watcher = None
            _pushed(control, bench.folder / f"clone{number}", f"theirs{number}", "theirs\n")
            door.watcher = push_first

    monkeypatch.setattr(door, "watcher", push_first)
    place.assign(bench.host, "app1", Assignment(intent="a1", components={}))
    door.watcher = None
    assert [_shown(control, f"theirs{number}") for number in range(3)] == [b"theirs\n"] * 3
    stood = place.assigned(bench.host, "app1")
    assert stood is not None and stood.intent == "a1"


def test_hosts_that_begin_together_share_their_pushes(bench: Bench, control: Path) -> None:
    place = bench.deployer(assigned={"git": str(control), "branch": "production", "folder": "data"}).place
    names = [f"app{number}" for number in range(12)]
    each(names, lambda name: place.assign(bench.host, name, Assignment(intent="a1")), 12)
    commits = int(process.run(["git", "-C", control, "rev-list", "--count", "production"]).text)
    assert commits < 1 + len(names)
    assert {name: _shown(control, f"data/{name}.yaml")[:9] for name in names} == dict.fromkeys(names, b"# Written")


def test_hosts_that_are_asked_together_share_their_fetches_and_one_that_is_asked_later_gets_the_latest(
    bench: Bench, control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bench.deployer(assigned={"git": f"file://{control}", "branch": "production", "folder": "data"}).place
    names = [f"app{number}" for number in range(12)]
    each(names, lambda name: place.assign(bench.host, name, Assignment(intent="a1")), 12)
    calls: list[str] = []
    monkeypatch.setattr(door, "watcher", calls.append)
    stood = each(names, lambda name: place.assigned(bench.host, name), 12).done
    assert all(assignment is not None and assignment.intent == "a1" for assignment in stood.values())
    assert 1 <= sum(call == "git fetch" for call in calls) < len(names)
    _pushed(control, bench.folder / "theirs", "data/app1.yaml", Assignment(intent="a2").content().decode())
    now = place.assigned(bench.host, "app1")
    assert now is not None and now.intent == "a2"


def test_a_branch_that_is_not_there_is_told(bench: Bench, control: Path) -> None:
    outcome = bench.remove(assigned={"git": str(control), "branch": "live", "folder": "data"})
    assert "has no branch 'live'" in outcome.why


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"git": "/x.git", "folder": "data"}, "the key 'branch' is missing"),
        ({"git": "/x.git", "branch": "-x", "folder": "data"}, "is no name of a branch"),
        ({"git": "/x.git", "branch": "live", "folder": "../data"}, "expected one of the repository"),
        ({"git": "/x.git", "branch": "live", "folder": "data", "host": "int1"}, "both 'host' and 'git'"),
        ({"branch": "live", "folder": "/srv/data"}, "belongs to 'git'"),
    ],
)
def test_a_wrong_control_repository_is_told(bench: Bench, wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bench.deployer(assigned=wrong)
