"""Who we are to a server: from the environment, a netrc or a file with mode 0600; never shown."""

from __future__ import annotations

import base64
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sluicegate.errors import UsageError
from sluicegate.model.settings import Settings


class Secret:
    """A text that prints as ****; `reveal` is called where it goes onto the wire."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "****"

    def __eq__(self, compared: object) -> bool:
        return isinstance(compared, Secret) and compared._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Login:
    """User and password or token."""

    user: str
    password: Secret

    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password.reveal()}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where a login is kept; read when it is needed, so that a configuration can be checked without it.

    `kind` is none, netrc, env or file. Of env, `names` are the variables of user and password, or one variable that
    holds `user:password`, as Jenkins' credentials binding sets them.
    """

    kind: str = "none"
    names: tuple[str, ...] = ()
    file: str = ""

    @classmethod
    def configure(cls, name: str, settings: Settings) -> Credentials:
        """Read `credentials`: netrc, env, none, {env: [USER, PASSWORD]}, {env: BOTH}, {netrc: PATH} or {file: PATH}."""
        variable = "SLUICEGATE_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        if not isinstance(settings.values.get("credentials"), dict):
            kind = settings.choice("credentials", ("netrc", "env", "none"), "none")
            return cls(kind=kind, names=(f"{variable}_USER", f"{variable}_PASSWORD") if kind == "env" else ())
        below = settings.below("credentials")
        below.only("env", "file", "netrc")
        if len(below.values) != 1:
            raise settings.fail("'credentials' needs one of: env, file, netrc", "credentials")
        if "env" in below.values:
            names = below.texts("env")
            if len(names) not in (1, 2):
                raise settings.fail(
                    "'env' of 'credentials' needs the variables of user and password, or one for both", "env"
                )
            return cls(kind="env", names=names)
        kind = next(iter(below.values))
        return cls(kind=kind, file=below.text(kind))

    def login(self, url: str) -> Login | None:
        """The login for a server; None where none is asked for. Raises UsageError for one that cannot be read."""
        if self.kind == "env":
            return self._from_environment()
        if self.kind == "netrc":
            return _from_netrc(Path(self.file or os.environ.get("NETRC") or "~/.netrc").expanduser(), url)
        if self.kind == "file":
            path = Path(self.file).expanduser()
            return _pair(private(path).strip(), str(path))
        return None

    def _from_environment(self) -> Login:
        missing = [name for name in self.names if not os.environ.get(name)]
        if missing:
            raise UsageError(
                f"the environment has no {' and no '.join(missing)}",
                hint="set them, in a job by the credentials binding, or change 'credentials' in sluicegate.yaml",
            )
        if len(self.names) == 1:
            return _pair(os.environ[self.names[0]], self.names[0])
        return Login(os.environ[self.names[0]], Secret(os.environ[self.names[1]]))


def _pair(text: str, where: str) -> Login:
    user, colon, password = text.partition(":")
    if not (user and colon and password) or "\n" in text:
        raise UsageError(f"{where} does not hold one line of the form user:password")
    return Login(user, Secret(password))


def private(path: Path) -> str:
    """The text of a file that only its owner may read."""
    try:
        with path.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise UsageError(
                    f"{path} may be read by others (mode {mode:04o}), expected 0600", hint=f"chmod 600 {path}"
                )
            return stream.read()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not a text in UTF-8"
        raise UsageError(f"the credentials in {path} cannot be read: {reason}") from None


def _from_netrc(path: Path, url: str) -> Login:
    """The login of the first entry for the server, read as curl and Git read the file."""
    from sluicegate.tools import netrc

    text = private(path)
    host = urlsplit(url).hostname or ""
    try:
        entry = netrc.entry(text, host)
    except netrc.Mistake as problem:
        raise UsageError(f"{path}:{problem.line} is not in the form of a netrc: {problem}") from None
    if entry is None or not entry.password:
        raise UsageError(f"{path} has no login for {host}", hint=f"add: machine {host} login USER password PASSWORD")
    return Login(entry.login, Secret(entry.password))
