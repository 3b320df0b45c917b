"""The worked example with real parts: the steps of `make demo` where they are the same, and those that are not."""

from __future__ import annotations

import json
from collections.abc import Callable

from sluicegate.demo.steps import Example
from sluicegate.demo.traffic import Browser, Traffic
from sluicegate.demo.world import COMPONENTS
from sluicegate.model.evidence import HostsDiffer, HostsInstalled, HostsReported
from tests.real.demo.hosts import APT_LIST
from tests.real.demo.world import RealWorld

SHOPS = "http://lb1:8000"


class RealExample(Example):
    """One run in one real world."""

    world: RealWorld
    quality_assurance = "ldap:cn=qa,ou=groups,dc=example,dc=com"

    @property
    def steps(self) -> tuple[Callable[[], None], ...]:
        return (
            self.the_parts_are_started,
            self.the_organisation_as_it_is,
            self.the_pool_is_filled,
            self.the_failing_test_comes_first,
            self.the_push_starts_the_build,
            self.integration_follows_latest,
            self.quality_assurance_seals_it,
            self.production_is_swapped_under_traffic,
            self.eight_hosts_are_rolled_over_under_traffic,
            self.bad_changes_are_stopped_or_taken_back,
            self.drift_is_found,
            self.an_agent_reports_by_itself,
            self.everything_is_on_record,
        )

    def the_parts_are_started(self) -> None:
        self.show.step("0. Nexus, slapd, Git over ssh, HAProxy, a Puppet server, hosts with agents, the build server")
        self.world.build_up()

    def the_pool_is_filled(self) -> None:
        self.show.step("1b. Eight more hosts, a pool behind the same HAProxy, get what production has")
        self.roll_out()
        self.check("users of the pool are greeted", "Portal" in Browser(SHOPS).get("/"))

    def the_push_starts_the_build(self) -> None:
        self.show.step(
            "3. The push over ssh: its hook starts the build: unit tests, quality figures, a package in Nexus"
        )
        version = self.push("auth", "The role auditor", before=self.newest("auth"))
        shown = json.loads(self.cli("olle", "show", f"auth={version}", "--json"))
        commit = self.world.run("git", "rev-parse", "HEAD", cwd=self.world.root / "src" / "auth").output.strip()
        self.check(f"the manifest of auth={version} names the commit", shown["commit"] == commit)
        self.check("and the build", shown["build"].startswith(f"{self.world.server.url}/job/auth-build/"))
        listed = Browser("http://nexus:8081").get("/repository/apt/dists/bookworm/main/binary-all/Packages")
        self.check("Nexus' signed index for apt lists the package", f"auth_{version}_all.deb" in listed)

    def integration_follows_latest(self) -> None:
        self.show.step("4. Integration has followed latest, and the installation has started the regression tests")
        version = self.newest("auth")
        self.check(f"integration runs auth {version}", self.effective("auth", "integration") == version)
        for host in ("int1", "int2"):
            answer = json.loads(Browser(f"http://{host}:8001").get("/version"))
            self.check(f"{host} answers with it", answer["version"] == version)
            self.check(f"and so does dpkg there: {self.package(host, 'auth')}", self.package(host, "auth") == version)
        self.cli("olle", "flow", f"auth={version}")

    def eight_hosts_are_rolled_over_under_traffic(self) -> None:
        self.show.step("6b. The eight hosts, batch by batch under traffic: nobody loses a request")
        new = self.effective("auth", "production")
        with Traffic(
            SHOPS, user="", pause=0.05
        ) as traffic:  # any request may go to any host, as without `sessions: keep`
            self.roll_out()
        self.check(
            f"{traffic.sent} requests, none lost {traffic.lost[:3] or ''}", traffic.sent > 100 and not traffic.lost
        )
        hosts = [f"shop{number}" for number in range(1, 9)]
        self.check(f"all eight have auth {new}", {self.package(host, "auth") for host in hosts} == {new})

    def drift_is_found(self) -> None:
        self.show.step("7b. Somebody changes a host by hand: it is found, and made well again")
        version = self.effective("auth", "shops")
        self.cli("rita", "drift", "shops")
        older_version = self.older_by_hand("shop3")
        drifted = self.cli("rita", "drift", "shops", code=1)
        self.check("drift names the host and what it has", "shop3" in drifted and older_version in drifted)
        self.cli("rita", "deploy", "shops")
        self.check(f"shop3 has auth {version} again", self.package("shop3", "auth") == version)
        self.cli("rita", "drift", "shops")

    def an_agent_reports_by_itself(self) -> None:
        self.show.step("7c. The same where Puppet runs: the agent that nobody kicked reports it, and makes it well")
        version = self.effective("auth", "integration")
        self.older_by_hand("int2")
        self.world.hosts.install("int2", APT_LIST, "")
        self.agent_reports("int2", HostsDiffer)
        self.check("status names the host", "int2 differs by its own report" in self.cli("rita", "status"))
        self.world.packages_list("int2")
        self.agent_reports("int2", HostsInstalled)
        self.check(f"int2 has auth {version} again", self.package("int2", "auth") == version)
        self.cli("rita", "drift", "integration")

    def older_by_hand(self, host: str) -> str:
        """Somebody installs another version of auth on a host: that version."""
        version = self.package(host, "auth")
        known = self.world.run("ssh", f"deploy@{host}", "apt-cache madison auth").output.split()
        other = next(word for word in known if word.startswith("1.0.") and word != version)
        by_hand = f"sudo apt-get install -y -q --allow-downgrades --allow-change-held-packages auth={other}"
        done = self.world.run("ssh", f"deploy@{host}", by_hand)
        self.show.command("somebody", f"ssh {host} {by_hand}", done)
        self.check(f"{host} has auth {other}", self.package(host, "auth") == other)
        return other

    def agent_reports(self, host: str, kind: type[HostsReported]) -> None:
        """An agent runs by itself, and its report arrives by way of the Puppet server."""
        self.show.command(host, "puppet agent --onetime", self.world.agent(host))

        def recorded() -> bool:
            state = self.world.state()
            with state.store:
                records = state.annals.newest_first("integration")
                newest = next((record for record in records if isinstance(record, HostsReported)), None)
                return isinstance(newest, kind) and host in newest.runs

        self.world.server.wait_for(recorded, f"the report of {host}")
        self.show.checked(f"the ledger says of {host}: {kind.__name__}")

    def roll_out(self) -> None:
        """Production's versions go to the pool."""
        self.press("rita", "promote", COMPONENTS=" ".join(COMPONENTS), TO="shops")
        self.press("rita", "rollout-shops", STEP="begin")

    def package(self, host: str, name: str) -> str:
        """The version that dpkg has on a host."""
        return self.world.run("ssh", f"deploy@{host}", f"dpkg-query --show --showformat '${{Version}}' {name}").output
