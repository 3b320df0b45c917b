"""What the deployer `packages` expects of a package manager."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sluicegate.ports import Host


class PackageManager(Protocol):
    """Versions are spelled as they were published. Each call raises as Host does, and in the manager's own words."""

    @property
    def source(self) -> str:
        """Where our packages come from, as people know it; nothing else is refreshed."""

    def installed(self, host: Host, packages: Collection[str]) -> dict[str, str]:
        """Package -> version of what is wholly installed."""

    def broken(self, host: Host) -> str:
        """What keeps the manager from changing anything there, for which no force of ours is right; '' for nothing."""

    def offered(self, host: Host, packages: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Package -> its versions at our source, which is read anew for it."""

    def trial(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> str:
        """Why the change could not be made, in the manager's words; '' when it could."""

    def change(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> None:
        """Make it, asking nobody; afterwards nothing but us moves what was installed."""

    def asking(self, packages: Sequence[str]) -> str:
        """The command by which a person asks what is there."""
