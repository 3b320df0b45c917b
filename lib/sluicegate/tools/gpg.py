"""Signs and verifies by GnuPG; keys and their passphrases are gpg's own matter (its agent, GNUPGHOME)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sluicegate.errors import IntegrityError, Malformed, SluicegateError
from sluicegate.tools import process
from sluicegate.tools.scratch import scratch

STATUS = "[GNUPG:] "


def sign(content: bytes, key: str) -> bytes:
    """A detached, armoured signature by the key (fingerprint, id or address)."""
    if not re.fullmatch(r"[0-9A-Za-z@._+<> -]{1,200}", key) or key.startswith("-"):
        raise Malformed(f"'{key[:60]}' names no key; expected a fingerprint or an address")
    done = process.run(
        ["gpg", "--batch", "--no-tty", "--armor", "--local-user", key, "--detach-sign", "--output", "-"],
        stdin=content,
        check=False,
    )
    if done.status != 0 or not done.stdout:
        raise SluicegateError(
            f"gpg did not sign with the key {key}: {done.error_text}",
            hint="gpg --list-secret-keys shows the keys there are; GNUPGHOME names another place of keys",
        )
    return done.stdout


def verify(content: bytes, signature: bytes, *, signers: Sequence[str] = ()) -> str:
    """The fingerprint of the key that signed `content`. Raises IntegrityError unless the signature is good.

    `signers` are the fingerprints that may sign, of the key or of its primary key; any known key when empty.
    """
    with scratch() as folder:
        place = folder / "signature"
        place.write_bytes(signature)
        return _verify(content, place, [re.sub(r"\s", "", signer) for signer in signers])


def _verify(content: bytes, signature: Path, signers: list[str]) -> str:
    for signer in signers:
        if not re.fullmatch(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", signer):
            raise Malformed(f"'{signer[:60]}' is no fingerprint; expected its 40 digits (gpg --fingerprint)")
    command: list[str | Path] = ["gpg", "--batch", "--no-tty", "--status-fd", "1", "--verify", "--", signature, "-"]
    done = process.run(command, stdin=content, check=False, env={"LC_ALL": "C"})
    statuses = [line.removeprefix(STATUS).split() for line in done.lines if line.startswith(STATUS)]
    bad = [words[0] for words in statuses if words[0] in ("BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG")]
    valid = [words for words in statuses if words[0] == "VALIDSIG" and len(words) > 1]
    if done.status != 0 or bad or len(valid) != 1:
        raise IntegrityError(
            f"the signature is not good: {', '.join(bad) or 'gpg found no valid one'}",
            hint="import the signer's public key (gpg --import), or do not use this version",
        )
    own, primary = valid[0][1], valid[0][-1]
    if signers and not {own, primary} & {signer.upper() for signer in signers}:
        raise IntegrityError(f"the version is signed by {primary}, which is none of: {', '.join(signers)}")
    return primary
