"""PuppetDB as a source of the hosts' last reports, by pypuppetdb. What it says is Puppet's word, as a report is.

It has the tags of the last catalog and not those of the last report: both must be of one run. Whether a run came to the
end of its catalog it does not say: `changed` and `unchanged` are taken for that.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sluicegate.errors import Denied, MissingProgram, RemoteUnavailable, TimedOut, Untrusted, UsageError
from sluicegate.model.numbers import decimal
from sluicegate.model.settings import Settings
from sluicegate.model.values import Json
from sluicegate.tools import door, extras
from sluicegate.tools.reports.puppet import MOST_KEPT, PuppetReport, error_in, intents_in

AT_ONCE = 50
"""Certnames in one question, which is part of a URL."""
PORTS = {"http": 8080, "https": 8081}
FIELDS = (
    "certname", "start_time", "status", "environment", "configuration_version", "cached_catalog_status", "noop",
    "noop_pending", "transaction_uuid",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where it is, and who we are there: a certificate of Puppet's authority, or a token from a variable. Seconds."""

    url: str
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_variable: str = ""
    seconds: float = 30.0

    @classmethod
    def configure(cls, settings: Settings) -> Database:
        """Read `url`, `ca`, `cert` with `key`, or `token`, and `seconds`."""
        settings.only("url", "ca", "cert", "key", "token", "seconds")
        url = settings.address("url")
        paths = {key: settings.text(key, "") for key in ("ca", "cert", "key")}
        for key, path in paths.items():
            if path and not path.startswith("/"):
                raise settings.fail(f"'{key}' of 'puppetdb' is '{path}', expected an absolute path of a file in PEM")
        token = settings.below("token")
        token.only("env")
        if bool(paths["cert"]) != bool(paths["key"]):
            raise settings.fail("'cert' and 'key' of 'puppetdb' belong together", "cert")
        if (paths["cert"] or token.values) and not url.startswith("https:"):
            raise settings.fail(f"'url' of 'puppetdb' is '{url}', expected https: who we are would be seen", "url")
        seconds = decimal(settings.text("seconds", "30"), least=1, most=600)
        if seconds is None:
            raise settings.fail(
                f"'seconds' is '{settings.text('seconds')}', expected a number from 1 to 600", "seconds"
            )
        return cls(url=url, token_variable=token.text("env", ""), seconds=seconds, **paths)

    def latest(self, certnames: Sequence[str]) -> Iterator[PuppetReport]:
        """The last report of each host that has one. Raises RemoteUnavailable, Denied, UsageError."""
        with self._connected() as database:
            for start in range(0, len(certnames), AT_ONCE):
                names = json.dumps([*certnames[start : start + AT_ONCE]])
                last = f"latest_report? = true and certname in {names}"
                reports = self._ask(database, f"reports[{', '.join(FIELDS)}] {{ {last} }}")
                logs = self._ask(database, f'reports[certname, logs] {{ status = "failed" and {last} }}')
                catalogs = self._ask(database, f"catalogs[certname, transaction_uuid] {{ certname in {names} }}")
                ours = f'type = "Class" and title = "Sluicegate" and certname in {names}'
                classes = self._ask(database, f"resources[certname, tags] {{ {ours} }}")
                runs = {_text(catalog, "certname"): _text(catalog, "transaction_uuid") for catalog in catalogs}
                intents = {_text(resource, "certname"): tuple(intents_in(resource.get("tags"))) for resource in classes}
                errors = {_text(report_logs, "certname"): _errors(report_logs) for report_logs in logs}
                for row in reports:
                    name, run = _text(row, "certname"), _text(row, "transaction_uuid")
                    same = run != "" and runs.get(name) == run
                    yield _report(row, intents.get(name, ()) if same else (), errors.get(name, ()))

    def _ask(self, database: Any, question: str) -> list[Mapping[str, Json]]:
        import requests

        door.passing(f"puppetdb {question.partition('[')[0]}")
        try:
            return [row for row in database.pql(question) if isinstance(row, dict)]
        except requests.exceptions.SSLError as problem:
            raise Untrusted(
                f"the PuppetDB {self.url} shows a certificate that is not trusted, or does not trust ours",
                hint="'ca' of 'puppetdb' is Puppet's authority: puppet config print localcacert",
            ) from problem
        except requests.exceptions.Timeout as problem:
            raise TimedOut(f"the PuppetDB {self.url} does not answer within {self.seconds:g} s") from problem
        except requests.exceptions.HTTPError as problem:
            status = problem.response.status_code if problem.response is not None else 0
            if status in (401, 403):
                raise Denied(
                    f"the PuppetDB {self.url} refuses us ({status})",
                    hint="is our certname in its certificate-allowlist?",
                ) from problem
            raise RemoteUnavailable(f"the PuppetDB {self.url} answers with status {status}") from problem
        except (requests.exceptions.RequestException, ValueError) as problem:
            raise RemoteUnavailable(f"the PuppetDB {self.url} does not answer as one") from problem

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            from pypuppetdb import connect
        except ImportError as problem:
            raise MissingProgram("PuppetDB needs the extra 'puppetdb'", hint=extras.install("puppetdb")) from problem
        token = os.environ.get(self.token_variable, "") if self.token_variable else ""
        if self.token_variable and not token:
            raise UsageError(f"the environment has no {self.token_variable}, which 'puppetdb' names for its token")
        logging.getLogger("pypuppetdb").addHandler(logging.NullHandler())  # what it logs it raises, too
        url = urlsplit(self.url)
        database = connect(
            host=url.hostname, port=url.port or PORTS[url.scheme], protocol=url.scheme, url_path=url.path or None,
            ssl_verify=self.ca or True, ssl_key=self.key or None, ssl_cert=self.cert or None, token=token or None,
            timeout=self.seconds,
        )  # fmt: skip
        database.session.trust_env = False  # neither proxies nor authorities of a job's step
        with database:
            yield database


def _report(row: Mapping[str, Json], intents: tuple[str, ...], errors: tuple[str, ...]) -> PuppetReport:
    status = _text(row, "status")
    return PuppetReport(
        host=_text(row, "certname"), time=_text(row, "start_time"), status=status,
        environment=_text(row, "environment"), configuration_version=_text(row, "configuration_version"),
        cached_catalog_status=_text(row, "cached_catalog_status"), noop=row.get("noop") is True,
        noop_pending=row.get("noop_pending") is True, transaction_uuid=_text(row, "transaction_uuid"),
        transaction_completed=status in ("changed", "unchanged"), intents=intents, errors=errors,
    )  # fmt: skip


def _errors(row: Mapping[str, Json]) -> tuple[str, ...]:
    """What a report gives as its errors; logs are a list, or below `data`."""
    logs = row.get("logs")
    entries = logs.get("data") if isinstance(logs, dict) else logs
    listed = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return tuple(dict.fromkeys(error for entry in listed if (error := error_in(entry)) is not None))[:MOST_KEPT]


def _text(row: Mapping[str, Json], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""
