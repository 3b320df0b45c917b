"""The deployer `puppet` against a real puppetserver with two agents, as an ordinary user."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from sluicegate.deployers.puppet import agent
from sluicegate.deployers.puppet.assigned import Assignment
from sluicegate.model.outcomes import DONE
from sluicegate.tools import meter, process
from sluicegate.tools.parallel import each
from tests.parts import free_port, write
from tests.real.puppetsite import HOSTS, OPTIONS, Delivery, Site, site_running
from tests.web.conftest import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]
ENVIRONMENTS = ("integration", "training")
APART = """\
groups: {{first: [app1], second: [app2]}}
environments:
  integration: {{hosts: first, deploy: {{archives: {{auth: {root}/app1/srv/auth}}, {deploy}}}}}
  training: {{hosts: second, deploy: {{archives: {{auth: {root}/app2/srv/auth}}, {deploy}}}}}
"""
TOGETHER = """\
groups: {{both: [app1, app2]}}
environments:
  integration: {{hosts: both, deploy: {{archives: {{auth: {root}/shared/auth}}, {deploy}}}}}
"""
"""The hosts share the folder of their archives, as servers with one file system do."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_running(tmp_path_factory.mktemp("puppetserver")) as site:
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    shared.settled()
    return shared


def test_both_agents_are_kicked_and_install_what_is_assigned_up_and_down(site: Site) -> None:
    for intent, version in (("a1", "1.10"), ("a2", "1.9")):
        assert site.deploy(version, intent) == dict.fromkeys(HOSTS, DONE)
        assert site.installed() == dict.fromkeys(HOSTS, version)
    for report in map(site.report, HOSTS):
        assert report.job_id.startswith("a2.") and report.intents == ("a2",)
        assert report.environment == "production" and not report.cached


def test_the_report_of_a_run_that_nobody_kicked_is_not_taken_for_the_one_that_was(site: Site) -> None:
    assert site.deploy("1.0", "a1") == dict.fromkeys(HOSTS, DONE)
    assert site.agent("app1").status == 0
    assert site.report("app1").intents == ("a1",) and not site.report("app1").job_id
    process.run(["puppet", "agent", "--disable", "OPS-7 moves its disks", *OPTIONS], cwd=site.hosts["app1"].folder)
    again = site.deploy("1.0", "a1")
    assert again["app1"].why == "app1: Puppet is disabled there: OPS-7 moves its disks"
    assert again["app2"] == DONE, "and nobody takes the one host's report for the other's"


def test_a_catalog_that_does_not_compile_is_told_and_one_that_is_kept_is_refused(site: Site) -> None:
    assert site.deploy("1.0", "a1") == dict.fromkeys(HOSTS, DONE)
    site.control.site.write_text(
        "include sluicegate\nnode 'app1.example.com' { include not_there }\nnode default { }\n"
    )
    site.configure("app2", "use_cached_catalog = true")
    ended = site.deploy("2.0", "a2")
    assert ended["app1"].ending == "failed" and "Could not find class ::not_there" in ended["app1"].why, ended
    assert site.report("app2").status == "unchanged", "Puppet itself thinks that all is well"
    assert "app2: Puppet used an old catalog (explicitly_requested)" in ended["app2"].why, ended
    assert site.releases("app1") == site.releases("app2") == {"1.0"}


def test_a_server_that_is_down_or_hangs_is_told_and_changes_nothing(site: Site) -> None:
    down = site.deploy("1.0", "a1", options=(*OPTIONS, "--serverport", str(free_port())))
    site.server.freeze()
    try:
        hangs = site.deploy("1.0", "a2", options=(*OPTIONS, "--http_connect_timeout", "3", "--http_read_timeout", "3"))
    finally:
        site.server.thaw()
    for name in HOSTS:
        assert down[name].ending == "unreachable" and "its puppetserver does not answer" in down[name].why, down
        assert hangs[name].ending == "unreachable" and "its puppetserver does not answer" in hangs[name].why, hangs
        assert site.releases(name) == set()


def test_a_host_that_the_server_has_in_an_older_environment_or_in_none_is_told(site: Site) -> None:
    older = site.control.folder / "environments/older"
    shutil.copytree(site.control.code, older, dirs_exist_ok=True)
    site.classify("app1", "environment: older\n")
    site.classify("app2", "")
    ended = site.deploy("1.0", "a1")
    assert ended["app1"].why == "app1: Puppet ran in the environment 'older', expected 'production'"
    assert ended["app2"].ending == "failed" and "app2: Puppet could not apply a catalog" in ended["app2"].why, ended
    assert "Failed to find app2.example.com via exec" in ended["app2"].why, ended


