"""The gate `veto`: nobody has said that this version must not go further. It always holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sluicegate.model.config import Config
from sluicegate.model.evidence import Vetoing
from sluicegate.model.settings import Settings
from sluicegate.model.story import Candidate, lifting, vetoed
from sluicegate.model.values import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VetoGate:
    """`scopes`: the environments whose veto counts here, '' for everywhere."""

    scopes: tuple[str, ...]

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> VetoGate:
        settings.only()
        return cls(scopes=config.veto_scopes(name))

    def __call__(self, candidate: Candidate, now: datetime) -> Verdict:
        veto = vetoed(candidate.story, self.scopes)
        uncounted = tuple(
            (veto_record.record.by.user, veto_record.reason)
            for veto_record in candidate.uncounted
            if isinstance(veto_record.record, Vetoing) and veto_record.record.env in self.scopes
        )
        if veto is None:
            none = "none that counts" if uncounted else "none"
            return Verdict(gate="veto", state="passed", reason=none, uncounted=uncounted)
        why = f": {veto.why}" if veto.why else ""
        where = f" from {veto.env} on" if veto.env else ""
        return Verdict(
            gate="veto",
            state="refused",
            reason=f"vetoed{where} by {veto.by.user}{why}",
            who_can_help=veto.by.user,
            command=lifting(candidate.component, candidate.version, veto),
            since=veto.at,
            uncounted=uncounted,
        )
