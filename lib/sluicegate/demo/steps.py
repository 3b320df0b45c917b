"""The worked example, a new role is added: from the commit to production and back, each of them checked.

Longer than a module should be: the steps are one story, told in its order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Protocol

from sluicegate.demo.traffic import Browser, Traffic
from sluicegate.demo.world import COMPONENTS, Result, World
from sluicegate.errors import SluicegateError
from sluicegate.model.evidence import Tests

NOISE = ("+", "Started by", "Running as", "Building", "[", "Finished:")


class Show(Protocol):
    """Where the example tells what it does."""

    def step(self, title: str) -> None: ...

    def command(self, user: str, words: str, result: Result) -> None: ...

    def button(self, person: str, words: str, result: str, printed: str) -> None: ...

    def timeline(self, rows: list[tuple[str, str, str]]) -> None: ...

    def checked(self, text: str) -> None: ...


class DemoFailed(SluicegateError):
    """A check of the example did not hold."""


class Example:
    """One run in one world. The steps are called in order; each leaves the world as its name says."""

    quality_assurance = "anna"
    """The members of the role `qa`, as sluicegate.yaml has them."""

    def __init__(self, world: World, show: Show) -> None:
        self.world = world
        self.show = show

    @property
    def steps(self) -> tuple[Callable[[], None], ...]:
        return (
            self.the_parts_are_started,
            self.the_organisation_as_it_is,
            self.the_failing_test_comes_first,
            self.the_push_starts_the_build,
            self.integration_follows_latest,
            self.quality_assurance_seals_it,
            self.production_is_swapped_under_traffic,
            self.bad_changes_are_stopped_or_taken_back,
            self.everything_is_on_record,
        )

    def the_parts_are_started(self) -> None:
        self.show.step("0. Git repositories, a repository of artifacts, hosts, a balancer, a directory, a build server")
        self.world.build_up()

    def the_organisation_as_it_is(self) -> None:
        self.show.step("1. A small organisation: auth and portal, built, tested and in production")
        jobs = [job["name"] for job in self.world.server.client("olle").get_jobs()]
        self.check(f"jenkins-job-builder has put {len(jobs)} jobs on the build server", "auth-build" in jobs)
        for component in COMPONENTS:
            self.world.server.client("olle").build_job(f"{component}-build")
            self.wait_for_integration(component, "")
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

    def the_push_starts_the_build(self) -> None:
        self.show.step("3. The push: its hook starts the build: unit tests, quality figures, publish")
        version = self.push("auth", "The role auditor", before=self.newest("auth"))
        manifest = self.world.root / f"repository/com/example/auth/{version}/auth-{version}-manifest.json"
        content = json.loads(manifest.read_text())
        commit = self.world.run("git", "rev-parse", "HEAD", cwd=self.world.root / "src" / "auth").output.strip()
        self.check(f"the manifest of auth={version} names the commit", content["commit"] == commit)
        self.check("and the build", content["build"].startswith(f"{self.world.server.url}/job/auth-build/"))
        served = Browser(f"http://127.0.0.1:{self.world.ports['files']}").get(
            f"/com/example/auth/{version}/auth-{version}-manifest.json"
        )
        self.check("it is served over HTTP", json.loads(served) == content)

    def integration_follows_latest(self) -> None:
        self.show.step("4. Integration has followed latest, and the installation has started the regression tests")
        version = self.newest("auth")
        self.check(f"integration runs auth {version}", self.effective("auth", "integration") == version)
        address = f"http://127.0.0.1:{self.world.ports['int_auth']}"
        self.check("and answers with it", json.loads(Browser(address).get("/version"))["version"] == version)
        self.cli("olle", "flow", f"auth={version}")

    def quality_assurance_seals_it(self) -> None:
        self.show.step("5. The gate to staging: green regression tests, and the quality assurance team's seal")
        version = self.newest("auth")
        explanation = self.cli("olle", "explain", "auth", "--to", "staging")
        self.check("explain names who can give the seal", f"who can help: {self.quality_assurance}" in explanation)
        refused = self.press("anna", "promote", result="UNSTABLE", COMPONENTS="auth", TO="staging")
        self.check("promote is yellow and says the same", "no approval in the role 'qa'" in refused)
        forged = self.press(
            "olle",
            "approve",
            result="UNSTABLE",
            COMPONENT="auth",
            VERSION=version,
            TO="staging",
            ROLE="qa",
            WHY="as anna",
        )
        self.check("olle cannot give it, whatever he types", "olle is not in the role 'qa'" in forged)
        self.to_staging("auth")
        self.check("staging runs it", self.effective("auth", "staging") == version)
        self.check("users have noticed nothing", Browser(self.world.users_url).version() != version)

    def production_is_swapped_under_traffic(self) -> None:
        self.show.step("6. The swap, under live traffic: nobody loses a request, logged-in users stay where they are")
        old, new = self.effective("auth", "production"), self.newest("auth")
        self.approve_for_production("auth")
        with Traffic(self.world.users_url) as traffic:
            time.sleep(0.5)
            self.press("rita", "swap-production", BACK="false")
            time.sleep(0.5)
        self.check(
            f"{traffic.sent} requests, none lost {traffic.lost[:3] or ''}", traffic.sent > 100 and not traffic.lost
        )
        self.check(
            f"new users went from auth {old} to {new}",
            (traffic.visitor_versions[0], traffic.visitor_versions[-1]) == (old, new),
        )
        self.check(f"the logged-in user finished on {old}", set(traffic.user_versions) == {old})
        self.check("olle is an auditor now", "auditor" in str(self.logged_in("olle").whoami()["roles"]))
        self.world.change("portal", "portal-1-motto")
        self.push("portal", "A motto", before=self.newest("portal"))
        self.to_staging("portal")
        self.to_production("portal")
        self.check("portal changed alone: auth is not lowered", self.effective("auth", "production") == new)

    def bad_changes_are_stopped_or_taken_back(self) -> None:
        self.show.step("7. A bad change stops at integration; another is found out in production and rolled back")
        good = self.effective("auth", "production")
        self.world.change("auth", "auth-3-bad")
        bad = self.push("auth", "Roles as they are now", before=good)
        why = self.cli("olle", "explain", f"auth={bad}", "--to", "staging")
        self.check("explain says that its regression tests failed", "tests failed" in why)
        self.press("anna", "promote", result="UNSTABLE", COMPONENTS=f"auth={bad}", TO="staging")
        self.world.change("auth", "auth-4-faulty")
        faulty = self.push("auth", "Roles as they are now, found by their DN", before=bad)
        self.to_staging("auth")
        self.to_production("auth")
        roles = json.loads(Browser(self.world.users_url).get("/auth/roles"))["roles"]
        self.check(f"a user finds a fault in production, a role listed twice: {roles}", len(roles) != len(set(roles)))
        self.press("rita", "rollback-production", COMPONENT="auth", WHY="OPS-12: a role is listed twice")
        roles = json.loads(Browser(self.world.users_url).get("/auth/roles"))["roles"]
        self.check(f"auth {good} is back, the fault is gone", len(roles) == len(set(roles)))
        self.check("production's pin says so", self.effective("auth", "production") == good)
        self.press("olle", "integration-sync")
        refused = self.press("anna", "promote", result="UNSTABLE", COMPONENTS=f"auth={faulty}", TO="staging")
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
        self.show.timeline(self.builds())
        self.cli("rita", "flow", f"auth={version}")
        measured = json.loads(self.world.run("sluicegate", "flow", f"auth={version}", "--json").output)
        self.check("commit to integration within 15 minutes", 0 < measured["total"] <= 15 * 60)

    def to_staging(self, *components: str) -> None:
        """QA's seal and the promotion; its commit starts the deployment, and that the acceptance tests."""
        for component in components:
            version = self.effective(component, "integration")
            self.press("anna", "approve", COMPONENT=component, VERSION=version, TO="staging", ROLE="qa")
        self.press("anna", "promote", COMPONENTS=" ".join(components), TO="staging")
        for component in components:
            version = self.effective(component, "integration")
            self.wait_for_suite(component, version, "staging", "acceptance")

    def to_production(self, *components: str) -> None:
        """The release manager's approval, and the swap."""
        self.approve_for_production(*components)
        self.press("rita", "swap-production", BACK="false")

    def approve_for_production(self, *components: str) -> None:
        for component in components:
            version = self.effective(component, "staging")
            self.press("rita", "approve", COMPONENT=component, VERSION=version, TO="production", ROLE="release-manager")

    def push(self, component: str, message: str, *, before: str) -> str:
        """Push a change; hook, build, sync and regression job follow by themselves. The new version."""
        self.world.commit(component, message)
        self.show.command("olle", f"git push  # {component}: {message}", Result(code=0, output=""))
        return self.wait_for_integration(component, before)

    def wait_for_integration(self, component: str, before: str) -> str:
        """Wait until a version newer than `before` was built, installed and tested in integration."""
        server = self.world.server
        server.wait_for(lambda: self.newest(component) not in ("", before), f"a new version of {component}")
        version = self.newest(component)
        self.wait_for_suite(component, version, "integration", "regression")
        return version

    def wait_for_suite(self, component: str, version: str, environment: str, suite: str) -> None:
        """Wait until a run of the suite on what the environment has now is on record."""

        def recorded() -> bool:
            state = self.world.state()
            with state.store:
                standing = state.effective(state.config.environment(environment))
                story = state.story(component, version)
                return standing is not None and story.has(Tests, suite=suite, set=standing.set_name)

        self.world.server.wait_for(recorded, f"{suite} of {component}={version} in {environment}")
        run = self.newest_run(component, version, environment, suite)
        self.show.checked(f"{component}={version} in {environment}: {suite}: {run.passed} passed, {run.failed} failed")

    def newest_run(self, component: str, version: str, environment: str, suite: str) -> Tests:
        state = self.world.state()
        with state.store:
            run = state.story(component, version).latest(Tests, env=environment, suite=suite)
        assert run is not None
        return run

    def press(self, person: str, job: str, *, result: str = "SUCCESS", **parameters: str) -> str:
        """Build with parameters as one of the people; what the build printed."""
        pressed = self.world.server.press(person, job, **parameters)
        lines = [line for line in pressed.console.splitlines() if not line.startswith(NOISE)]
        printed = "\n".join(lines)
        shown = " ".join(
            f"{name}={value!r}" if " " in value else f"{name}={value}" for name, value in parameters.items()
        )
        self.show.button(person, f"{job} {shown}".strip(), pressed.result, printed)
        if pressed.result != result:
            raise DemoFailed(f"{job} #{pressed.number} ended with {pressed.result}, not {result}")
        return printed

    def builds(self) -> list[tuple[str, str, str]]:
        """The timeline of all builds: when it began, which, how it ended and how long it took."""
        rows = []
        for build in self.world.server.builds():
            began = time.strftime("%H:%M:%S", time.localtime(int(build["timestamp"]) / 1000))
            rows.append(
                (began, f"{build['job']} #{build['number']}", f"{build['result']} {build['duration'] / 1000:.1f} s")
            )
        return rows

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

    def newest(self, component: str) -> str:
        """The newest published version, '' when there is none."""
        state = self.world.state()
        with state.store:
            return (state.versions(component) or [""])[-1]

    def effective(self, component: str, environment: str) -> str:
        """The version that an environment's hosts have, '' for none."""
        state = self.world.state()
        with state.store:
            standing = state.effective(state.config.environment(environment))
            return standing.installed[component].version if standing and component in standing.installed else ""

    def logged_in(self, user: str) -> Browser:
        browser = Browser(self.world.users_url)
        browser.login(user, f"{user}-secret")
        return browser
