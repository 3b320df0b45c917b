"""A real slapd with some people, on a loopback port, as an ordinary user."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.needs import program
from tests.real.serving import Serving

BASE = "dc=example,dc=com"
READER = f"cn=reader,{BASE}"
CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=example,dc=com"
rootdn "cn=root,dc=example,dc=com"
rootpw root-word
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by {readers} read by anonymous auth by * none
"""
PEOPLE = rf"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-word

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups

dn: uid=gerd,ou=people,{BASE}
objectClass: inetOrgPerson
uid: gerd
cn: Gerd
sn: G
userPassword: gerd-word

dn: uid=lena,ou=people,{BASE}
objectClass: inetOrgPerson
uid: lena
cn: Lena
sn: L
userPassword: lena-word

dn: uid=admin,ou=people,{BASE}
objectClass: inetOrgPerson
uid: admin
cn: Somebody Else
sn: E
userPassword: else-word

dn: cn=qa,ou=groups,{BASE}
objectClass: groupOfNames
cn: qa
member: uid=lena,ou=people,{BASE}
member: uid=gone,ou=people,{BASE}

dn: cn=leads,ou=groups,{BASE}
objectClass: groupOfUniqueNames
cn: leads
uniqueMember: uid=gerd,ou=people,{BASE}
uniqueMember: cn=round,ou=groups,{BASE}

dn: cn=round,ou=groups,{BASE}
objectClass: groupOfNames
cn: round
member: cn=leads,ou=groups,{BASE}

dn: cn=everybody,ou=groups,{BASE}
objectClass: groupOfNames
cn: everybody
member: cn=round,ou=groups,{BASE}
member: cn=qa,ou=groups,{BASE}

dn: cn=odd\2C (name),ou=groups,{BASE}
objectClass: groupOfNames
cn: odd, (name)
member: uid=gerd,ou=people,{BASE}

dn: cn=empty,ou=groups,{BASE}
objectClass: posixGroup
cn: empty
gidNumber: 901

dn: cn=unix,ou=groups,{BASE}
objectClass: posixGroup
cn: unix
gidNumber: 900
memberUid: gerd
"""


@dataclass
class Slapd(Serving):
    """The running directory."""

    folder: Path
    port: int
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"ldap://{self.address}:{self.port}"

    def start(self) -> None:
        words = [program("slapd"), "-d", "0", "-f", self.folder / "slapd.conf", "-h", self.url]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex((self.address, self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("slapd does not start")

    def change(self, ldif: str) -> None:
        words = ["ldapmodify", "-x", "-H", self.url, "-D", f"cn=root,{BASE}", "-w", "root-word"]
        subprocess.run(words, input=ldif.encode(), check=True, capture_output=True)


def prepared(
    folder: Path, people: str = PEOPLE, *, readers: str = "users", address: str = "127.0.0.1", port: int = 0
) -> Slapd:
    """A directory with these people (LDIF) that `readers` may read, ready to be started; any free port for 0."""
    (folder / "db").mkdir(parents=True)
    (folder / "slapd.conf").write_text(CONFIG.format(folder=folder, readers=readers))
    (folder / "people.ldif").write_text(people.lstrip())
    words = [program("slapadd"), "-f", str(folder / "slapd.conf"), "-l", str(folder / "people.ldif")]
    subprocess.run(words, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind((address, port))
        port = free.getsockname()[1]
    return Slapd(folder, port, address)


@contextmanager
def running(folder: Path) -> Iterator[Slapd]:
    slapd = prepared(folder)
    slapd.start()
    try:
        yield slapd
    finally:
        slapd.stop()
