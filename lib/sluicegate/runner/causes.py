"""Why a build started: hudson.model.Cause and its subclasses, with their form in build.xml and in the remote API."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sluicegate.model.numbers import INT, required, whole
from sluicegate.tools.xml import tag, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause. `kind` is a key of `CLASSES`; the other fields belong to some kinds only."""

    kind: str
    user: str = ""
    project: str = ""
    build: int = 0
    url: str = ""
    causes: tuple[Cause, ...] = ()
    note: str = ""

    @property
    def summary(self) -> str:
        """The sentence that Jenkins shows and logs."""
        return {
            "user": f"Started by user {self.user or 'anonymous'}",
            "upstream": f'Started by upstream project "{self.project}" build number {self.build}',
            "timer": "Started by timer",
            "scm": "Started by an SCM change",
            "remote": f"Started by remote host {self.note}",
            "naginator": f"Started by Naginator, attempt {self.build}",
        }[self.kind]

    def lines(self) -> list[str]:
        """The log lines, with the causes of the upstream build below it."""
        deeper = [line for cause in self.causes for line in cause.lines()]
        return [self.summary, *(["originally caused by:", *(f" {line}" for line in deeper)] if deeper else [])]

    def to_dict(self) -> dict[str, object]:
        """Plain data for the queue's journal."""
        return {
            "kind": self.kind,
            "user": self.user,
            "project": self.project,
            "build": self.build,
            "url": self.url,
            "note": self.note,
            "causes": [cause.to_dict() for cause in self.causes],
        }


def people(causes: tuple[Cause, ...]) -> set[str]:
    """The users who started a build, or a build that led to it; "" for somebody who had not logged in."""
    own = {cause.user for cause in causes if cause.kind == "user"}
    return own.union(*(people(cause.causes) for cause in causes))


CLASSES = {
    "user": "hudson.model.Cause$UserIdCause",
    "upstream": "hudson.model.Cause$UpstreamCause",
    "timer": "hudson.triggers.TimerTrigger$TimerTriggerCause",
    "scm": "hudson.triggers.SCMTrigger$SCMTriggerCause",
    "remote": "hudson.model.Cause$RemoteCause",
    "naginator": "com.chikli.hudson.plugin.naginator.NaginatorCause",
}
TAGS = {kind: name.replace("$", "_-") for kind, name in CLASSES.items()}
KINDS = {name: kind for kind, name in TAGS.items()}
DEEPEST = 10


def from_dict(data: object) -> Cause:
    """A cause from the queue's journal. Raises ValueError for a kind that is not known."""
    if not isinstance(data, dict):
        raise ValueError("a cause is an object")
    below = data.get("causes")
    kind = str(data.get("kind", "user"))
    if kind not in CLASSES:
        raise ValueError(f"'{kind}' is no cause")
    return Cause(
        kind=kind,
        user=str(data.get("user", "")),
        project=str(data.get("project", "")),
        build=required(data.get("build", 0), most=INT),
        url=str(data.get("url", "")),
        note=str(data.get("note", "")),
        causes=tuple(from_dict(entry) for entry in below) if isinstance(below, list) else (),
    )


def upstream(project: str, build: int, url: str, causes: tuple[Cause, ...]) -> Cause:
    """The cause of a triggered build. The chain is cut at ten levels, as Cause.UpstreamCause.MAX_DEPTH does."""
    return Cause(kind="upstream", project=project, build=build, url=url, causes=tuple(_cut(c, DEEPEST) for c in causes))


def _cut(cause: Cause, depth: int) -> Cause:
    below = tuple(_cut(nested, depth - 1) for nested in cause.causes) if depth > 1 else ()
    return Cause(
        kind=cause.kind,
        user=cause.user,
        project=cause.project,
        build=cause.build,
        url=cause.url,
        note=cause.note,
        causes=below,
    )


def write(causes: tuple[Cause, ...]) -> str:
    """The hudson.model.CauseAction element of build.xml."""
    lines = ""
    for cause in dict.fromkeys(causes):
        count = tag("int", str(causes.count(cause)), "          ")
        lines += f"        <entry>\n{_element(cause, '          ')}{count}        </entry>\n"
    return (
        '    <hudson.model.CauseAction>\n      <causeBag class="linked-hash-map">\n'
        f"{lines}      </causeBag>\n    </hudson.model.CauseAction>\n"
    )


def _element(cause: Cause, indent: str) -> str:
    inner = indent + "  "
    body = ""
    if cause.kind == "user":
        body = tag("userId", cause.user, inner)
    elif cause.kind == "upstream":
        below = "".join(_element(nested, inner + "  ") for nested in cause.causes)
        body = (
            tag("upstreamProject", cause.project, inner)
            + tag("upstreamUrl", cause.url, inner)
            + tag("upstreamBuild", str(cause.build), inner)
            + f"{inner}<upstreamCauses>\n{below}{inner}</upstreamCauses>\n"
        )
    elif cause.kind == "remote":
        body = tag("addr", cause.note, inner)
    name = TAGS[cause.kind]
    return f"{indent}<{name}>\n{body}{indent}</{name}>\n"


def read(action: Element) -> tuple[Cause, ...]:
    """The causes of a CauseAction element; causes of unknown kinds are left out."""
    causes: list[Cause] = []
    for entry in action.iterfind("causeBag/entry"):
        for element in entry:
            if element.tag in KINDS:
                times = whole(text(entry, "int").strip(), least=1, most=INT) or 1
                causes.extend([_cause(element)] * min(times, 100))
    for element in action.iterfind("causes/*"):
        if element.tag in KINDS:
            causes.append(_cause(element))
    return tuple(causes)


def _cause(element: Element) -> Cause:
    return Cause(
        kind=KINDS[element.tag],
        user=text(element, "userId"),
        project=text(element, "upstreamProject"),
        url=text(element, "upstreamUrl"),
        build=whole(text(element, "upstreamBuild").strip(), most=INT) or 0,
        note=text(element, "addr"),
        causes=tuple(_cause(nested) for nested in element.iterfind("upstreamCauses/*") if nested.tag in KINDS),
    )
