"""Which of the records that decide count. Where the configuration wants signatures: what verifies, and what is older.

A signature covers the record with its time and its predecessor, the component and version of whose story it is a part,
and the name of the delivery repo. So it holds nowhere else, and it cannot be moved behind a later word.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.errors import ConfigError, GateRefused, Malformed, UsageError
from sluicegate.model.config import Config, Signing
from sluicegate.model.evidence import DECIDING, Held, Record, Unheld, Veto
from sluicegate.model.recordjson import as_json, from_json
from sluicegate.model.story import Kind, Story, Uncounted
from sluicegate.model.values import Hold, Pin, canonical

if TYPE_CHECKING:
    from sluicegate.tools.sshsig import Signer
    from sluicegate.tools.verified import Verified

KEY_VARIABLE = "SLUICEGATE_SIGNING_KEY"
"""Names the file of the private key: a credential of the jobs that carry what people decide."""
PAGE = "docs/how-to/trust.md"


class Signatures:
    """The signatures of one snapshot.

    `signers` is the file on main that says who may sign, None where it is missing; `old` reads a version's story as it
    was at the commit `since`.
    """

    def __init__(
        self, config: Config, signing: Signing, signers: bytes | None, old: Callable[[str, str], Story], remote: str
    ) -> None:
        self._name = config.name
        self._signing = signing
        self._file = signers
        self._old = functools.cache(old)
        self._remote = remote
        self._objections: dict[tuple[str, str, Record], str] = {}

    @cached_property
    def _verified(self) -> Verified:
        from sluicegate.tools.verified import Verified

        return Verified(self._remote, self._file or b"")

    @cached_property
    def signers(self) -> tuple[Signer, ...]:
        """Who may sign. Raises ConfigError with the file's mistakes."""
        from sluicegate.tools import sshsig

        if self._file is None:
            raise ConfigError(
                [f"{self._signing.signers}: it is not there, and 'evidence' says that it names who signs"]
            )
        return sshsig.read_signers(self._file, self._signing.signers)

    def divide(self, component: str, version: str, story: Story) -> tuple[Story, tuple[Uncounted, ...]]:
        """The records of a version's story that count, and those that do not."""
        counted, uncounted = [], []
        for record in story:
            if decides(record) and (why := self.objection(component, version, record)):
                uncounted.append(Uncounted(record=record, reason=why))
            else:
                counted.append(record)
        return Story(counted), tuple(uncounted)

    def objection(self, component: str, version: str, record: Record) -> str:
        """Why a record that decides does not count; '' when it does. Asked once for each."""
        asked_for = (component, version, record)
        if asked_for not in self._objections:
            self._objections[asked_for] = self._objection(component, version, record)
        return self._objections[asked_for]

    def _objection(self, component: str, version: str, record: Record) -> str:
        if record.signature:
            return self._bad_signature(self._message(component, version, record), record)
        if self._signing.since and record in self._old(component, version):
            return ""
        return "it is not signed"

    def sign(self, component: str, version: str, record: Kind) -> Kind:
        """The record with our signature. Raises UsageError without a key, GateRefused for one that does not count."""
        from sluicegate.tools import sshsig

        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise UsageError(
                f"here a record '{record.what}' counts only when it is signed, and {KEY_VARIABLE} names no key",
                hint=f"bind the key as a file in the job that carries this ({PAGE})",
            )
        plain = from_json(as_json(record))  # what is signed is what will be read
        signature = sshsig.sign(self._message(component, version, plain), Path(key))
        signed = replace(record, signature=signature)
        if why := self.objection(component, version, replace(plain, signature=signature)):
            raise GateRefused(f"what {key} signs would not count", reasons=[why], hint=f"see {self._signing.signers}")
        return signed

    def _message(self, component: str, version: str, record: Record) -> bytes:
        content = {name: value for name, value in as_json(record).items() if name != "signature"}
        return canonical({"repo": self._name, "component": component, "version": version, "record": content})

    def _bad_signature(self, message: bytes, record: Record) -> str:
        from sluicegate.tools import sshsig

        if self._verified.knows(message, record.signature):
            return ""
        try:
            key = sshsig.signing_key(message, record.signature)
        except Malformed:
            return "its signature is for something else: it was changed, or copied from elsewhere"
        lines = [signer for signer in self.signers if signer.key == key]
        if not lines:
            return f"it is signed with the key {sshsig.fingerprint(key)}, which {self._signing.signers} does not have"
        doubts = [signer.objection(record.at) for signer in lines]
        if all(doubts):
            return f"it is signed when that did not count: {doubts[0]}"
        self._verified.remember(message, record.signature)
        return ""


def decides(record: Record) -> bool:
    """Whether a record decides in somebody's name. A veto that belongs to a rollback only restricts, and does not."""
    return isinstance(record, DECIDING) and not (isinstance(record, Veto) and record.of != "")


def with_hold(pin: Pin, story: Story, uncounted: Iterable[Uncounted], environment: str) -> Pin:
    """A pin with the hold that counts, whatever its line in the pin file says.

    What was held with a signature stays so until it is lifted with one; a hold whose record does not count is none. One
    without any record, as a rollback or a commit to main makes it, only restricts, and counts.
    """
    last = story.latest(Held, Unheld, env=environment)
    if isinstance(last, Held):
        return pin if pin.hold and pin.hold.until is None else replace(pin, hold=_hold(last))
    held = [doubt.record for doubt in uncounted if isinstance(doubt.record, Held) and doubt.record.env == environment]
    return replace(pin, hold=None) if any(pin.hold == _hold(record) for record in held) else pin


def _hold(record: Held) -> Hold:
    from datetime import date

    try:
        until = date.fromisoformat(record.until) if record.until else None
    except ValueError:  # whoever wrote that meant an end, and nobody knows which
        until = None
    return Hold(by=record.by.user, why=record.why, until=until)
