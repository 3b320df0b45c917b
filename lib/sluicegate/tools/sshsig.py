"""Signatures of OpenSSH (its PROTOCOL.sshsig): made with a private key, verified against a file of allowed signers.

They are what `ssh-keygen -Y sign` makes and `-Y verify` takes, without a process for each.
"""

from __future__ import annotations

import binascii
import functools
import hashlib
import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluicegate.errors import ConfigError, Malformed, MissingProgram, UsageError
from sluicegate.tools import extras, process

if TYPE_CHECKING:
    from types import ModuleType

MAGIC = b"SSHSIG"
NAMESPACE = "sluicegate"
HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
CURVES = {b"ecdsa-sha2-nistp256": "SHA256", b"ecdsa-sha2-nistp384": "SHA384", b"ecdsa-sha2-nistp521": "SHA512"}
KEYS = (b"ssh-ed25519", b"ssh-rsa", *CURVES)
LEAST_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A line of allowed signers: a public key (as OpenSSH's blob), whose it is, for what, and from when to when."""

    principals: str
    key: bytes
    namespaces: tuple[str, ...] = ()
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def objection(self, at: datetime) -> str:
        """Why its word at a time does not count; '' when it does. As OpenSSH does, whole seconds are compared."""
        at = at.replace(microsecond=0)
        if self.namespaces and not _matches(NAMESPACE, self.namespaces):
            return f"the key of {self.principals} is not for the namespace {NAMESPACE}"
        if self.valid_after and at < self.valid_after:
            return f"the key of {self.principals} is valid from {self.valid_after:%Y-%m-%d %H:%M} UTC on"
        if self.valid_before and at > self.valid_before:
            return f"the key of {self.principals} was valid until {self.valid_before:%Y-%m-%d %H:%M} UTC"
        return ""


def sign(message: bytes, key: Path) -> str:
    """The signature of a message in base64. Raises UsageError for a key that cannot be used, MissingProgram."""
    private = _private_key(key)
    public = _public_blob(private)
    algorithm = b"rsa-sha2-512" if _kind(public) == b"ssh-rsa" else _kind(public)
    signed = _string(algorithm) + _string(_signed(private, _to_sign(message, b"sha512"), algorithm))
    head = MAGIC + struct.pack(">I", 1) + _string(public) + _string(NAMESPACE.encode())
    return b64encode(head + _string(b"") + _string(b"sha512") + _string(signed)).decode()


def signing_key(message: bytes, signature: str) -> bytes:
    """The public key whose signature this is. Raises Malformed where it is none, or of another message."""
    try:
        blob = b64decode(signature, validate=True)
        if blob[:10] != MAGIC + struct.pack(">I", 1):
            raise ValueError("it does not begin as one")
        public, namespace, reserved, algorithm, signed = _strings(blob[10:], 5)
        if namespace != NAMESPACE.encode() or reserved or algorithm not in HASHES:
            raise ValueError("it is for something else")
        scheme, value = _strings(signed, 2)
        _verify(public, scheme, value, _to_sign(message, algorithm))
    except (ValueError, binascii.Error, struct.error) as problem:
        raise Malformed(f"the signature is none, or of another text: {problem}") from problem
    return public


def make_key() -> tuple[bytes, str]:
    """A new key: the private one as a file has it, without a passphrase, and the public one as a line of a file."""
    serialization = _crypto()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    return key.private_bytes(*form), f"ssh-ed25519 {b64encode(_public_blob(key)).decode()}\n"


def fingerprint(key: bytes) -> str:
    """A public key as `ssh-keygen -l` names it."""
    return "SHA256:" + b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def read_signers(content: bytes, file: str) -> tuple[Signer, ...]:
    """The lines of an allowed-signers file. Raises ConfigError with every mistake as `file:line`.

    Times without a zone are UTC here, wherever the command runs; certificates and hardware keys are not taken.
    """
    signers, mistakes = [], []
    for number, line in enumerate(process.lines_of(content.decode(errors="replace")), 1):
        if (text := line.strip(" \t")) and not text.startswith("#"):
            try:
                signers.append(_signer(text))
            except (ValueError, binascii.Error, struct.error) as problem:
                mistakes.append(f"{file}:{number}: {problem}; expected PRINCIPAL [OPTIONS] ssh-ed25519 KEY")
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(signers)


def _signer(line: str) -> Signer:
    words: list[str] = re.findall(r'(?:[^ \t"]|"[^"]*")+', line)
    names = [kind.decode() for kind in KEYS]
    if len(words) < 3:
        raise ValueError("there is no key")
    # `PRINCIPALS [OPTIONS] KIND KEY`, as of ssh-keygen's allowed signers.
    plain = words[1] in names
    if not plain and (len(words) < 4 or words[2] not in names):
        raise ValueError(f"the key is of none of the kinds {', '.join(names)}")
    kind, text = words[1:3] if plain else words[2:4]
    key = b64decode(text, validate=True)
    if _kind(key) != kind.encode():
        raise ValueError(f"the key is none of the kind {kind}")
    options = {} if plain else dict(_options(words[1]))
    if unknown := sorted({*options} - {"namespaces", "valid-after", "valid-before"}):
        raise ValueError(f"the option {', '.join(unknown)} is not taken")
    after, before = (_time(options[name]) if name in options else None for name in ("valid-after", "valid-before"))
    if after and before and after >= before:
        raise ValueError("the key is valid at no time")
    return Signer(
        principals=words[0].strip('"'),
        key=key,
        namespaces=tuple(options["namespaces"].split(",")) if "namespaces" in options else (),
        valid_after=after,
        valid_before=before,
    )


def _options(text: str) -> Iterator[tuple[str, str]]:
    for option in re.findall(r'(?:[^,"]|"[^"]*")+', text):
        known = re.fullmatch(r'([\w-]+)="([^"]*)"', option)
        if not known:
            raise ValueError(f"the option {option} is not taken: its value stands in quotes")
        yield known[1].lower(), known[2]


def _time(text: str) -> datetime:
    digits = text.removesuffix("Z")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or not re.fullmatch("[0-9]+", digits):
        raise ValueError(f"'{text}' is no time of the form YYYYMMDD or YYYYMMDDHHMM[SS]")
    return datetime.strptime(digits, form).replace(tzinfo=UTC)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """OpenSSH's list of patterns: `*` and `?`, and `!` before one that excludes."""
    included = False
    for pattern in patterns:
        wanted = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(wanted, name):
            if pattern.startswith("!"):
                return False
            included = True
    return included


# The wire: strings with their length before them.


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _strings(blob: bytes, count: int) -> list[bytes]:
    """So many strings. Raises ValueError where they are not all of the blob."""
    strings = []
    for _ in range(count):
        (length,) = struct.unpack_from(">I", blob)
        if length > len(blob) - 4:
            raise ValueError("it is cut off")
        strings.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if blob:
        raise ValueError("something follows it")
    return strings


def _kind(key: bytes) -> bytes:
    (length,) = struct.unpack_from(">I", key)
    return key[4 : 4 + length]


def _to_sign(message: bytes, algorithm: bytes) -> bytes:
    digest = HASHES[algorithm](message).digest()
    return MAGIC + b"".join(map(_string, (NAMESPACE.encode(), b"", algorithm, digest)))


# The keys, by `cryptography`.


def _crypto() -> ModuleType:
    try:
        from cryptography.hazmat.primitives import serialization
    except ModuleNotFoundError as problem:
        hint = extras.install("signed")
        raise MissingProgram("signed records need the package cryptography", hint=hint) from problem
    return serialization


def _private_key(path: Path) -> Any:
    serialization = _crypto()
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        content = path.read_bytes()
    except OSError as problem:
        raise UsageError(f"the signing key {path} cannot be read: {problem.strerror or problem}") from problem
    try:
        key = serialization.load_ssh_private_key(content, password=None)
        if _kind(_public_blob(key)) in KEYS:
            return key
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    kinds = ", ".join(kind.decode() for kind in KEYS)
    raise UsageError(
        f"the signing key {path} is no private key of OpenSSH without a passphrase, of one of the kinds {kinds}",
        hint="make one: ssh-keygen -t ed25519 -N '' -f KEY",
    )


def _public_blob(private: Any) -> bytes:
    serialization = _crypto()
    line: bytes = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return b64decode(line.split()[1])


def _signed(private: Any, message: bytes, algorithm: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

    if algorithm == b"ssh-ed25519":
        return bytes(private.sign(message))
    if algorithm == b"rsa-sha2-512":
        return bytes(private.sign(message, padding.PKCS1v15(), hashes.SHA512()))
    r, s = utils.decode_dss_signature(private.sign(message, ec.ECDSA(getattr(hashes, CURVES[algorithm])())))
    return b"".join(_string(number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in (r, s))


@functools.cache
def _public_key(public: bytes) -> Any:
    return _crypto().load_ssh_public_key(_kind(public) + b" " + b64encode(public))


def _verify(public: bytes, scheme: bytes, value: bytes, message: bytes) -> None:
    """Raise ValueError for a signature that is not of this key and message."""
    _crypto()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

    kind = _kind(public)
    if kind not in KEYS:
        raise ValueError(f"keys of the kind {kind.decode(errors='replace')} are not taken")
    try:
        key = _public_key(public)
        check: Callable[..., None] = key.verify
        if kind == scheme == b"ssh-ed25519":
            check(value, message)
        elif kind == b"ssh-rsa" and scheme in (b"rsa-sha2-256", b"rsa-sha2-512"):
            if key.key_size < LEAST_RSA_BITS:
                raise ValueError(f"an RSA key of {key.key_size} bits is too short")
            digest = hashes.SHA512() if scheme.endswith(b"512") else hashes.SHA256()
            check(value, message, padding.PKCS1v15(), digest)
        elif kind == scheme and kind in CURVES:
            r, s = (int.from_bytes(number, "big") for number in _strings(value, 2))
            check(utils.encode_dss_signature(r, s), message, ec.ECDSA(getattr(hashes, CURVES[kind])()))
        else:
            raise ValueError(f"it is by {scheme.decode(errors='replace')}, which its key does not sign with")
    except (InvalidSignature, UnsupportedAlgorithm) as problem:
        raise ValueError("its key did not sign this") from problem
