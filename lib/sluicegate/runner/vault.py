"""Secrets at rest below `<home>/secrets`: one key, sealed texts, and the credentials that jobs may bind."""

from __future__ import annotations

import base64
import json
import os
import secrets
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed, NotFound, SluicegateError, UsageError
from sluicegate.runner.masking import refuse_short
from sluicegate.tools import files, xml

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

CLASSES = {
    "string": "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl",
    "user": "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl",
    "ssh": "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey",
    "file": "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl",
    "certificate": "com.cloudbees.plugins.credentials.impl.CertificateCredentialsImpl",
}
"""Kind of credential -> Jenkins' class."""
SECRETS = {
    "string": "secret",
    "user": "password",
    "ssh": "privateKeySource/privateKey",
    "file": "secretBytes",
    "certificate": "keyStoreSource/uploadedKeystoreBytes",
}
"""Kind of credential -> where its class keeps the secret. A file and a key store are base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A stored secret of one of the kinds of `CLASSES`. It prints without its secret.

    `passphrase` opens an ssh key or a key store; `file_name` is what a file is called where a build sees it.
    """

    id: str
    kind: str
    secret: str
    user: str = ""
    description: str = ""
    passphrase: str = ""
    file_name: str = ""

    @property
    def content(self) -> bytes:
        """The bytes of a file or a key store. Raises Malformed when they are not base64."""
        try:
            return base64.b64decode(self.secret.strip("{}"), validate=False)
        except ValueError as problem:
            raise Malformed(f"the credential '{self.id}' is not base64: {problem}") from problem

    def __repr__(self) -> str:
        return f"Credential(id={self.id!r}, kind={self.kind!r}, user={self.user!r}, secret=****)"


class Vault:
    """Keeps `<home>/secrets/master.key` and `<home>/secrets/credentials` (encrypted JSON), both mode 0600."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(folder, 0o700)
        self.folder = folder
        self._lock = threading.RLock()
        self._fernet: Fernet | None = None

    def word(self, name: str) -> str:
        """A random word that is made once and kept in a file: server cookie, session key, password."""
        path = self.folder / name
        with self._lock:
            if not path.exists():
                files.replace(path, f"{secrets.token_hex(16)}\n".encode(), mode=0o600)
            return path.read_text().strip()

    def seal(self, text: str) -> str:
        """Encrypt a text, in braces as hudson.util.Secret writes it."""
        return "{" + self._cipher().encrypt(text.encode("utf-8", "surrogateescape")).decode() + "}"

    def open(self, sealed: str) -> str:
        """Decrypt what `seal` made. Raises SluicegateError when the key is another one."""
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher().decrypt(sealed.strip("{}").encode()).decode("utf-8", "surrogateescape")
        except InvalidToken as problem:
            raise SluicegateError("a secret was sealed with another key than secrets/master.key") from problem

    def _cipher(self) -> Fernet:
        from cryptography.fernet import Fernet

        with self._lock:
            if self._fernet is None:
                path = self.folder / "master.key"
                if not path.exists():
                    files.replace(path, Fernet.generate_key(), mode=0o600)
                self._fernet = Fernet(path.read_bytes().strip())
            return self._fernet

    def credentials(self) -> dict[str, Credential]:
        """All stored credentials by id."""
        path = self.folder / "credentials"
        with self._lock:
            if not path.exists():
                return {}
            rows = json.loads(self.open(path.read_text()))
        return {row["id"]: Credential(**row) for row in rows}

    def credential(self, name: str) -> Credential:
        credential = self.credentials().get(name)
        if credential is None:
            raise NotFound(
                f"there is no credential '{name}'", hint="store it by createCredentials, see the runner's docs"
            )
        return credential

    def store(self, credential: Credential, *, new: bool = True) -> None:
        """Add or replace a credential; `new` refuses an id that is taken."""
        refuse_short(credential.secret, credential.id)
        with self._lock:
            known = self.credentials()
            if new and credential.id in known:
                raise UsageError(f"there is a credential '{credential.id}' already")
            self._write({**known, credential.id: credential})

    def forget(self, name: str) -> None:
        with self._lock:
            self._write({key: value for key, value in self.credentials().items() if key != name})

    def _write(self, known: dict[str, Credential]) -> None:
        rows = json.dumps([asdict(credential) for credential in known.values()])
        files.replace(self.folder / "credentials", self.seal(rows).encode(), mode=0o600)


def from_xml(content: bytes) -> Credential:
    """A credential as clients post it to createCredentials."""
    root: Element = xml.parse(content, limit=1 << 20, source="the credential")
    name = xml.text(root, "id").strip()
    if not name:
        raise Malformed("the credential has no <id>")
    kind = next((kind for kind, tag in CLASSES.items() if tag == root.tag), None)
    if kind is None:
        known = ", ".join(CLASSES.values())
        raise Malformed(f"<{root.tag}> is not a kind of credential that is kept here", hint=f"use one of {known}")
    return Credential(
        id=name,
        kind=kind,
        secret=xml.text(root, SECRETS[kind]),
        user=xml.text(root, "username"),
        description=xml.text(root, "description"),
        passphrase=xml.text(root, "password" if kind == "certificate" else "passphrase"),
        file_name=xml.text(root, "fileName"),
    )


def to_xml(credential: Credential) -> str:
    """The credential for config.xml: without its secret."""
    root, secret = CLASSES[credential.kind], SECRETS[credential.kind].rpartition("/")[2]
    user = xml.tag("username", credential.user, "  ") if credential.user else ""
    head = xml.tag("id", credential.id, "  ") + xml.tag("description", credential.description, "  ")
    return (
        f"<{root}>\n  <scope>GLOBAL</scope>\n{head}{user}  <{secret}>\n    <secret-redacted/>\n  </{secret}>\n</{root}>"
    )