def test_a_server_that_reads_older_data_is_told_and_asked_again_while_it_may_be_late(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a second compiler does, to which what is assigned is copied now and then."""
    copy = site.folder / "copy"

    def bring(_: str) -> None:
        shutil.copytree(site.control.data, copy, dirs_exist_ok=True)

    for name in HOSTS:
        older = Assignment(intent="a0").content().decode()
        write(copy / "sluicegate", {f"{name}.example.com.yaml": older})
    site.read_data(copy)
    for name, late in site.deploy("1.0", "a1").items():
        assert f"{name}: the catalog (version " in late.why and "was made of an older assignment" in late.why, late
        assert site.releases(name) == set()
    monkeypatch.setattr(agent, "AGAIN", 0.1)
    monkeypatch.setattr(meter, "listener", bring)
    assert site.change("app1", site.release("1.0"), "a2", spread="10 min") == DONE
    assert site.installed() == {"app1": "1.0"}


def test_a_server_that_compiles_slowly_is_waited_for_up_to_the_limit(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It compiles one catalog at a time, so the second host waits in its queue."""
    site.control.site.write_text("$slow = generate('/bin/sleep', '4')\ninclude sluicegate\n")
    assert site.deploy("1.0", "a1") == dict.fromkeys(HOSTS, DONE)
    late = site.change("app1", site.release("2.0"), "a2", **{"limit": "1 s", "lock-wait": "1 s"})
    assert late.ending == "timed out" and "did not end within 2 seconds" in late.why, late
    waits = site.change("app1", site.release("2.0"), "a3", kick="none", limit="1 s")
    assert waits.ending == "timed out" and "its agent has not applied this within 0:00:01" in waits.why, waits
    assert [site.releases(name) for name in HOSTS] == [{"1.0"}] * 2
    told: list[str] = []
    monkeypatch.setattr(meter, "listener", told.append)
    monkeypatch.setattr(agent, "TELL", 0.0)
    monkeypatch.setattr(agent, "LOOK", 0.2)
    with ThreadPoolExecutor() as aside:
        done = aside.submit(site.change, "app1", site.release("2.0"), "a4", kick="none", limit="10 min")
        until(lambda: bool(told), 600)
        assert site.agent("app1").status == 2
        assert done.result() == DONE
    assert "app1: waits for its agent" in told[0] and "its last run was at" in told[0], told


def test_one_deploy_has_the_agents_of_two_hosts_run_and_the_one_that_did_not_is_made_up_for(site: Site) -> None:
    (site.folder / "shared").mkdir()
    delivery = Delivery.made(site, "together", TOGETHER, "1.0", "2.0")
    delivery.call("pin", "auth=1.0", "--in", "integration")
    delivery.call("deploy", "integration")
    intents = {site.report(name).job_id.partition(".")[0] for name in HOSTS}
    assert len(intents) == 1 and {site.report(name).intents for name in HOSTS} == {(*intents,)}
    process.run(["puppet", "agent", "--disable", "OPS-7", *OPTIONS], cwd=site.hosts["app2"].folder)
    delivery.call("pin", "auth=2.0", "--in", "integration")
    partly = delivery.call("deploy", "integration", check=False)
    assert partly.status == 7 and "app2: Puppet is disabled there: OPS-7" in partly.text + partly.error_text
    before = site.report("app1").job_id
    process.run(["puppet", "agent", "--enable", *OPTIONS], cwd=site.hosts["app2"].folder)
    delivery.call("deploy", "integration")
    assert site.report("app1").job_id == before, "it had everything already"
    assert site.report("app2").intents not in ((*intents,), ())


@contextmanager
def agents_at_work(site: Site) -> Iterator[list[str]]:
    """Both agents run again and again, whatever happens; gives what was wrong at any moment.

    No host may have a version that its assigned file has not said before.
    """
    stop, wrong = threading.Event(), list[str]()
    versions_given: dict[str, set[str]] = {name: set() for name in HOSTS}

    def run(name: str) -> None:
        while not stop.is_set():
            done = site.agent(name, "--waitforlock", "1", "--maxwaitforlock", "120")
            if done.status not in (0, 2):
                wrong.append(f"{name}: {done.status}: {done.text}{done.error_text}")

    def watch() -> None:
        while not stop.wait(0.05):
            for name in HOSTS:
                there = site.releases(name)
                file = site.control.assigned / f"{name}.example.com.yaml"
                if file.exists():
                    versions_given[name] |= {*Assignment.read(file.read_bytes()).versions.values()}
                if more := there - versions_given[name]:
                    wrong.append(f"{name} has {more}, and was only given {versions_given[name]}")

    threads = [threading.Thread(target=run, args=[name]) for name in HOSTS] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_agents_that_run_beside_pins_and_deploys_install_what_was_assigned_and_nothing_else(site: Site) -> None:
    delivery = Delivery.made(site, "apart", APART, "1.0", "2.0", "3.0")

    def pin(version: str) -> None:
        for environment in ENVIRONMENTS:
            delivery.call("pin", f"auth={version}", "--in", environment)

    with agents_at_work(site) as wrong:
        for version in ("2.0", "1.0"):
            pin(version)
            deploys = each(ENVIRONMENTS, lambda environment: delivery.call("deploy", environment), 2)
            assert deploys.first_failure is None, deploys.first_failure
            assert site.installed() == dict.fromkeys(HOSTS, version)
        pin("3.0")
        for _ in range(2):  # the run that is under way may have begun before the pin
            before = {name: site.report(name).time for name in HOSTS}
            until(lambda: all(site.report(name).time != before[name] for name in HOSTS), 600)  # noqa: B023
    assert not wrong, wrong
    assert [site.releases(name) for name in HOSTS] == [{"1.0", "2.0"}] * 2
    assert site.installed() == dict.fromkeys(HOSTS, "1.0")
