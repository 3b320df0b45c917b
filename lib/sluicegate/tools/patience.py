"""How long we wait for a server: tries, pauses, and the answers that another try may mend. Told to whoever shows it."""

from __future__ import annotations

import random
import ssl
import time
from typing import Any, Self
from urllib.parse import urlsplit

from urllib3.exceptions import InvalidHeader, MaxRetryError, SSLError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from sluicegate.model.numbers import INT, whole
from sluicegate.tools import meter

TRIES = 5
LONGEST_PAUSE = 60.0
BUSY = (408, 425, 429, 500, 502, 503, 504)


def pause(seconds: float) -> None:
    """Wait between two tries; tests replace it."""
    time.sleep(seconds)


class Patience(Retry):
    """Tries again while the server is busy or away, as it asks for (Retry-After) or after longer and longer pauses."""

    def __init__(self, total: Any = None, **settings: Any) -> None:
        settings = {"status_forcelist": BUSY, "allowed_methods": None, "redirect": False, **settings}
        super().__init__(total, **{**settings, "raise_on_status": False})

    def increment(
        self, method: str | None = None, url: str | None = None, response: BaseHTTPResponse | None = None,
        error: Exception | None = None, *args: Any, **more: Any,
    ) -> Self:  # fmt: skip
        too_long = response is not None and (self.get_retry_after(response) or 0) > LONGEST_PAUSE
        # A certificate will be no better in a second.
        if too_long or (isinstance(error, SSLError) and certificate(error) is not None):
            raise MaxRetryError(more.get("_pool"), url or "", error)  # type: ignore[arg-type]
        return super().increment(method, url, response, error, *args, **more)

    def parse_retry_after(self, retry_after: str) -> float:
        """Seconds from now; 0, which says nothing, for what is neither a number nor a date."""
        if (seconds := whole(retry_after.strip(), most=INT)) is not None:
            return float(seconds)
        try:
            return super().parse_retry_after(retry_after)
        except (InvalidHeader, ValueError, OverflowError):
            return 0.0

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        server_wish = self.get_retry_after(response) if response is not None else None
        wait = server_wish or random.uniform(0.5, 1.0) * 2 ** (len(self.history) - 1)
        last = self.history[-1]
        why = f"answered by {last.status}" if last.status else f"broke off: {reason(last.error)}"
        meter.waits(f"{last.method} {shown(last.url or '')} {why}; trying again in {wait:.0f} s")
        pause(wait)


def reason(problem: BaseException | None) -> str:
    """The words of the system in a chain of libraries' exceptions, else those of the innermost."""
    words = "no answer"
    while problem is not None:
        if isinstance(problem, OSError) and problem.strerror:
            return problem.strerror
        words = str(problem) or type(problem).__name__
        problem = _inner(problem)
    return words[:200]


def certificate(problem: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """What is wrong with a certificate, where that is at the bottom of a chain of exceptions."""
    while problem is not None and not isinstance(problem, ssl.SSLCertVerificationError):
        problem = _inner(problem)
    return problem


def _inner(problem: BaseException) -> BaseException | None:
    inside = (getattr(problem, "reason", None), getattr(problem, "error", None), *problem.args)
    return next(
        (argument for argument in inside if isinstance(argument, BaseException)),
        problem.__cause__ or problem.__context__,
    )


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
