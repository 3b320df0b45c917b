"""Puppet's own report processor `http` posts to a running server: a deploy that waited in vain ends by itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sluicegate.tools.process import Completed
from tests.parts import tar
from tests.real.puppet import Control
from tests.web.conftest import Server, command, serving, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
CERTNAME = "app1.example.com"
CONFIG = """\
repositories: {{releases: {{driver: directory, path: {root}/releases}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
hosts: {{app1: {{driver: local, folder: {root}/host, ports: {{}}}}}}
groups: {{apps: [app1]}}
environments:
  integration:
    follow: latest
    hosts: apps
    deploy:
      driver: puppet
      kick: none
      limit: 1 s
      root: "false"
      assigned: {{folder: {assigned}}}
      certname: "{{{{host}}}}.example.com"
      options: [{options}]
      archives: {{auth: {root}/srv/auth}}
    after: {{regression: {{command: [touch, {root}/started]}}}}
"""


class Site:
    """A host with Puppet, a delivery repo that assigns to it, and a server that is told what it did."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("releases", "host", "srv"):
            (root / name).mkdir()
        self.control = Control.written(root / "puppet")
        options = ", ".join(f'"{option}"' for option in self.control.options(CERTNAME))
        (root / "config.yaml").write_text(
            CONFIG.format(root=root, assigned=self.control.assigned, options=options).replace("{{host}}", "{host}")
        )
        self.repo = str(root / "delivery.git")
        assert self.call("init", "--bare", "--config", str(root / "config.yaml"), self.repo, bare=True).returncode == 0

    def call(self, *words: str, bare: bool = False) -> subprocess.CompletedProcess[str]:
        env = {f"GIT_{part}_{name}": value for part in ("AUTHOR", "COMMITTER")
               for name, value in (("NAME", "ci"), ("EMAIL", "ci@example.com"))}  # fmt: skip
        return command(*(() if bare else ("-C", self.repo)), *words, env={**env, "BUILD_URL": ""})

    def publish(self, version: str) -> None:
        path = tar(self.root / f"auth-{version}.tar.gz", {"version": version})
        done = self.call("publish", f"auth={version}", str(path))
        assert done.returncode == 0, done.stderr

    def run(self, server: Server, *more: str, secret: str = "") -> Completed:
        word = secret or (server.home / "secrets" / "reports").read_text().strip()
        url = server.url.replace("http://", f"http://puppet:{word}@") + "delivery/reports"
        return self.control.apply(CERTNAME, ["--reports", "store,http", "--reporturl", url, *more])

    def history(self) -> list[str]:
        return [entry["what"] for entry in json.loads(self.call("history", "integration", "--json").stdout)]


def test_the_last_host_that_reports_by_puppet_itself_ends_the_deploy_and_starts_the_tests(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.publish("1.0")
    done = site.call("sync", "integration")
    assert done.returncode == 5 and "its agent has not applied this" in done.stderr, done.stdout + done.stderr
    with serving(tmp_path / "home", "--delivery", site.repo, "--reports-from", "127.0.0.1") as server:
        refused = site.run(server, secret="wrong")
        refusal = refused.text + refused.error_text
        assert "Unable to submit report" in refusal and "401" in refusal
        assert not (tmp_path / "started").exists()
        ran = site.run(server)
        assert "Unable to submit" not in ran.text + ran.error_text, ran.text
        until(lambda: (tmp_path / "started").exists(), 60)
        until(lambda: not [*(server.home / "reports").iterdir()], 60)
        log = server.home / "logs" / "server.log"
        assert not log.exists(), log.read_text()
    assert (tmp_path / "srv/auth/current/version").read_text() == "1.0"
    assert {"installed", "deployed", "started"} <= {*site.history(), "started"}
    status = json.loads(site.call("status", "--json").stdout)
    assert "1.0" in json.dumps(status)
    assert site.call("sync", "integration").returncode == 0, "nothing is left to do"


def test_drift_that_puppet_sees_is_recorded_by_a_look_at_the_folder_of_reports(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.publish("1.0")
    site.call("sync", "integration")
    folder = tmp_path / "puppet" / f"var-{CERTNAME}" / "reports"
    stored = ["--reports", "store", "--reportdir", str(folder)]
    assert site.control.apply(CERTNAME, stored).status in (0, 2)
    done = site.call("record", "reports", str(folder), "--json")
    assert done.returncode == 0 and "starting regression of auth=1.0" in done.stderr, done.stderr
    assert [report["outcome"] for report in json.loads(done.stdout)] == ["installed"]
    assert site.call("record", "reports", str(folder)).stdout.startswith("app1 in integration: before: its run began")
    site.control.site.write_text("include sluicegate\nexec { '/bin/false': }\n")
    assert site.control.apply(CERTNAME, stored).status in (4, 6)
    done = site.call("record", "reports", str(folder))
    assert done.returncode == 1 and "app1 in integration: differs: Puppet failed at Exec[/bin/false]" in done.stdout
    done = site.call("drift", "integration")
    assert done.returncode == 1 and "app1 reported, of its run at" in done.stdout, done.stdout + done.stderr
    assert "differs" in site.history()
    differs = "app1 differs by its own report: Puppet failed at Exec[/bin/false]"
    assert f"integration: {differs}" in site.call("status").stdout
    with serving(tmp_path / "home", "--delivery", site.repo) as server:
        page = server.session().get(f"{server.url}delivery/", headers={"Accept": "text/html"}, timeout=60)
        assert "<small>app1 differs: Puppet failed at Exec[/bin/false]" in page.text, page.text
