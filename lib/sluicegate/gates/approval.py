"""The gate `approval`: enough members of a role approved this very version, and none of them rejected it since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sluicegate.model.config import Config, Role
from sluicegate.model.evidence import Judgement, Rejection
from sluicegate.model.people import People
from sluicegate.model.settings import Settings
from sluicegate.model.story import Candidate, Doubt, Joined
from sluicegate.model.values import Verdict

UNVERIFIED = "the actor is not verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGate:
    """`accept` says whether an unverified actor (Git's user outside of a job) counts.

    `apart_from_author` bars the author. One who is nobody of `people` could be anybody: then no approval counts, unless
    `any_author` says that it does.
    """

    role: Role
    minimum: int = 1
    accept: Literal["verified", "unverified"] = "verified"
    apart_from_author: bool = False
    any_author: bool = False
    people: People = field(default_factory=People)

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> ApprovalGate:
        settings.only("role", "minimum", "accept", "not", "unknown-author")
        role = settings.text("role")
        if role not in config.roles:
            raise settings.fail(f"no role is called '{role}'; known: {', '.join(config.roles) or 'none'}")
        accept = settings.choice("accept", ("verified", "unverified"), "verified")
        return cls(
            role=config.roles[role],
            minimum=max(1, settings.number("minimum", 1)),
            accept="unverified" if accept == "unverified" else "verified",
            apart_from_author="not" in settings.values and settings.choice("not", ("author",)) == "author",
            any_author=settings.choice("unknown-author", ("refuse", "accept"), "refuse") == "accept",
            people=config.people,
        )

    def __call__(self, candidate: Candidate, now: datetime) -> Verdict:
        name = f"approval {self.role.name}"
        judged = self._judgements(candidate)
        # A rejection counts whatever others approve.
        rejections = [r for r in judged if isinstance(r, Rejection)]
        if rejections:
            who, why = rejections[-1].by.user, rejections[-1].why
            reason = f"{who} rejected it" + (f": {why}" if why else "")
            return Verdict(gate=name, state="refused", reason=reason, who_can_help=who, since=rejections[-1].at)
        # A proof that says no refuses; one that cannot be had matters only while too few others count.
        objected = [(r, why) for r in judged if (why := self._objection(r, candidate))]
        valid = [r for r in judged if not self._objection(r, candidate)]
        for judgement, why in objected:
            for doubt in (candidate.doubts.get(judgement.id), self._unknown(judgement, candidate)):
                if doubt is None or doubt.reason != why:
                    continue
                if doubt.state == "refused" or (doubt.state == "error" and len(valid) < self.minimum):
                    reason = f"{judgement.by.user}'s approval: {why}"
                    return Verdict(gate=name, state=doubt.state, reason=reason, since=judgement.at)
        counted = {r.by.user for r in valid}
        objections = {who: why for who, why in self._passed_over(candidate).items() if who not in counted}
        objections |= {r.by.user: why for r, why in objected}
        if len(valid) >= self.minimum:
            return Verdict(
                gate=name, state="passed", reason=self._approved(valid, candidate), since=valid[-1].at,
                uncounted=tuple(objections.items()),
            )  # fmt: skip
        # What was said and does not count is told, so that nobody waits for it.
        objection_lines = [f"{who}'s does not count: {objection}" for who, objection in objections.items()]
        wanted = f"{len(valid)} of {self.minimum} approvals" if self.minimum > 1 else "no approval"
        return Verdict(
            gate=name,
            state="waiting",
            reason="; ".join([f"{wanted} in the role '{self.role.name}'", *objection_lines]),
            who_can_help=self.role.who,
            command=self._command(candidate, objections),
            uncounted=tuple(objections.items()),
        )

    def _approved(self, valid: Sequence[Judgement], candidate: Candidate) -> str:
        """Who approved; and that the author is not known, where that had to be known."""
        by = f"approved by {', '.join(judgement.by.user for judgement in valid)}"
        known = not self.people.known or self.people.author(candidate.author, candidate.address)
        return by if known or not self.apart_from_author else f"{by}; {self._stranger(candidate)}"

    def _command(self, candidate: Candidate, objections: Mapping[str, str]) -> str:
        """How to approve; never once more what did not count."""
        if UNVERIFIED not in objections.values() and not self._passed_over(candidate):
            what = f"{candidate.component}={candidate.version}"
            return f"sluicegate approve {what} --to {candidate.target} --as {self.role.name}"
        parameters = {"COMPONENT": candidate.component, "VERSION": candidate.version, "TO": candidate.target}
        words = " ".join(f"-p {name}={value}" for name, value in (parameters | {"ROLE": self.role.name}).items())
        job = next(iter(self.role.jobs.get("approve", ())), "")
        return f"sluicegate trigger {job} {words}" if job else ""

    def _passed_over(self, candidate: Candidate) -> dict[str, str]:
        """Who said something that counts nowhere, and why."""
        return {
            judgement.record.by.user: judgement.reason
            for judgement in candidate.uncounted
            if isinstance(judgement.record, Judgement)
            and (judgement.record.role, judgement.record.env) == (self.role.name, candidate.target)
        }

    def _judgements(self, candidate: Candidate) -> list[Judgement]:
        """The last word of each member of the role, oldest first."""
        last: dict[str, Judgement] = {}
        for judgement in candidate.story.of(Judgement, role=self.role.name, env=candidate.target):
            last[self.people.of(judgement.by) or f"{judgement.by.user} ({judgement.by.source})"] = judgement
        return sorted(last.values(), key=lambda record: record.at)

    def _objection(self, judgement: Judgement, candidate: Candidate) -> str:
        """Why an approval does not count, '' when it does."""
        person = self.people.of(judgement.by)
        unknown = self._unknown(judgement, candidate)
        if not unknown and person not in (*self.role.members, *self._joined(candidate).members):
            return "not a member of the role"
        if judgement.manifest != candidate.manifest:
            return "it was for other files (manifest differs)"
        if self.accept == "verified" and not judgement.by.verified:
            return UNVERIFIED
        doubt = candidate.doubts.get(judgement.id)
        if doubt and (doubt.state != "unverified" or self.accept == "verified"):
            return doubt.reason
        if self.apart_from_author and (objection := self._objection_of_author(person, candidate)):
            return objection
        return unknown.reason if unknown else ""

    def _joined(self, candidate: Candidate) -> Joined:
        return candidate.joined.get(self.role.name, Joined())

    def _unknown(self, judgement: Judgement, candidate: Candidate) -> Doubt | None:
        """That nobody can say now whether who approved is in the role."""
        reason = self._joined(candidate).unknown.get(self.people.of(judgement.by), "")
        return Doubt(state="error", reason=reason) if reason else None

    def _objection_of_author(self, person: str, candidate: Candidate) -> str:
        author = self.people.author(candidate.author, candidate.address)
        if author == person:
            return "the author may not approve the own change"
        if not author and self.people.known and not self.any_author:
            return f"{self._stranger(candidate)}, so it could be the own change"
        return ""

    def _stranger(self, candidate: Candidate) -> str:
        return f"the author '{candidate.author}' <{candidate.address}> is nobody of 'people'"
