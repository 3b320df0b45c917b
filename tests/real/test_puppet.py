"""The deployer `puppet` against Puppet itself, as an ordinary user: the module, its catalogs, runs that go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.deployers.puppet import PuppetDeployer
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Artifact, Release, Source
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.settings import Plain
from sluicegate.tools import files, process
from tests.parts import CONFIG, no_host, settings, tar
from tests.real.needs import needs
from tests.real.puppet import MODULE, Control

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
CERTNAME = "app1.example.com"


@dataclass(kw_only=True)
class Bench:
    """A host whose Puppet is run by us, without a server; auth comes as an archive."""

    folder: Path
    control: Control
    host: LocalHost

    def deployer(self, **values: Plain) -> PuppetDeployer:
        entries: dict[str, Plain] = {
            "assigned": {"folder": str(self.control.assigned)}, "certname": "{host}.example.com", "kick": "apply",
            "manifest": str(self.control.site), "options": self.control.options(CERTNAME), "root": "false",
            "archives": {"auth": str(self.folder / "srv/auth")}, "packages": {"portal": ("not-installed-here",)},
            "environment": "production", **values,
        }  # fmt: skip
        return PuppetDeployer.configure("training", settings(**entries), CONFIG, no_host)

    def release(self, version: str, sha256: str = "") -> Release:
        name = f"auth-{version}.tar.gz"
        path = tar(self.folder / name, {"version": version})
        artifact = Artifact(name=name, size=path.stat().st_size, sha256=sha256 or files.sha256(path))
        source = Source(url=str(path), artifact=artifact)
        return Release(component="auth", version=version, manifest="0" * 64, sources=(source,))

    def apply(self, version: str, intent: str, **values: Plain) -> Outcome:
        wanted = {"auth": self.release(version) if version else None}
        return self.deployer(**values).apply(self.host, wanted, intent)["auth"]

    def installed(self) -> dict[str, str]:
        return {name: installed.version for name, installed in self.deployer().survey(self.host).items()}

    @property
    def current(self) -> Path:
        return self.folder / "srv/auth/current"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    for name in ("host", "srv"):
        (tmp_path / name).mkdir()
    host = LocalHost(name="app1", folder=tmp_path / "host", ports={})
    yield Bench(folder=tmp_path, control=Control.written(tmp_path / "puppet"), host=host)


def test_the_module_is_valid() -> None:
    needs("puppet")
    process.run(["puppet", "parser", "validate", *(MODULE / "sluicegate/manifests").iterdir()])


def test_versions_are_assigned_and_installed_up_down_and_away(bench: Bench) -> None:
    assert bench.installed() == {}
    for intent, version in (("a1", "1.0"), ("a2", "1.10"), ("a3", "1.0")):
        assert bench.apply(version, intent) == DONE
        assert bench.installed() == {"auth": version}
        assert (bench.current / "version").read_text() == version
    assert bench.apply("", "a4") == DONE
    assert bench.installed() == {} and not bench.current.exists()
    assert "a4" in (bench.control.folder / "stamp").read_text()


def test_as_many_old_releases_stay_as_are_kept_and_a_way_back_counts_as_new(bench: Bench) -> None:
    def releases() -> set[str]:
        return {path.name for path in bench.current.parent.joinpath("releases").iterdir()}

    for number, version in enumerate(("1.0", "1.1", "1.0", "1.2")):
        assert bench.apply(version, f"a{number}", keep="1") == DONE
    assert releases() == {"1.0", "1.2"}, "1.1 ran before 1.0 did again"
    assert bench.control.apply(CERTNAME).status == 0


def test_a_run_that_nobody_kicked_installs_what_is_assigned_and_only_that(bench: Bench) -> None:
    assert bench.control.apply(CERTNAME).status == 0
    assert not bench.current.exists()
    bench.apply("1.0", "a1")
    assert bench.control.apply(CERTNAME).status == 0
    bench.current.unlink()
    bench.current.symlink_to("releases/9.9")
    assert bench.deployer().survey(bench.host)["auth"].manifest == "assigned: 1.0"
    assert bench.control.apply(CERTNAME).status == 2
    assert bench.installed() == {"auth": "1.0"}


def test_a_catalog_that_does_not_compile_is_told_in_puppet_s_words(bench: Bench) -> None:
    bench.control.site.write_text("include sluicegate\ninclude not_there\n")
    outcome = bench.apply("1.0", "a1")
    assert outcome.ending == "failed"
    assert "Could not find class ::not_there" in outcome.why, outcome.why


def test_a_file_that_is_not_what_was_published_is_not_installed(bench: Bench) -> None:
    wrong = bench.release("1.0", sha256="0" * 64)
    outcome = bench.deployer().apply(bench.host, {"auth": wrong}, "a1")["auth"]
    assert outcome.ending == "failed"
    assert "auth-1.0.tar.gz" in outcome.why, outcome.why
    assert bench.installed() == {} and not bench.current.exists()
    assert bench.apply("1.0", "a2") == DONE


def test_a_resource_of_the_shop_that_fails_counts_unless_it_is_said_otherwise(bench: Bench) -> None:
    bench.control.site.write_text("include sluicegate\nexec { '/bin/false': }\n")
    outcome = bench.apply("1.0", "a1")
    assert "Puppet failed at Exec[/bin/false]: change from 'notrun' to ['0'] failed" in outcome.why
    assert bench.installed() == {}
    assert bench.apply("1.0", "a2", **{"others-may-fail": "true"}) == DONE


def test_noop_installs_nothing_and_is_told(bench: Bench) -> None:
    outcome = bench.apply("1.0", "a1", options=(*bench.control.options(CERTNAME), "--noop"))
    assert "'noop' is set there" in outcome.why
    assert not bench.current.exists()


def test_an_environment_that_is_not_there_is_told(bench: Bench) -> None:
    outcome = bench.apply("1.0", "a1", environment="testing")
    assert outcome.ending == "failed" and "testing" in outcome.why, outcome.why


def test_a_catalog_without_the_class_is_told(bench: Bench) -> None:
    bench.control.site.write_text("notify { 'hello': }\n")
    assert "has nothing of the class sluicegate" in bench.apply("1.0", "a1").why


def test_a_catalog_of_older_data_is_told(bench: Bench) -> None:
    bench.apply("1.0", "a1")
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    outcome = bench.apply("2.0", "a2", assigned={"folder": str(elsewhere)})
    assert "was made of an older assignment" in outcome.why, outcome.why
    assert bench.installed() == {}


def test_a_program_that_is_missing_is_told(bench: Bench) -> None:
    assert bench.apply("1.0", "a1", program="no-puppet-here").ending == "failed"
