"""An LDAP server for demonstrations and tests: serves one LDIF file on loopback, from memory.

python ldap_stand_in.py --port 0 --ldif people.ldif --ready FILE     (needs: ldaptor)
"""

from __future__ import annotations

import argparse
import os
from io import BytesIO
from pathlib import Path

from ldaptor.inmemory import ReadOnlyInMemoryLDAPEntry, fromLDIFFile
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import reactor
from twisted.internet.protocol import ServerFactory
from twisted.python.components import registerAdapter
from twisted.python.failure import Failure


class DirectoryFactory(ServerFactory):
    """Gives each connection the same tree; ldaptor's server checks passwords and searches in it."""

    protocol = LDAPServer
    noisy = False

    def __init__(self, root: ReadOnlyInMemoryLDAPEntry) -> None:
        self.root = root


registerAdapter(lambda factory: factory.root, DirectoryFactory, IConnectedLDAPEntry)


def read_tree(ldif: Path) -> ReadOnlyInMemoryLDAPEntry:
    """The entries of the file. ldaptor drops a last entry that no blank line follows, so one is added."""
    outcome: list[ReadOnlyInMemoryLDAPEntry | Failure] = []
    fromLDIFFile(BytesIO(ldif.read_bytes().replace(b"\r\n", b"\n") + b"\n\n")).addBoth(outcome.append)
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]


def announce(port: int, ready: Path) -> None:
    """Write the port so that a waiting reader sees all of it or nothing."""
    draft = ready.with_name(f"{ready.name}.{os.getpid()}")
    draft.write_text(f"{port}\n")
    draft.replace(ready)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=3890, help="0: any free port")
    parser.add_argument("--ldif", type=Path, required=True)
    parser.add_argument("--ready", type=Path, help="file to write the port to, once listening")
    options = parser.parse_args()

    listening = reactor.listenTCP(options.port, DirectoryFactory(read_tree(options.ldif)), interface="127.0.0.1")
    port = listening.getHost().port
    print(f"directory listens on ldap://127.0.0.1:{port}", flush=True)
    if options.ready:
        reactor.callWhenRunning(announce, port, options.ready)
    reactor.run()


if __name__ == "__main__":
    main()
