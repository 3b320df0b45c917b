"""What every host checks: paths below its folder, the ports of its components, and how root is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from sluicegate.errors import Denied, Malformed, NotFound
from sluicegate.model.settings import Settings
from sluicegate.tools.process import Completed


def below(path: str) -> PurePosixPath:
    """The path, which must stay below the host's folder."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts or not parts.parts or "\0" in path:
        raise Malformed(f"'{path}' is not a path below a host's folder", hint="correct the name or the version")
    return parts


def read_ports(settings: Settings) -> dict[str, int]:
    """The key `ports`: component -> port."""
    listed = settings.below("ports")
    ports = {component: listed.number(component) for component in listed.values}
    for component, port in ports.items():
        if not 0 < port < 65536:
            raise settings.fail(f"the port of '{component}' is {port}, expected 1 to 65535")
    return ports


def base_url(name: str, address: str, ports: Mapping[str, int], component: str, where: str) -> str:
    """Where a component of the host `name` answers."""
    if component not in ports:
        raise NotFound(
            f"the host '{name}' has no port for '{component}'",
            hint=f"add it at {where or 'the host'}: ports: {{{component}: 8101}}",
        )
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{ports[component]}"


def as_root(argv: Sequence[str]) -> tuple[str, ...]:
    """The same as root: as it is where we are root, else by sudo without a question.

    Nobody sits there: debconf must not ask, and needrestart neither ask nor restart what is not ours.
    """
    script = "export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1; "
    script += 'if [ "$(id -u)" = 0 ]; then exec "$@"; fi; exec sudo -n -- "$@"'
    return ("sh", "-c", script, "sh", *argv)


def refuse_denied(name: str, argv: Sequence[str], done: Completed) -> None:
    """Raise Denied when sudo said no, or is not there."""
    if done.status != 0 and (b"sudo: " in done.stderr or b"sudo: not found" in done.stderr):
        complaint = next(line for line in done.error_text.splitlines() if "sudo: " in line)
        raise Denied(
            f"the host '{name}' lets us not run {argv[0]} as root: {complaint}",
            hint="docs/how-to/real-servers.md has the lines for sudoers",
        )
