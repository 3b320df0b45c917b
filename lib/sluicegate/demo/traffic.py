"""Live HTTP traffic on keepalive connections, while groups are swapped: what was lost, and who was served by what."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Traffic:
    """Anonymous visitors, and one user who stays logged in ('' for none). A context manager, starts and stops them."""

    url: str
    visitors: int = 4
    user: str = "anna"
    pause: float = 0.01  # seconds that a visitor rests: the machine has other work, too
    sent: int = 0
    lost: list[str] = field(default_factory=list)
    visitor_versions: list[str] = field(default_factory=list)
    user_versions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Traffic:
        self._threads = [threading.Thread(target=self._visit) for _ in range(self.visitors)]
        if self.user:
            browser = Browser(self.url)
            browser.login(self.user, f"{self.user}-secret")
            self._threads.append(threading.Thread(target=self._stay, args=(browser,)))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        """Anonymous: the start page, and which version of auth answers."""
        browser = Browser(self.url)
        while not self._stop.is_set():
            self._count(lambda: browser.get("/"))
            self._count(lambda: self.visitor_versions.append(browser.version()))
            self._stop.wait(self.pause)

    def _stay(self, user: Browser) -> None:
        """Logged in: the session must go on, so the answers come from where it began."""
        while not self._stop.is_set():
            self._count(lambda: self.user_versions.append(str(user.whoami()["version"])))
            self._stop.wait(0.02)

    def _count(self, request) -> None:  # type: ignore[no-untyped-def]
        problem = ""
        try:
            request()
        except (OSError, http.client.HTTPException, ValueError, KeyError) as failure:
            problem = f"{type(failure).__name__}: {failure}"
        with self._lock:
            self.sent += 1
            if problem:
                self.lost.append(problem)


class Browser:
    """One person's browser: one keepalive connection, and cookies."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> str:
        """The body of a page. Raises ValueError for any status but 200."""
        return self._ask("GET", path, None)

    def login(self, user: str, password: str) -> None:
        self._ask("POST", "/auth/login", urlencode({"user": user, "password": password}))

    def whoami(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.get("/auth/whoami"))
        return answer

    def version(self) -> str:
        """The version of auth that new users reach."""
        return str(json.loads(self.get("/.sluicegate/auth/version"))["version"])

    def _ask(self, method: str, path: str, body: str | None) -> str:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        self._connection.request(method, path, body=body, headers={**headers, **(FORM if body else {})})
        answer = self._connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = line.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        if answer.status != 200:
            raise ValueError(f"{method} {path} answered {answer.status}: {text[:200]}")
        return text
