"""Signatures of records are OpenSSH's: what one makes or refuses, the other does."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluicegate.errors import ConfigError, Malformed, UsageError
from sluicegate.tools import sshsig

MESSAGE = "anna says: auth=1.0.0, \u00e5\n".encode()
KINDS = [("ed25519", ""), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048")]


def made_key(folder: Path, kind: str = "ed25519", bits: str = "") -> Path:
    key = folder / f"{kind}{bits}"
    size = ["-b", bits] if bits else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", "ours", "-f", key], check=True)
    return key


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_key(tmp_path_factory.mktemp("key"))


def line(key: Path, options: str = "", who: str = "ci") -> str:
    kind, text, _ = key.with_suffix(".pub").read_text().split()
    return " ".join(filter(None, (who, options, kind, text))) + "\n"


def armoured(signature: str) -> str:
    text = "\n".join(signature[at : at + 70] for at in range(0, len(signature), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"


def keygen_takes(folder: Path, signature: str, allowed: str, message: bytes = MESSAGE, at: str = "") -> bool:
    """What `ssh-keygen -Y verify` says."""
    (folder / "allowed").write_text(allowed)
    (folder / "sig").write_text(armoured(signature))
    words = ["ssh-keygen", "-Y", "verify", "-f", folder / "allowed", "-I", "ci", "-n", "sluicegate"]
    time = [f"-Overify-time={at}"] if at else []
    done = subprocess.run(
        [*words, "-s", folder / "sig", *time], input=message, capture_output=True, check=False, env={"TZ": "UTC"}
    )
    return done.returncode == 0


def ours_takes(signature: str, allowed: str, message: bytes = MESSAGE, at: str = "") -> bool:
    when = datetime.strptime(at, "%Y%m%d%H%M%S").replace(tzinfo=UTC) if at else datetime.now(UTC)
    try:
        key = sshsig.signing_key(message, signature)
        signers = sshsig.read_signers(allowed.encode(), "allowed")
    except (Malformed, ConfigError):
        return False
    return any(signer.key == key and not signer.objection(when) for signer in signers)


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_openssh_takes_what_we_sign_and_we_what_openssh_signs(tmp_path: Path, kind: str, bits: str) -> None:
    key, stranger = made_key(tmp_path, kind, bits), made_key(tmp_path, "ed25519", "" if bits else "256")
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", "sluicegate"]
    theirs = subprocess.run(words, input=MESSAGE, capture_output=True, check=True).stdout.decode()
    for signature in (sshsig.sign(MESSAGE, key), "".join(theirs.splitlines()[1:-1])):
        for signers, message, right in (
            (line(key), MESSAGE, True), (line(key), MESSAGE + b" ", False), (line(stranger), MESSAGE, False),
        ):  # fmt: skip
            assert keygen_takes(tmp_path, signature, signers, message) is right
            assert ours_takes(signature, signers, message) is right


@pytest.mark.parametrize(
    ("options", "at"),
    [
        (options, at)
        for options in (
            "", 'namespaces="sluicegate"', 'namespaces="git,file"', 'namespaces="git,sluice*"',
            'namespaces="!sluicegate,*"', 'valid-before="20261101"', 'valid-after="20261101"',
            'valid-after="202611010000",valid-before="20261101120000Z"',
            'valid-after="20261102",valid-before="20261101"',
            'VALID-BEFORE="20261101Z",namespaces="sluicegat?"',
            "cert-authority", 'valid-before="tomorrow"', "no-such=1", "valid-before=20261101",
        )
        for at in ("20261031235959", "20261101000000", "20261101000001", "20261101120000", "20261101120001")
    ],
)  # fmt: skip
def test_a_line_of_allowed_signers_means_what_it_means_to_openssh(
    key: Path, tmp_path: Path, options: str, at: str
) -> None:
    signature = sshsig.sign(MESSAGE, key)
    allowed = "# who signs\n\n" + line(key, options)
    assert ours_takes(signature, allowed, at=at) is keygen_takes(tmp_path, signature, allowed, at=at)


def test_no_byte_of_a_signature_can_be_another(key: Path) -> None:
    blob = b64decode(sshsig.sign(MESSAGE, key))
    for place in range(len(blob)):
        changed = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        assert not ours_takes(b64encode(changed).decode(), line(key)), place
    for wrong in ("", "%%%", b64encode(blob[:-1]).decode(), b64encode(blob + b"\0").decode(), "U1NIU0lH"):
        with pytest.raises(Malformed, match="the signature is none"):
            sshsig.signing_key(MESSAGE, wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [("ci", "there is no key"), ("ci ssh-dss AAAA", "of none of the kinds"),
     ("ci ssh-ed25519 AAAA", "expected PRINCIPAL"), ("ci ssh-ed25519 !!", "expected PRINCIPAL"),
     ("ci what=1 ssh-ed25519 AAAA ", "expected PRINCIPAL")],
)  # fmt: skip
def test_a_mistake_in_allowed_signers_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        sshsig.read_signers(f"# ours\n{text}\n".encode(), "allowed-signers")
    assert caught.value.mistakes[0].startswith("allowed-signers:2: ")


def test_a_key_that_cannot_sign_is_told(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"], check=True)
    (tmp_path / "text").write_text("no key")
    for name in ("locked", "text", "missing", "locked.pub"):
        with pytest.raises(UsageError, match=f"the signing key {tmp_path / name}"):
            sshsig.sign(MESSAGE, tmp_path / name)


def test_a_key_is_named_as_openssh_names_it(key: Path) -> None:
    shown = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True).stdout
    assert sshsig.fingerprint(sshsig.signing_key(b"", sshsig.sign(b"", key))) == shown.split()[1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_of_allowed_signers_ends_where_openssh_ends_it(key: Path, tmp_path: Path, end: str) -> None:
    signature = sshsig.sign(MESSAGE, key)
    for allowed in (f"# ours{end}{line(key)}", f"{line(key).strip()}{end}# ours\n"):
        (tmp_path / "allowed").write_bytes(allowed.encode())
        assert ours_takes(signature, allowed) is keygen_takes(tmp_path, signature, allowed), allowed
