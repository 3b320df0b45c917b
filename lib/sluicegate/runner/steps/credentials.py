"""credentials-binding: secrets from the vault as variables and files of the build, masked in its log."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.masking import refuse_short
from sluicegate.runner.vault import Credential
from sluicegate.tools import archives

PREFIX = "org.jenkinsci.plugins.credentialsbinding.impl."
Values = dict[str, str]


class Binding:
    """One binding: which credential, of which kind, and what it sets. A variable that is not named is not set."""

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text("credentialsId").strip()
        self.kind, self.values, names = BINDINGS[fields.tag.removeprefix(PREFIX)]
        self.variables = {name: fields.text(name).strip() for name in names}

    def bind(self, build: Build, folder: Path) -> Values:
        """The variables of this binding; what is secret in them is masked from now on."""
        credential = find(build, build.expand(self.name), self.kind)
        values = self.values(credential, folder)
        if self.kind in ("string", "user", "ssh"):
            shown = [value for value in values.values() if credential.secret in value]
            build.mask([credential.secret, *shown])
        build.mask([credential.passphrase])
        return {variable: value for name, value in values.items() if (variable := self.variables.get(name))}


def find(build: Build, name: str, kind: str) -> Credential:
    """The credential. Raises StepFailed when there is none, or one of another kind."""
    try:
        credential = build.services.credential(name)
        refuse_short(credential.secret, name)
    except SluicegateError as problem:
        raise StepFailed(problem.message) from problem
    if credential.kind != kind:
        raise StepFailed(f"the credential '{name}' is of the kind {credential.kind}, expected {kind}")
    return credential


def _text(credential: Credential, folder: Path) -> Values:
    return {"variable": credential.secret}


def _both(credential: Credential, folder: Path) -> Values:
    return {"variable": f"{credential.user}:{credential.secret}"}


def _login(credential: Credential, folder: Path) -> Values:
    return {"usernameVariable": credential.user, "passwordVariable": credential.secret}


def _file(credential: Credential, folder: Path) -> Values:
    return {"variable": str(_kept(folder, credential.file_name or credential.id, credential.content))}


def _zip(credential: Credential, folder: Path) -> Values:
    """The folder that the file unpacks to; nothing is written outside it."""
    target = folder / "unpacked"
    try:
        with zipfile.ZipFile(io.BytesIO(credential.content)) as archive:
            archive.extractall(target)
    except archives.Damage as problem:
        raise StepFailed(f"the credential '{credential.id}' is not a ZIP file: {problem}") from problem
    return {"variable": str(target)}


def _key(credential: Credential, folder: Path) -> Values:
    # OpenSSH refuses a key without a newline at its end.
    path = _kept(folder, f"ssh-key-{credential.user or 'user'}", f"{credential.secret.rstrip()}\n".encode())
    return {
        "keyFileVariable": str(path),
        "usernameVariable": credential.user,
        "passphraseVariable": credential.passphrase,
    }


def _certificate(credential: Credential, folder: Path) -> Values:
    path = _kept(folder, f"keystore-{credential.id}", credential.content)
    return {
        "keystoreVariable": str(path),
        "passwordVariable": credential.passphrase,
        "aliasVariable": credential.description or credential.id,
    }


def _kept(folder: Path, name: str, content: bytes) -> Path:
    """A file that only this user may read."""
    path = folder / Path(name).name
    path.write_bytes(content)
    path.chmod(stat.S_IRUSR)
    return path


BINDINGS: dict[str, tuple[str, Callable[[Credential, Path], Values], tuple[str, ...]]] = {
    "StringBinding": ("string", _text, ("variable",)),
    "UsernamePasswordBinding": ("user", _both, ("variable",)),
    "UsernamePasswordMultiBinding": ("user", _login, ("usernameVariable", "passwordVariable")),
    "FileBinding": ("file", _file, ("variable",)),
    "ZipFileBinding": ("file", _zip, ("variable",)),
    "SSHUserPrivateKeyBinding": ("ssh", _key, ("keyFileVariable", "usernameVariable", "passphraseVariable")),
    "CertificateMultiBinding": ("certificate", _certificate, ("keystoreVariable", "passwordVariable", "aliasVariable")),
}


class SecretBuildWrapper:
    """Binds for all steps. Files lie beside the workspace and go away with the build."""

    before_scm = True

    def __init__(self, fields: Fields) -> None:
        self.bindings = tuple(b for b in fields.parts("binding", "bindings/*") if isinstance(b, Binding))

    def plan(self) -> str:
        return f"bind the credentials {', '.join(binding.name for binding in self.bindings)}"

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        with build.scratch() as folder:
            bound: Values = {}
            for index, binding in enumerate(self.bindings):
                inner = folder / str(index)
                inner.mkdir()
                bound |= binding.bind(build, inner)
            build.show(folder)
            with build.variables_set(bound):
                yield


ELEMENTS = (
    Entry(tag=f"{PREFIX}SecretBuildWrapper", plugin="credentials-binding", kind="wrapper", make=SecretBuildWrapper),
    *(Entry(tag=f"{PREFIX}{name}", plugin="credentials-binding", kind="binding", make=Binding) for name in BINDINGS),
)
