"""Passwords at rest and at the door: hashed by scrypt, remembered once they were right, slowed down when wrong."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time

COST, BLOCKS, LANES = 1 << 14, 8, 1
"""What one guess costs: 16 MB and some 50 ms (hashlib.scrypt's n, r, p)."""
FREE_TRIES = 10
LONGEST_PAUSE = 60.0
MANY = 10_000


def hashed(password: str) -> str:
    """A line for a file: `scrypt$n$r$p$salt$key`, the last two in hex."""
    salt = secrets.token_bytes(16)
    key = _key(password, salt, COST, BLOCKS, LANES)
    return f"scrypt${COST}${BLOCKS}${LANES}${salt.hex()}${key.hex()}"


def fits(password: str, line: str) -> bool:
    """Whether a password is the one that was hashed; no for a line that is none of ours."""
    try:
        name, cost, blocks, lanes, salt, key = line.split("$")
        wanted = bytes.fromhex(key)
        derived = _key(password, bytes.fromhex(salt), int(cost), int(blocks), int(lanes))
    except ValueError:
        return False
    return name == "scrypt" and hmac.compare_digest(derived, wanted)


def _key(password: str, salt: bytes, cost: int, blocks: int, lanes: int) -> bytes:
    secret = password.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(secret, salt=salt, n=cost, r=blocks, p=lanes, maxmem=64 << 20)


class Remembered:
    """Passwords that were right a moment ago, as keyed digests in memory: scripts log in with each request."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}

    def knows(self, line: str, password: str) -> bool:
        return self._digest(line, password) in self._right

    def keep(self, line: str, password: str) -> None:
        while len(self._right) >= MANY:
            self._right.pop(next(iter(self._right)), None)
        self._right[self._digest(line, password)] = None

    def _digest(self, line: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{line}\0{password}".encode("utf-8", "surrogateescape"), "sha256")


class Throttle:
    """Who sent many wrong passwords waits, twice as long each time, up to a minute; by user and address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}

    def pause(self, user: str, address: str) -> float:
        """Seconds until the next try is looked at; 0 when it is now."""
        with self._lock:
            count, since = self._wrong.get((user, address), (0, 0.0))
            if count < FREE_TRIES:
                return 0.0
            pause = min(LONGEST_PAUSE, 2.0 ** (count - FREE_TRIES))
            return max(0.0, since + pause - time.monotonic())

    def wrong(self, user: str, address: str) -> None:
        with self._lock:
            count, _ = self._wrong.pop((user, address), (0, 0.0))
            while len(self._wrong) >= MANY:
                self._wrong.pop(next(iter(self._wrong)))
            self._wrong[user, address] = (count + 1, time.monotonic())

    def right(self, user: str, address: str) -> None:
        with self._lock:
            self._wrong.pop((user, address), None)
