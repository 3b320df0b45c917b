"""A real puppetserver on a loopback port, as any user: folders of its own, an authority that signs whoever asks."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts import free_port, write
from tests.real.needs import needs
from tests.real.serving import Serving

JAR = Path("/usr/share/puppetserver/puppetserver.jar")
JAVA = (
    # the compiler that starts fast: nothing here runs for long
    "java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Djruby.logger.class=com.puppetlabs.jruby_utils.jruby.Slf4jLogger", "-Djruby.lib=/usr/share/jruby/lib",
)  # fmt: skip
SERVICES = """\
puppetlabs.services.request-handler.request-handler-service/request-handler-service
puppetlabs.services.jruby.jruby-puppet-service/jruby-puppet-pooled-service
puppetlabs.services.jruby-pool-manager.jruby-pool-manager-service/jruby-pool-manager-service
puppetlabs.services.puppet-profiler.puppet-profiler-service/puppet-profiler-service
puppetlabs.trapperkeeper.services.webserver.jetty9-service/jetty9-service
puppetlabs.trapperkeeper.services.webrouting.webrouting-service/webrouting-service
puppetlabs.services.config.puppet-server-config-service/puppet-server-config-service
puppetlabs.services.master.master-service/master-service
puppetlabs.services.puppet-admin.puppet-admin-service/puppet-admin-service
puppetlabs.trapperkeeper.services.authorization.authorization-service/authorization-service
puppetlabs.services.versioned-code-service.versioned-code-service/versioned-code-service
puppetlabs.trapperkeeper.services.scheduler.scheduler-service/scheduler-service
puppetlabs.trapperkeeper.services.status.status-service/status-service
puppetlabs.trapperkeeper.services.metrics.metrics-service/metrics-service
puppetlabs.trapperkeeper.services.metrics.metrics-service/metrics-webservice
puppetlabs.services.jruby.jruby-metrics-service/jruby-metrics-service
puppetlabs.services.ca.certificate-authority-service/certificate-authority-service
puppetlabs.trapperkeeper.services.watcher.filesystem-watch-service/filesystem-watch-service
"""
ROUTES = {
    "puppetlabs.services.ca.certificate-authority-service/certificate-authority-service": "/puppet-ca",
    "puppetlabs.services.master.master-service/master-service": "/puppet",
    "puppetlabs.services.puppet-admin.puppet-admin-service/puppet-admin-service": "/puppet-admin-api",
    "puppetlabs.trapperkeeper.services.status.status-service/status-service": "/status",
    "puppetlabs.trapperkeeper.services.metrics.metrics-service/metrics-webservice": "/metrics",
}
LOGGING = """\
<configuration>
  <appender name="F" class="ch.qos.logback.core.FileAppender">
    <file>{folder}/log/puppetserver.log</file>
    <encoder><pattern>%d %-5p [%c{{2}}] %m%n</pattern></encoder>
  </appender>
  <root level="info"><appender-ref ref="F"/></root>
