"""Balancer driver `caddy`: Caddy reads a small file for every request, and a swap renames that file.

Caddy's admin API is off: each change through it restarts the server and loses requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sluicegate.balancers import preview
from sluicegate.balancers.routes import read_routes
from sluicegate.errors import RemoteUnavailable, SluicegateError, UnknownName
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings, suggestion
from sluicegate.model.values import Json
from sluicegate.ports import Host
from sluicegate.tools import door, files

GROUP_COOKIE = "sluicegate-group"
HOST_COOKIE = "sluicegate-host"
PROBES = "/.sluicegate"
WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"

Upstreams = Mapping[str, Mapping[str, Sequence[str]]]
"""Group -> component -> `host:port` of each of its hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaddyBalancer:
    """The switch file: the live group, behind it `keep` while logged-in users stay where they are, and `preview`."""

    file: Path
    url: str
    cookie: str = "session"
    routes: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    probes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> CaddyBalancer:
        """Read `file`, `address`, `cookie` and `routes`."""
        settings.only("file", "address", "cookie", "routes", "sessions")
        file = Path(settings.text("file"))
        if not file.is_absolute() or re.search(r"[{}\x00-\x1f]", str(file)):
            raise settings.fail(f"'file' is '{file}', expected an absolute path without braces", "file")
        url = settings.text("address").rstrip("/")
        if not re.fullmatch(r"https?://[^/?#]+", url):
            raise settings.fail(f"'address' is '{url}', expected a form such as http://127.0.0.1:8080", "address")
        cookie = settings.text("cookie", "session")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", cookie):
            raise settings.fail(
                f"'cookie' is '{cookie}', expected a name of letters, digits, '_', '.' and '-'", "cookie"
            )
        routes = read_routes(settings, config)
        return cls(
            file=file,
            url=url,
            cookie=cookie,
            routes=routes,
            groups=tuple(config.groups),
            probes={component: config.components[component].probe for component in routes},
        )

    def live(self) -> str:
        return self._read()[0]

    def preview(self, on: bool) -> None:
        group, keep, _ = self._read()
        self._write(f"{group}{' keep' if keep else ''}{' preview' if on else ''}")

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        if to not in self.groups:
            raise UnknownName(f"no group is called '{to}'.{suggestion(to, list(self.groups))}")
        self._write(f"{to} keep" if keep_sessions else to)

    def release(self) -> None:
        group, _, previewed = self._read()
        self._write(f"{group} preview" if previewed else group)

    def addresses(self, component: str) -> tuple[str, ...]:
        return (f"{self.url}{PROBES}/{component}",) if component in self.routes else ()

    def configuration(self, upstreams: Upstreams, *, against: str | None = None) -> str:
        text = json.dumps(self.caddy_config(upstreams), indent=1) + "\n"
        present = {line.strip() for line in (against or "").splitlines()}
        return "".join(line for line in text.splitlines(keepends=True) if line.strip() not in present)

    def caddy_config(self, upstreams: Upstreams) -> dict[str, Json]:
        """Caddy's configuration for this balancer, with the hosts of each group."""
        parts = urlsplit(self.url)
        return caddy_config(
            listen=f"{parts.hostname}:{parts.port or 80}",
            file=self.file,
            cookie=self.cookie,
            routes=self.routes,
            probes=self.probes,
            upstreams=upstreams,
        )

    def _read(self) -> tuple[str, bool, bool]:
        """The live group, whether logged-in users keep theirs, and whether testers may reach the other one."""
        door.passing(f"read {self.file.name}")
        try:
            text = self.file.read_text(errors="replace")
        except FileNotFoundError as problem:
            raise UnknownName(
                f"the balancer's switch file {self.file} does not exist, so no group is live",
                hint=f"write the live group into it: echo {self.groups[0] if self.groups else 'blue'} > {self.file}",
            ) from problem
        except OSError as problem:
            raise RemoteUnavailable(f"the balancer's switch file {self.file}: {problem.strerror}") from problem
        switch = re.fullmatch(rf"({WORD})( keep)?( preview)?\n?", text)
        if not switch or switch[1] not in self.groups:
            raise SluicegateError(
                f"the balancer's switch file {self.file} holds {text[:60]!r}, "
                f"expected one of {', '.join(self.groups)}, behind it 'keep', 'preview' or nothing",
                hint="write the live group into it",
            )
        return switch[1], switch[2] is not None, switch[3] is not None

    def _write(self, text: str) -> None:
        try:
            files.replace(self.file, text.encode() + b"\n")
        except OSError as problem:
            raise RemoteUnavailable(
                f"the balancer's switch file {self.file} cannot be written: {problem.strerror}",
                hint="check the rights on its folder",
            ) from problem


