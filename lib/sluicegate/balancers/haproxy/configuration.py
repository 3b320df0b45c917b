"""The parts of haproxy.cfg that a swap needs: rules of the frontend, and a backend for each group and component."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sluicegate.balancers import preview

PROBES = "/.sluicegate"
HEAD = (
    "# Into the section global, as a reload leaves its requests to a process whose socket nobody sees any more:",
    "#     hard-stop-after 5m",
    "# Into the frontend that users reach, before its other use_backend rules:",
)

Upstreams = Mapping[str, Mapping[str, Sequence[str]]]
"""Group -> component -> `host:port` of each of its hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The cookie that keeps users on their server, and what bounds it."""

    cookie: str
    idle: timedelta
    life: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the fragments are made from. `routes` gives each component its path prefix, `probes` its probe's path."""

    map_file: str
    groups: Sequence[str]
    routes: Mapping[str, str]
    probes: Mapping[str, str]
    session: Session | None


def fragments(layout: Layout, upstreams: Upstreams) -> str:
    """Text to be put into haproxy.cfg: the rules first, for the frontend that users reach, then the backends."""
    lines = [*HEAD]
    lines += [f"    {rule}" for rule in _rules(layout)]
    for group in layout.groups:
        for component in layout.routes:
            addresses = upstreams.get(group, {}).get(component, ())
            lines += ["", f"backend {group}_{component}"]
            lines += [f"    {setting}" for setting in _backend(layout, group, component, addresses)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLayout:
    """What a pool's fragments are made from; `agent` is the port of each host's agent, 0 for none.

    With `by_health` a host says by its health check that it is drained.
    """

    name: str
    servers: str
    routes: Mapping[str, str]
    probes: Mapping[str, str]
    session: Session | None
    by_health: bool = False
    agent: int = 0


def pool_fragments(layout: PoolLayout, upstreams: Mapping[str, Mapping[str, str]]) -> str:
    """The same for a pool: each host is a server of one backend a component.

    `upstreams`: component -> host -> `host:port`.
    """
    lines = [*HEAD]
    lines += [f"    {rule}" for rule in _pool_rules(layout)]
    where = f"Into {layout.servers}, whose weights sluicegate writes" if layout.servers else "Anywhere"
    lines += ["", f"# {where}:"]
    for component in layout.routes:
        lines += [f"backend {layout.name}_{component}"]
        lines += [f"    {setting}" for setting in _pool_backend(layout, component, upstreams.get(component, {}))]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _pool_rules(layout: PoolLayout) -> list[str]:
    rules = []
    for component, path in layout.probes.items():
        probing = f"{{ var(txn.sluicegate_probe) -m str {component} }}"
        rules.append(
            f"http-request set-var(txn.sluicegate_probe) str({component}) if {{ path {PROBES}/{component}{path} }}"
        )
        rules.append(f"http-request set-path {path} if {probing}")
        rules.append(f"use_backend {layout.name}_{component} if {probing}")
    for component, prefix in layout.routes.items():
        rules += _prefix_acls(component, prefix.rstrip("/"))
        condition = f" if sluicegate_to_{component}" if prefix.rstrip("/") else ""
        rules.append(f"use_backend {layout.name}_{component}{condition}")
    return rules


def _pool_backend(layout: PoolLayout, component: str, hosts: Mapping[str, str]) -> list[str]:
    settings = _backend_head(layout.session, layout.probes.get(component, "/"))
    if layout.by_health and not layout.agent:
        settings.append("http-check disable-on-404")
    agent = f" agent-check agent-port {layout.agent} agent-inter 500ms" if layout.agent else ""
    for host, address in hosts.items():
        cookie = f" cookie {host}" if layout.session else ""
        settings.append(f"server {host} {address} check inter 1s rise 1{agent} weight 100{cookie}")
    return settings


def missing_lines(wanted: str, existing: str) -> list[str]:
    """The lines of the fragments that an haproxy.cfg does not have, each with the section that it belongs to."""
    present = set(_sections(existing))
    return [
        f"{section or 'the frontend that users reach'}: {line}"
        for section, line in _sections(wanted)
        if (section, line) not in present
    ]


def _sections(text: str) -> list[tuple[str, str]]:
    """Section and line of each line that says something, blanks folded; of a backend's lines the name is a part."""
    section, lines = "", []
    for raw in text.splitlines():
        line = " ".join(re.sub(r"(^|\s)#.*", "", raw).split())
        if re.match(r"(backend|frontend|listen|global|defaults)\b", line):
            section = line if line.startswith("backend") else ""
        if line:
            lines.append((section, line))
    return lines


def _rules(layout: Layout) -> list[str]:
    live = f"str(live),map({layout.map_file})"
    rules = [f"acl sluicegate_live_{group} {live} -m str {group}" for group in layout.groups]
    for component, path in layout.probes.items():
        condition = f"{{ path {PROBES}/{component}{path} }}"
        rules.append(f"http-request set-var(txn.sluicegate_probe) str({component}) if {condition}")
        rules.append(f"http-request set-path {path} if {{ var(txn.sluicegate_probe) -m str {component} }}")
        rules.append(f"use_backend %[{live}]_{component} if {{ var(txn.sluicegate_probe) -m str {component} }}")
    rules += _asks(layout)
    for component, prefix in layout.routes.items():
        rules += _routes(layout, component, prefix.rstrip("/"), live)
    return rules


def _asks(layout: Layout) -> list[str]:
    """Who asks for the preview, and who has a session that is kept."""
    rules = [f"acl sluicegate_preview str(preview),map({layout.map_file},off) -m str on"]
    for word, name in (("on", "asked"), ("off", "declined")):
        rules.append(f"acl sluicegate_{name} req.cook({preview.COOKIE}) -m str {word}")
        rules.append(f"acl sluicegate_{name} req.hdr({preview.HEADER}) -m str {word}")
    if layout.session:
        rules.append(f"acl sluicegate_keep str(sessions),map({layout.map_file},end) -m str keep")
        rules += [
            f"acl sluicegate_on_{group} req.cook({layout.session.cookie}) -m beg {group}." for group in layout.groups
        ]
    return rules


def _routes(layout: Layout, component: str, prefix: str, live: str) -> list[str]:
    condition = f" sluicegate_to_{component}" if prefix else ""
    rules = _prefix_acls(component, prefix)
    previewed = "sluicegate_preview sluicegate_asked !sluicegate_declined"
    for group in layout.groups:
        for live_group in layout.groups:
            if live_group != group:
                rules.append(f"use_backend {group}_{component} if{condition} {previewed} sluicegate_live_{live_group}")
    for group in layout.groups if layout.session else ():
        rules.append(f"use_backend {group}_{component} if{condition} sluicegate_keep sluicegate_on_{group}")
    rules.append(f"use_backend %[{live}]_{component}" + (f" if{condition}" if condition else ""))
    return rules


def _prefix_acls(component: str, prefix: str) -> list[str]:
    """What asks for a component; nothing where all that is left does."""
    return [f"acl sluicegate_to_{component} {how}" for how in (f"path {prefix}", f"path_beg {prefix}/")] * bool(prefix)


def _backend(layout: Layout, group: str, component: str, addresses: Sequence[str]) -> list[str]:
    settings = _backend_head(layout.session, layout.probes.get(component, "/"))
    for number, address in enumerate(addresses, start=1):
        cookie = f" cookie {group}.{number}" if layout.session else ""
        settings.append(f"server {group}.{number} {address} check inter 500ms rise 1{cookie}")
    return settings


def _backend_head(session: Session | None, probe: str) -> list[str]:
    settings = ["balance roundrobin"]
    if session:
        bounds = f"maxidle {_seconds(session.idle)} maxlife {_seconds(session.life)}"
        settings.append(f"cookie {session.cookie} insert indirect nocache httponly {bounds}")
    return [*settings, "option redispatch", f"option httpchk GET {probe}"]


def _seconds(span: timedelta) -> str:
    return f"{max(1, round(span.total_seconds()))}s"
