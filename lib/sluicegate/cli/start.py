"""The console script: starts at once for `--version`, turns errors into messages and exit codes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:  # asked in every job step; no library is needed for it
        from sluicegate import __version__

        print(f"sluicegate {__version__}")
        return
    import signal

    from sluicegate.cli.main import run, terminate

    signal.signal(signal.SIGTERM, terminate)
    sys.exit(run(sys.argv[1:]))