def caddy_config(
    *,
    listen: str,
    file: Path,
    cookie: str,
    routes: Mapping[str, str],
    probes: Mapping[str, str],
    upstreams: Upstreams,
) -> dict[str, Json]:
    """Caddy's configuration: users on `listen` (`host:port`) reach the group that the switch `file` names.

    `routes` gives each component its path prefix, which stays in the path; `probes` the one path of a component that
    `/.sluicegate/COMPONENT` reaches on the live group.
    """
    # No cookie can hold the ';' between the parts, so none can pass for another part.
    group_asked = f"{{http.vars.live}};{{http.request.cookie.{GROUP_COOKIE}}};{{http.request.cookie.{cookie}}}"
    wishes = f"{{http.request.cookie.{preview.COOKIE}}};{{http.request.header.{preview.HEADER}}}"
    chain: list[Json] = [
        # The file is read once a request: two reads around a rename could find the request nobody's.
        {"handle": [{"handler": "vars", "live": f"{{file.{file}}}"}]},
        {"handle": [{"handler": "vars", "asked": group_asked, "wishes": f"{{http.vars.live}};{wishes}"}]},
        *_probe_routes(upstreams, probes),
        {"match": [{"path": [PROBES, f"{PROBES}/*"]}], "terminal": True, "handle": [_answer(404, "no such probe")]},
    ]
    for group in sorted(upstreams):
        others = "|".join(re.escape(other_group) for other_group in sorted(upstreams) if other_group != group)
        if others:
            # Who is logged in, says the application's own cookie; without it the group's cookie counts for nothing.
            kept = f"^({others}) keep( preview)?;{re.escape(group)};."
            # Whoever says 'on' once and 'off' nowhere.
            previewed = f"^({others})( keep)? preview;(on;on|on;|;on)$"
            for variable, pattern in (("wishes", previewed), ("asked", kept)):
                match = {"vars_regexp": {variable: {"pattern": pattern}}}
                chain.append({"match": [match], **_group(group, upstreams, routes, cookie)})
    chain += [
        {"match": [{"vars": {"live": _states(group)}}], **_group(group, upstreams, routes, cookie)}
        for group in sorted(upstreams)
    ]
    chain.append({"handle": [_answer(503, "no group is live: see the switch file")]})
    return _config({f"users {listen}": _server(listen, chain)})


def _states(group: str) -> list[str]:
    """All that the switch file can say while a group is live."""
    return [f"{group}{keep}{more}" for keep in ("", " keep") for more in ("", " preview")]


def file_server_config(listen: str, folder: Path) -> dict[str, Json]:
    """Caddy's configuration to serve a directory repository; hidden files, unfinished uploads, are not shown."""
    # Not the handler's `hide`: its patterns meet the folder's own path as well.
    hidden = {
        "match": [{"path_regexp": {"pattern": r"/\."}}],
        "terminal": True,
        "handle": [_answer(404, "no such file")],
    }
    files_route = {"handle": [{"handler": "file_server", "root": str(folder), "browse": {}}]}
    return _config({f"files {listen}": _server(listen, [hidden, files_route])})


def merged(*configs: Mapping[str, Json]) -> dict[str, Json]:
    """Several configurations for one Caddy process."""
    servers: dict[str, Json] = {}
    for config in configs:
        servers.update(config["apps"]["http"]["servers"])
    return _config(servers)


def _config(servers: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "apps": {"http": {"grace_period": "2s", "servers": dict(servers)}},
    }


def _server(listen: str, routes: Sequence[Json]) -> dict[str, Json]:
    return {
        "listen": [listen],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": list(routes),
    }


def _answer(status: int, text: str) -> dict[str, Json]:
    return {"handler": "static_response", "status_code": status, "body": f"{text}\n"}


def _probe_routes(upstreams: Upstreams, probes: Mapping[str, str]) -> list[Json]:
    """`/.sluicegate/COMPONENT/probe`: written as the probe's own path, so that no spelling reaches another one."""
    routes: list[Json] = []
    for component, probe in sorted(probes.items()):
        groups = [
            {
                "match": [{"vars": {"live": _states(group)}}],
                "terminal": True,
                "handle": [{"handler": "rewrite", "uri": f"{probe}?"}, _proxy(upstreams[group][component])],
            }
            for group in sorted(upstreams)
            if component in upstreams[group]
        ]
        match = {"path": [f"{PROBES}/{component}{probe}"], "method": ["GET", "HEAD"]}
        routes.append({"match": [match], "handle": [{"handler": "subroute", "routes": groups}]})
    return routes


def _group(group: str, upstreams: Upstreams, routes: Mapping[str, str], cookie: str) -> dict[str, Json]:
    """One group with its components, the longest prefix first; `/` takes what is left."""
    inner: list[Json] = []
    for component, prefix in sorted(routes.items(), key=lambda item: (-len(item[1]), item[0])):
        if component in upstreams[group]:
            plain = prefix.rstrip("/")
            match = {"match": [{"path": [plain, f"{plain}/*"]}]} if plain else {}
            proxy = {**_proxy(upstreams[group][component]), "headers": _marking(group, cookie)}
            inner.append({**match, "terminal": True, "handle": [proxy]})
    inner.append({"handle": [_answer(404, "no component has this path")]})
    return {"terminal": True, "handle": [{"handler": "subroute", "routes": inner}]}


def _marking(group: str, cookie: str) -> dict[str, Json]:
    """When the application logs somebody in, note the group beside it."""
    mark = f"{GROUP_COOKIE}={group}; Path=/; HttpOnly"
    return {
        "response": {"require": {"headers": {"Set-Cookie": [f"{cookie}=*"]}}, "add": {"Set-Cookie": [mark]}},
    }


def _proxy(dials: Sequence[str]) -> dict[str, Json]:
    """Several hosts of a group: a user stays on one. A service that is just restarting is waited for."""
    balancing: dict[str, Json] = {"try_duration": "2s", "try_interval": "50ms"}
    if len(dials) > 1:
        balancing["selection_policy"] = {"policy": "cookie", "name": HOST_COOKIE}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": dial} for dial in dials],
        "load_balancing": balancing,
    }
