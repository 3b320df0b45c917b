"""The worked example, a new role is added: eight steps from the commit to production and back, each of them checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from sluicegate.demo.traffic import Browser, Traffic
from sluicegate.demo.world import COMPONENTS, Result, World
from sluicegate.errors import SluicegateError


class Show(Protocol):
    """Where the example tells what it does."""

    def step(self, title: str) -> None: ...

    def command(self, user: str, words: str, result: Result) -> None: ...

    def checked(self, text: str) -> None: ...


class DemoFailed(SluicegateError):
    """A check of the example did not hold."""


class Example:
    """One run in one world. The steps are called in order; each leaves the world as its name says."""

    def __init__(self, world: World, show: Show) -> None:
        self.world = world
        self.show = show
        self.builds = 0

    @property
    def steps(self) -> tuple[Callable[[], None], ...]:
        return (
            self.the_organisation_as_it_is,
            self.the_failing_test_comes_first,
            self.a_build_publishes_the_change,
            self.integration_follows_latest,
            self.quality_assurance_seals_it,
            self.production_is_swapped_under_traffic,
            self.bad_changes_are_stopped_or_taken_back,
            self.everything_is_on_record,
        )

    def the_organisation_as_it_is(self) -> None:
        self.show.step("1. A small organisation: auth and portal, in production")
        self.world.build_up()
        for component in COMPONENTS:
            self.build(component)
        self.cli("olle", "sync", "integration", "--wait")
        self.to_staging("auth", "portal")
        self.to_production("auth", "portal")
        self.check("portal greets people in production", "Hello" in self.logged_in("rita").get("/"))
        self.check("olle is no auditor yet", "auditor" not in str(self.logged_in("olle").whoami()["roles"]))

    def the_failing_test_comes_first(self) -> None:
        self.show.step("2. The change, 'a new role is added': first the failing test, then the code")
        self.world.change("auth", "auth-1-failing-test")
        red = self.unit_tests()
        self.check("the new test is red", red.code == 1 and "2 failed" in red.output)
        self.world.change("auth", "auth-2-new-role")
        self.check("with the code it is green", self.unit_tests().code == 0)
        self.world.commit("auth", "The role auditor")

    def a_build_publishes_the_change(self) -> None:
        self.show.step("3. The build: checkout, unit tests, quality figures, publish")
        self.build("auth")
        version = self.newest("auth")
        manifest = self.world.root / f"repository/com/example/auth/{version}/auth-{version}-manifest.json"
        found = json.loads(manifest.read_text())
        commit = self.world.run("git", "rev-parse", "HEAD", cwd=self.world.root / "src" / "auth").output.strip()
        self.check(f"the manifest of auth={version} names the commit", found["commit"] == commit)
        served = Browser(f"http://127.0.0.1:{self.world.ports['files']}").get(
            f"/com/example/auth/{version}/auth-{version}-manifest.json"
        )
        self.check("it is served over HTTP", json.loads(served) == found)

    def integration_follows_latest(self) -> None:
        self.show.step("4. Integration follows latest; the installation starts the regression tests")
        self.cli("olle", "sync", "integration", "--wait")
        self.check("integration runs the new version", self.effective("auth", "integration") == self.newest("auth"))

    def quality_assurance_seals_it(self) -> None:
        self.show.step("5. The gate to staging: green regression tests, and the quality assurance team's seal")
        version = self.newest("auth")
        said = self.cli("olle", "explain", "auth", "--to", "staging")
        self.check("explain names who can give the seal", "who can help: anna" in said)
        refused = self.cli("olle", "promote", "auth", "--to", "staging", code=3)
        self.check("promote refuses and says the same", "no approval in the role 'qa'" in refused)
        self.cli("olle", "approve", f"auth={version}", "--to", "staging", "--as", "qa", code=3)
        self.to_staging("auth")
        self.check("staging runs it", self.effective("auth", "staging") == version)
        self.check("users have noticed nothing", Browser(self.world.users_url).version() != version)

    def production_is_swapped_under_traffic(self) -> None:
        self.show.step("6. The swap, under live traffic: nobody loses a request, logged-in users stay where they are")
        old, new = self.effective("auth", "production"), self.newest("auth")
        with Traffic(self.world.users_url) as traffic:
            time.sleep(0.5)
            self.to_production("auth")
            time.sleep(0.5)
        self.check(
            f"{traffic.sent} requests, none lost {traffic.lost[:3] or ''}", traffic.sent > 100 and not traffic.lost
        )
        self.check(
            f"new users went from auth {old} to {new}",
            traffic.visitor_versions[0] == old and traffic.visitor_versions[-1] == new,
        )
        self.check(f"the logged-in user finished on {old}", set(traffic.user_versions) == {old})
        self.check("olle is an auditor now", "auditor" in str(self.logged_in("olle").whoami()["roles"]))
        self.world.change("portal", "portal-1-motto")
        self.world.commit("portal", "A motto")
        self.build("portal")
        self.cli("olle", "sync", "integration", "--wait")
        self.to_staging("portal")
        self.to_production("portal")
        self.check("portal changed alone: auth is not lowered", self.effective("auth", "production") == new)

    def bad_changes_are_stopped_or_taken_back(self) -> None:
        self.show.step("7. A bad change stops at integration; another is found out in production and rolled back")
        good = self.effective("auth", "production")
        self.world.change("auth", "auth-3-bad")
        self.world.commit("auth", "Roles as they are now")
        self.build("auth")
        bad = self.newest("auth")
        self.cli("olle", "sync", "integration", "--wait", code=1)
        why = self.cli("olle", "explain", f"auth={bad}", "--to", "staging")
        self.check("explain says that its regression tests failed", "tests failed" in why)
        self.cli("anna", "promote", f"auth={bad}", "--to", "staging", code=3)
        self.world.change("auth", "auth-4-faulty")
        self.world.commit("auth", "Roles as they are now, found by their DN")
        self.build("auth")
        faulty = self.newest("auth")
        self.cli("olle", "sync", "integration", "--wait")
        self.to_staging("auth")
        self.to_production("auth")
        roles = json.loads(Browser(self.world.users_url).get("/auth/roles"))["roles"]
        self.check(f"a user finds a fault in production, a role listed twice: {roles}", len(roles) != len(set(roles)))
        self.cli("rita", "rollback", "production", "auth", "--why", "OPS-12: a role is listed twice")
        roles = json.loads(Browser(self.world.users_url).get("/auth/roles"))["roles"]
        self.check(f"auth {good} is back, the fault is gone", len(roles) == len(set(roles)))
        self.check("production's pin says so", self.effective("auth", "production") == good)
        self.cli("olle", "sync", "integration", "--wait")
        refused = self.cli("anna", "promote", f"auth={faulty}", "--to", "staging", code=3)
        self.check("the bad version is vetoed and does not come back", "vetoed from production on by rita" in refused)

    def everything_is_on_record(self) -> None:
        self.show.step("8. What is where, what happened, and how long it took")
        self.cli("rita", "status")
        self.cli("rita", "history", "auth", "-n", "12")
        version = self.effective("auth", "production")
        place = f"ledger:components/auth/{version}.jsonl"
        lines = self.world.run("git", "--git-dir", self.world.repo, "show", place)
        self.show.command("rita", f"git show {place}", lines)
        kinds = [json.loads(line)["what"] for line in lines.output.splitlines()]
        self.check(
            f"the ledger's story of auth={version}: {' '.join(kinds)}", {"built", "tests", "approval"} <= {*kinds}
        )
        self.cli("rita", "flow", f"auth={version}")
        measured = json.loads(self.world.run("sluicegate", "flow", f"auth={version}", "--json").output)
        self.check("commit to integration within 15 minutes", 0 < measured["total"] <= 15 * 60)

    def to_staging(self, *components: str) -> None:
        """QA's seal, promotion, deployment, acceptance tests."""
        for component in components:
            version = self.effective(component, "integration")
            self.cli("anna", "approve", f"{component}={version}", "--to", "staging", "--as", "qa")
        self.cli("anna", "promote", *components, "--to", "staging")
        self.cli("anna", "sync", "staging", "--wait")

    def to_production(self, *components: str) -> None:
        """The release manager's approval, and the swap."""
        for component in components:
            version = self.effective(component, "staging")
            self.cli("rita", "approve", f"{component}={version}", "--to", "production", "--as", "release-manager")
        self.cli("rita", "swap", "production")

    def build(self, component: str) -> None:
        """Run the build script in a fresh workspace."""
        self.builds += 1
        workspace = self.world.root / "builds" / str(self.builds)
        workspace.mkdir()
        script = self.world_script("build.sh")
        result = self.world.run("sh", script, component, self.world.root / "git" / f"{component}.git", cwd=workspace)
        self.show.command("olle", f"build.sh {component}", result)
        self.check(f"the build of {component} is green", result.code == 0)

    def world_script(self, name: str) -> Path:
        from sluicegate.demo.world import EXAMPLES

        return EXAMPLES.resolve() / name

    def unit_tests(self) -> Result:
        words = ("python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", "tests/unit")
        result = self.world.run(*words, cwd=self.world.root / "src" / "auth")
        self.show.command("olle", "pytest tests/unit", result)
        return result

    def cli(self, user: str, *words: str, code: int = 0) -> str:
        """Run sluicegate as one of the people and check its exit code; what it printed."""
        result = self.world.run("sluicegate", *words, user=user)
        self.show.command(user, " ".join(["sluicegate", *words]), result)
        if result.code != code:
            raise DemoFailed(f"'sluicegate {' '.join(words)}' ended with {result.code}, not {code}")
        return result.output

    def check(self, text: str, held: bool) -> None:
        if not held:
            raise DemoFailed(f"this does not hold: {text}")
        self.show.checked(text)

    def matrix(self) -> dict[str, Any]:
        """`status --json`: component -> environment -> cell."""
        found = json.loads(self.world.run("sluicegate", "status", "--json").output)
        return {one["name"]: {**one["environments"], "newest": one["newest"]} for one in found["components"]}

    def newest(self, component: str) -> str:
        return str(self.matrix()[component]["newest"])

    def effective(self, component: str, environment: str) -> str:
        return str(self.matrix()[component][environment]["effective"])

    def logged_in(self, user: str) -> Browser:
        browser = Browser(self.world.users_url)
        browser.login(user, f"{user}-secret")
        return browser