</configuration>
"""
SETTINGS = """\
[main]
certname = {name}
ssldir = {folder}/ssl
cadir = {folder}/ca
keylength = 2048
[server]
{more}
"""
SIGNS_AND_KEEPS = "autosign = true\nreports = store\n"
GIVEN_UP = "Finished shutdown sequence"
"""What its log says after an error in its start; the process stays, and does nothing."""
SECONDS = 900.0  # some 50 of a processor: its first start makes an authority, and a machine may be busy


def _rule(path: str, methods: str, allow: str = "") -> Mapping[str, object]:
    """Who may ask for what; anybody where no name is said."""
    kind = "regex" if path.startswith("^") else "path"
    who: dict[str, object] = {"allow": allow} if allow else {"allow-unauthenticated": True}
    match = {"path": path, "type": kind, "method": methods.split()}
    return {"match-request": match, "sort-order": 500, "name": path, **who}


RULES = [
    _rule("/puppet-ca/v1/certificate/", "get"),
    _rule("/puppet-ca/v1/certificate_revocation_list/ca", "get"),
    _rule("/puppet-ca/v1/certificate_request", "get put"),
    _rule("/status/v1/simple", "get"),
    _rule("^/puppet/v3/catalog/([^/]+)$", "get post", "$1"),
    _rule("^/puppet/v3/node/([^/]+)$", "get", "$1"),
    _rule("^/puppet/v3/report/([^/]+)$", "put", "$1"),
    *(_rule(f"/puppet/v3/{name}", "get post", "*") for name in ("file_content", "file_metadata")),  # and what begins so
]


@dataclass(kw_only=True)
class PuppetServer(Serving):
    """It compiles for the environments below `code`; what it keeps lies below `folder`."""

    folder: Path
    code: Path
    port: int

    @classmethod
    def prepared(
        cls, folder: Path, code: Path, more: str = SIGNS_AND_KEEPS, *, name: str = "localhost",
        address: str = "127.0.0.1", port: int = 0,
    ) -> PuppetServer:  # fmt: skip
        """Everything that it needs but a start. `more`: lines of [server] in puppet.conf; `port`: 0 for a free one."""
        needs("puppet", "java")
        if not JAR.exists():
            needs("puppetserver")
        server = cls(folder=folder, code=code, port=port or free_port())
        places = {f"server-{name}-dir": f"{folder}/{name}" for name in ("conf", "var", "run", "log")}
        settings = {
            "global": {"logging-config": f"{folder}/logback.xml"},
            "jruby-puppet": {
                "ruby-load-path": ["/usr/lib/puppetserver/ruby/vendor_ruby"], "gem-home": f"{folder}/gems",
                "gem-path": [f"{folder}/gems", "/usr/lib/puppetserver/vendored-jruby-gems"],
                "server-code-dir": str(code), "max-active-instances": 1, **places,
            },
            "webserver": {"client-auth": "want", "ssl-host": address, "ssl-port": server.port},
            "web-router-service": ROUTES, "authorization": {"version": 1, "rules": RULES},
            "certificate-authority": {}, "http-client": {}, "profiler": {"enabled": False},
            "metrics": {"server-id": name},
        }  # fmt: skip
        write(
            folder,
            {
                "settings/all.json": json.dumps(settings), "services/all.cfg": SERVICES,
                "logback.xml": LOGGING.format(folder=folder),
                "conf/puppet.conf": SETTINGS.format(folder=folder, name=name, more=more),
            },
        )  # fmt: skip
        for name in ("var", "run", "log", "gems"):
            (folder / name).mkdir()
        return server

    def start(self) -> None:
        """It listens once it has written so into the file that its package's service looks at, too.

        Raises ChildProcessError where it ends before, TimeoutError where it takes longer than SECONDS.
        """
        ready = self.folder / "ready"
        ready.write_text("0")
        words = [*JAVA, "-jar", JAR, "--config", self.folder / "settings", "--bootstrap-config",
                 self.folder / "services", "--restart-file", ready]  # fmt: skip
        with (self.folder / "log/out").open("wb") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, "HOME": str(self.folder)},
            )  # fmt: skip
        end = time.monotonic() + SECONDS
        while ready.read_text().strip() in ("", "0"):
            if self.process.poll() is not None or GIVEN_UP in self.words():
                raise ChildProcessError(f"puppetserver has ended:\n{self.words()[-3000:]}")
            if time.monotonic() > end:
                raise TimeoutError(f"puppetserver does not start within {SECONDS:.0f} s:\n{self.words()[-3000:]}")
            time.sleep(0.2)

    def words(self) -> str:
        """What it has said so far."""
        logs = (self.folder / "log/out", self.folder / "log/puppetserver.log")
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())


@contextmanager
def running(folder: Path, code: Path, more: str = SIGNS_AND_KEEPS) -> Iterator[PuppetServer]:
    server = PuppetServer.prepared(folder, code, more)
    try:
        server.start()
        yield server
    finally:
        server.stop()
