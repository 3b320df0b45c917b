"""Every exception of sluicegate, each with its exit code.

SluicegateError              1   failed
|-- Denied                   1   a server refuses our credentials, or wants some; trying again would not help
|-- NotFound                 1   it is not there, says whoever was asked: a server's 404, a folder without the file
|-- Malformed                2   a name, a version or a document is not in the form that was expected
|-- MissingProgram           2   a program or a package that the command needs is not installed
|-- UsageError               2   the command or the configuration is wrong; nothing was changed
|   |-- UnknownName          2   it is not there, and the user named it: a component, a version, a file
|   `-- ConfigError          2   mistakes in YAML files or a job's config.xml, each where it stands
|-- GateRefused              3   a gate said no, or not yet
|-- Conflict                 4   somebody else was first, or holds the environment
|-- RemoteUnavailable        5   a server did not answer; a retry may help
|   |-- Restarting           5   a server that is down or starts: it has done nothing of the request
|   |-- ServerError          5   a server answered 500: something broke in it, or it is just starting
|   |-- TimedOut             5   it began, and was not ready when its time was over
|   `-- Untrusted            5   a server shows a certificate that is not trusted; waiting does not help
|-- IntegrityError           6   content differs from its checksum
`-- PartlyDone               7   some of it is done; the message lists what

Catch NotFound where absence means something, never UsageError: missing credentials or a wrong proxy are no absence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self


class SluicegateError(Exception):
    """Something failed. `hint` says what to do next and is printed on a line of its own."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def saying(self, message: str, *, hint: str | None = None) -> Self:
        """The same failure in other words; with its own hint where none is given."""
        import copy  # a command that goes well needs none

        failure = copy.copy(self)
        failure.message, failure.args = message, (message,)
        failure.hint = self.hint if hint is None else hint
        return failure


class Denied(SluicegateError):
    """A server answered 401, 403 or 407, or with its login page."""


class NotFound(SluicegateError):
    """What we looked for is absent; that it should be there is for the caller to know."""


class Malformed(SluicegateError):
    exit_code = 2


class MissingProgram(SluicegateError):
    exit_code = 2


class UsageError(SluicegateError):
    exit_code = 2


class UnknownName(UsageError):
    """The user, on the command line or in a YAML file, named what does not exist."""


class ConfigError(UsageError):
    """All mistakes found in one reading, each as `file:line: text`."""

    def __init__(self, mistakes: Sequence[str], *, hint: str = "") -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes), hint=hint)


class GateRefused(SluicegateError):
    """A gate refused or waits. `reasons` holds one line per unmet condition."""

    exit_code = 3

    def __init__(self, message: str, *, reasons: Sequence[str] = (), hint: str = "") -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join([message, *(f"  {reason}" for reason in self.reasons)]), hint=hint)


class Conflict(SluicegateError):
    exit_code = 4


class RemoteUnavailable(SluicegateError):
    exit_code = 5


class Restarting(RemoteUnavailable):
    """The connection was refused, or the answer says that the server starts. Asking again does no harm."""


class ServerError(RemoteUnavailable):
    """What was asked for may be done, or half done."""


class TimedOut(RemoteUnavailable):
    """What was asked for may be half-way."""


class Untrusted(RemoteUnavailable):
    """Nothing was sent. It helps to name the authority's certificate, or to repair the server's."""


class IntegrityError(SluicegateError):
    exit_code = 6


class PartlyDone(SluicegateError):
    exit_code = 7
