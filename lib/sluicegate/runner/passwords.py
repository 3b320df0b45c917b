"""Passwords at rest and at the door: hashed by scrypt, remembered once they were right, slowed down when wrong."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
import threading
import time
from typing import Any

COST, BLOCKS, LANES = 1 << 14, 8, 1
"""What one guess costs: 16 MB and some 50 ms (hashlib.scrypt's n, r, p)."""
FREE_TRIES = 10
LONGEST_PAUSE = 60.0
TRIES_A_MINUTE = 60
"""Wrong ones that an address may send in LONGEST_PAUSE seconds, of all users together."""
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


def waste(password: str) -> None:
    """Take as long as `fits` does, for a user who is not there: the time of an answer tells no names."""
    _key(password, b"\0" * 16, COST, BLOCKS, LANES)


class Remembered:
    """Passwords that were right a moment ago, as keyed digests in memory: scripts log in with each request."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}

    def knows(self, line: str, password: str, seconds: float = math.inf) -> bool:
        """Whether this was right, `seconds` ago at most."""
        right_at = self._right.get(self._digest(line, password))
        return right_at is not None and time.monotonic() - right_at < seconds

    def keep(self, line: str, password: str) -> None:
        digest = self._digest(line, password)
        self._right.pop(digest, None)
        _make_room(self._right)
        self._right[digest] = time.monotonic()

    def _digest(self, line: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{line}\0{password}".encode("utf-8", "surrogateescape"), "sha256")


class Throttle:
    """Who sent many wrong passwords waits, twice as long each time, up to a minute; by user and address.

    Who tries many users from one address waits too. An address of version 6 is the network that a customer gets (/64).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}
        self._minutes: dict[str, tuple[int, float]] = {}

    def pause(self, user: str, address: str) -> float:
        """Seconds until the next try is looked at; 0 when it is now."""
        with self._lock:
            count, since = self._wrong.get((user, network(address)), (0, 0.0))
            if count < FREE_TRIES:
                return 0.0
            pause = min(LONGEST_PAUSE, 2.0 ** (count - FREE_TRIES))
            return max(0.0, since + pause - time.monotonic())

    def pause_of_all(self, address: str) -> float:
        """The same for whoever comes from there and is not known yet."""
        with self._lock:
            count, since = self._minutes.get(network(address), (0, 0.0))
            return max(0.0, since + LONGEST_PAUSE - time.monotonic()) if count >= TRIES_A_MINUTE else 0.0

    def wrong(self, user: str, address: str) -> None:
        address, now = network(address), time.monotonic()
        with self._lock:
            count, _ = self._wrong.pop((user, address), (0, 0.0))
            in_a_minute, since = self._minutes.pop(address, (0, now))
            _make_room(self._wrong)
            _make_room(self._minutes)
            self._wrong[user, address] = (count + 1, now)
            begun = now - since > LONGEST_PAUSE
            self._minutes[address] = (1, now) if begun else (in_a_minute + 1, since)

    def right(self, user: str, address: str) -> None:
        with self._lock:
            self._wrong.pop((user, network(address)), None)


def _make_room(kept: dict[Any, Any]) -> None:
    """Let the oldest go where one more would be too many."""
    while len(kept) >= MANY:
        kept.pop(next(iter(kept)), None)


def network(address: str) -> str:
    """Where somebody comes from, as far as it tells him from others."""
    try:
        where = ipaddress.ip_address(address)
    except ValueError:
        return address
    if where.version == 6 and where.ipv4_mapped is None:
        return str(ipaddress.ip_network((where, 64), strict=False))
    return address
