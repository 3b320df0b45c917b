"""Starts the service: python3 -m auth."""

import os
from pathlib import Path

from auth.directory import LdapDirectory
from auth.release import read_version
from auth.server import Auth
from auth.serving import run

run(
    Auth(
        directory=LdapDirectory(
            url=os.environ.get("LDAP_URL", "ldap://127.0.0.1:3890"),
            base=os.environ.get("LDAP_BASE", "dc=example,dc=com"),
        ),
        version=read_version(Path(__file__).parent.parent),
    ),
    name="auth",
    port=8001,
)
