"""The deployer `packages` against apt itself, in a Debian of its own."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.deployers.packages import PackagesDeployer
from sluicegate.errors import ConfigError, Denied, SluicegateError
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.settings import Plain
from sluicegate.model.values import Installed
from tests.parts import CONFIG, no_host, settings
from tests.real.machines import ChrootHost, DebRepository, debian_base, overlay

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]
__all__ = ["debian_base"]


@dataclass(kw_only=True)
class Bench:
    """A host, its repository with auth (two packages) and portal (one), and the deployer."""

    host: ChrootHost
    repository: DebRepository
    deployer: PackagesDeployer

    def wanted(self, **versions: str) -> dict[str, Release | None]:
        return {
            name: Release(component=name, version=version, manifest="0" * 64) if version else None
            for name, version in versions.items()
        }

    def apply(self, **versions: str) -> dict[str, Outcome]:
        return dict(self.deployer.apply(self.host, self.wanted(**versions), "intent"))

    def refusals(self, **versions: str) -> tuple[str, ...]:
        return self.deployer.refusals(self.host, self.wanted(**versions))

    def installed(self) -> dict[str, str]:
        return {name: installed.version for name, installed in self.deployer.survey(self.host).items()}

    def selection(self, package: str) -> str:
        return self.host.run(["dpkg-query", "-W", "-f", "${db:Status-Want}", package]).text


def packages(**values: Plain) -> PackagesDeployer:
    entries: dict[str, Plain] = {
        "packages": {"auth": ("auth-server", "auth-common")}, "list": DebRepository.LIST, "lock-wait": "1 s", **values,
    }  # fmt: skip
    return PackagesDeployer.configure("training", settings(**entries), CONFIG, no_host)


@pytest.fixture
def bench(debian_base: Path, tmp_path: Path) -> Iterator[Bench]:
    with overlay(debian_base, tmp_path / "host") as root:
        repository = DebRepository(root, tmp_path / "trees")
        for version in ("1.0", "1.10", "1.9"):
            repository.add("auth-server", version, Depends="auth-common", files={"etc/auth.conf": f"for {version}\n"})
            repository.add("auth-common", version)
            repository.add("portal", version)
        repository.index()
        yield Bench(host=ChrootHost(name="app1", folder="/srv/ours", root=root), repository=repository,
                    deployer=packages())  # fmt: skip


def test_exact_versions_are_installed_up_down_and_away(bench: Bench) -> None:
    assert bench.installed() == {}
    for version in ("1.9", "1.10", "1.0", "1.0"):
        assert bench.refusals(auth=version, portal="1.9") == ()
        assert bench.apply(auth=version, portal="1.9") == {"auth": DONE, "portal": DONE}
        assert bench.installed() == {"auth": version, "portal": "1.9"}
    assert bench.deployer.survey(bench.host)["auth"] == Installed(version="1.0")
    assert bench.apply(auth="", portal="1.9") == {"auth": DONE, "portal": DONE}
    assert bench.installed() == {"portal": "1.9"}


def test_nothing_but_us_moves_what_was_installed(bench: Bench) -> None:
    bench.refusals(auth="1.0")
    bench.apply(auth="1.0")
    bench.host.run(["apt-get", "-y", "dist-upgrade"], root=True)
    assert bench.installed() == {"auth": "1.0"}
    assert bench.selection("auth-server") == bench.selection("auth-common") == "hold"


def test_a_version_that_was_withdrawn_is_refused_before_anything_is_changed(bench: Bench) -> None:
    bench.repository.withdraw("auth-common", "1.9")
    bench.repository.index()
    (refusal,) = bench.refusals(auth="1.9", portal="1.9")
    assert refusal.startswith("app1: auth-common 1.9 is not in /etc/apt/sources.list.d/ours.list (there: 1.10, 1.0)")


def test_a_package_of_another_architecture_is_not_there(bench: Bench) -> None:
    bench.repository.add("portal", "2.0", architecture="s390x")
    bench.repository.index()
    assert "portal 2.0 is not in" in bench.refusals(portal="2.0")[0]


def test_what_cannot_be_installed_is_refused_in_apt_s_words(bench: Bench) -> None:
    bench.repository.add("portal", "3.0", Depends="not-in-the-world (>= 2)")
    bench.repository.index()
    (refusal,) = bench.refusals(portal="3.0")
    assert "not-in-the-world" in refusal


def test_installing_takes_away_nothing_that_was_not_named(bench: Bench) -> None:
    bench.repository.add("portal", "4.0", Conflicts="auth-server")
    bench.repository.index()
    bench.refusals(auth="1.0")
    bench.apply(auth="1.0")
    bench.refusals(portal="4.0")
    assert bench.apply(portal="4.0")["portal"].ending == "failed"
    assert bench.installed() == {"auth": "1.0"}


def test_an_unsigned_repository_is_refused_though_apt_only_warns(bench: Bench) -> None:
    (bench.host.root / DebRepository.LIST[1:]).write_text("deb file:/srv/packages ./\n")
    with pytest.raises(SluicegateError, match=r"not signed|does not have a Release file"):
        bench.refusals(auth="1.0")


def test_a_list_of_others_that_is_broken_is_none_of_our_business(bench: Bench) -> None:
    (bench.host.root / "etc/apt/sources.list.d/others.list").write_text("deb [trusted=yes] file:/srv/nowhere ./\n")
    assert bench.refusals(auth="1.0") == ()
    assert bench.apply(auth="1.0") == {"auth": DONE}


def test_a_question_about_an_edited_file_hangs_nothing_and_the_edit_stays(bench: Bench) -> None:
    bench.refusals(auth="1.0")
    bench.apply(auth="1.0")
    (bench.host.root / "etc/auth.conf").write_text("edited by hand\n")
    assert bench.apply(auth="1.9") == {"auth": DONE}
    assert (bench.host.root / "etc/auth.conf").read_text() == "edited by hand\n"


def test_a_package_that_asks_is_not_answered_and_hangs_nothing(bench: Bench) -> None:
    asking = 'read answer && echo "answered $answer" > /srv/answer; test "$DEBIAN_FRONTEND" = noninteractive'
    bench.repository.add("portal", "5.0", scripts={"postinst": asking})
    bench.repository.index()
    bench.refusals(portal="5.0")
    assert bench.apply(portal="5.0") == {"portal": DONE}
    assert not (bench.host.root / "srv/answer").exists()


def test_a_package_whose_script_fails_is_told_and_the_next_change_mends_it(bench: Bench) -> None:
    bench.repository.add("portal", "6.0", scripts={"postinst": 'echo "no database" >&2; exit 1'})
    bench.repository.index()
    bench.refusals(portal="6.0")
    outcome = bench.apply(portal="6.0")["portal"]
    assert outcome.ending == "failed"
    assert bench.installed() == {}
    assert "dpkg was left half-way" in bench.refusals(portal="1.0")[0]


def test_who_holds_the_lock_is_told(bench: Bench) -> None:
    bench.refusals(auth="1.0")
    with (bench.host.root / "var/lib/dpkg/lock-frontend").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        outcome = bench.apply(auth="1.0")["auth"]
    assert outcome.ending == "unreachable"
    assert "is in use by process" in outcome.why, outcome.why


def test_a_lock_that_is_freed_in_time_is_waited_for(bench: Bench) -> None:
    bench.deployer = packages(**{"lock-wait": "2 min"})
    bench.refusals(auth="1.0")
    lock = (bench.host.root / "var/lib/dpkg/lock-frontend").open("w")
    fcntl.lockf(lock, fcntl.LOCK_EX)
    threading.Timer(2.0, lock.close).start()
    assert bench.apply(auth="1.0") == {"auth": DONE}


HOW_TO = Path(__file__).parents[2] / "docs/how-to/real-servers.md"


@pytest.fixture
def deploying(bench: Bench) -> Bench:
    """The same as the user of the how-to, with the rights that it gives him."""
    root = bench.host.root
    ChrootHost(name="app1", folder="/", root=root).run(["useradd", "--create-home", "deploy"])
    lines = [line for line in HOW_TO.read_text().splitlines() if "env_keep" in line or "/apt-get" in line]
    (root / "etc/sudoers.d/sluicegate").write_text("\n".join(lines) + "\n")
    (root / "etc/sudoers.d/sluicegate").chmod(0o440)
    bench.host = ChrootHost(name="app1", folder="/home/deploy/sluicegate", root=root, user="deploy")
    return bench


def test_the_user_of_the_how_to_may_deploy_and_no_more(deploying: Bench) -> None:
    asking = 'test "$DEBIAN_FRONTEND" = noninteractive && test "$NEEDRESTART_SUSPEND" = 1'
    deploying.repository.add("portal", "5.0", scripts={"postinst": asking})
    deploying.repository.index()
    for version in ("1.10", "1.0"):
        assert deploying.refusals(auth=version, portal="5.0") == ()
        assert deploying.apply(auth=version, portal="5.0") == {"auth": DONE, "portal": DONE}
    assert deploying.installed() == {"auth": "1.0", "portal": "5.0"}
    with pytest.raises(Denied, match="lets us not run cat as root"):
        deploying.host.run(["cat", "/etc/shadow"], root=True)


def test_a_user_without_rights_is_told_where_they_are_described(deploying: Bench) -> None:
    (deploying.host.root / "etc/sudoers.d/sluicegate").unlink()
    with pytest.raises(Denied, match="lets us not run apt-get as root") as caught:
        deploying.refusals(auth="1.0")
    assert HOW_TO.name in caught.value.hint
    assert deploying.apply(auth="1.0")["auth"].ending == "failed"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"list": "-oDebug=1"}, "expected a file such as"),
        ({"list": "ours.list"}, "expected a file such as"),
        ({"packages": {"auth": ("-y",)}}, "not the name of a package"),
        ({"packages": {"other": ("other",)}}, "no component is called 'other'"),
        ({"lock-wait": "long"}, "not a span of time"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        packages(**wrong)
