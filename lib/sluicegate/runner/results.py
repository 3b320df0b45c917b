"""Build results, best first. Imitates hudson.model.Result."""

from __future__ import annotations

from enum import IntEnum


class Result(IntEnum):
    """A result never gets better during a build: `max` of two is the worse one."""

    SUCCESS = 0
    UNSTABLE = 1
    FAILURE = 2
    NOT_BUILT = 3
    ABORTED = 4

    @property
    def color(self) -> str:
        """The ball colour of the remote API (hudson.model.BallColor)."""
        return ("blue", "yellow", "red", "notbuilt", "aborted")[self]

    @property
    def exit_code(self) -> int:
        """Of a command that ran a job: 3 because our own steps end unstable where a gate refused."""
        return (0, 3, 1, 1, 130)[self]

    @classmethod
    def named(cls, name: str, default: Result | None = None) -> Result:
        """The result of this name (`SUCCESS`); `default`, else SUCCESS, for anything else."""
        return cls.__members__.get(name.strip().upper(), cls.SUCCESS if default is None else default)

    def is_meant_by(self, permalink: str) -> bool:
        """Whether a build with this result can be what the permalink means (hudson.model.PermalinkProjectAction)."""
        return {
            "lastCompletedBuild": True,
            "lastFailedBuild": self is Result.FAILURE,
            "lastStableBuild": self is Result.SUCCESS,
            "lastSuccessfulBuild": self <= Result.UNSTABLE,
            "lastUnstableBuild": self is Result.UNSTABLE,
            "lastUnsuccessfulBuild": self is not Result.SUCCESS,
        }[permalink]
