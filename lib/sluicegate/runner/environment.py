"""The variables of a build, as a real Jenkins sets them (recording 046)."""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from sluicegate.model.jobs import path_of
from sluicegate.runner.causes import Cause
from sluicegate.runner.records import Record

HARMLESS = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|TMPDIR|HOSTNAME|XDG_(CACHE|CONFIG|DATA|STATE)_HOME"
    r"|GIT_CONFIG_(NOSYSTEM|GLOBAL)|PYTHONDONTWRITEBYTECODE|SLUICEGATE_REPO|SSL_CERT_(FILE|DIR)"
    r"|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|JAVA_HOME|M2_HOME|(?i:https?|no|all|ftp)_(?i:proxy)"
)
"""What a server's builds get of its environment, beside what is configured."""
USER_IN_URL = re.compile(r"//[^/@]*@")
OUTER_BUILD = re.compile(
    r"(BUILD|JOB)_(ID|NUMBER|NAME|URL|TAG|BASE_NAME|DISPLAY_NAME)|HUDSON_.*|WORKSPACE(_TMP)?|EXECUTOR_NUMBER|NODE_NAME"
    r"|JENKINS_(URL|HOME|SERVER_COOKIE|NODE_COOKIE)|GIT_.*"
)
NODE_COOKIE = "JENKINS_NODE_COOKIE"
ALONE = "SLUICEGATE_RUN"
"""In builds of `sluicegate run`: no Jenkins can be asked about them."""


def inherited(*, all_of_them: bool = False, also: Sequence[str] = ()) -> dict[str, str]:
    """Our own variables for a build, without those of a Jenkins build or a Git hook that we may run in.

    Without `all_of_them`, as on a server, only those of an allow-list and those that match `also` (`NAME` or `NAME*`):
    what else stands in a server's environment may be a secret, whatever its name. Jobs bind credentials.
    """
    own = {name: value for name, value in os.environ.items() if not OUTER_BUILD.fullmatch(name)}
    # Steps call `sluicegate`: ours is found last on PATH, so a server started from a venv needs no activation.
    own["PATH"] = os.pathsep.join(filter(None, [own.get("PATH", os.defpath), str(Path(sys.executable).parent)]))
    if all_of_them:
        return own
    return {
        name: value
        for name, value in own.items()
        if (HARMLESS.fullmatch(name) and not USER_IN_URL.search(value))
        or any(fnmatchcase(name, pattern) for pattern in also)
    }


def characteristic(record: Record, cookie: str) -> dict[str, str]:
    """What every process of the build carries (hudson.model.Run.getCharacteristicEnvVars).

    A process that sets another BUILD_ID leaves the build on purpose, as on Jenkins.
    """
    return {
        "JENKINS_SERVER_COOKIE": cookie,
        "JOB_NAME": record.job,
        "BUILD_NUMBER": str(record.number),
        "BUILD_ID": str(record.number),
        "BUILD_TAG": tag(record),
    }


def tag(record: Record) -> str:
    return f"jenkins-{record.job.replace('/', '-')}-{record.number}"


def standard(record: Record, *, home: Path, url: str, cookie: str, executor: int, workspace: Path) -> dict[str, str]:
    """Jenkins' variables of a build. Without a URL there is no server: SLUICEGATE_RUN tells the steps that."""
    variables = {
        **characteristic(record, cookie),
        "BUILD_DISPLAY_NAME": record.display_name or f"#{record.number}",
        **_triggers(record.causes),
        "CI": "true",
        "EXECUTOR_NUMBER": str(executor),
        "HUDSON_COOKIE": str(uuid.uuid4()),
        "HUDSON_HOME": str(home),
        "HUDSON_SERVER_COOKIE": cookie,
        "JENKINS_HOME": str(home),
        "JOB_BASE_NAME": record.job.rpartition("/")[2],
        NODE_COOKIE: str(uuid.uuid4()),
        "NODE_LABELS": "built-in",
        "NODE_NAME": "built-in",
        "WORKSPACE": str(workspace),
        "WORKSPACE_TMP": f"{workspace}@tmp",
    }
    if url:
        job = url + path_of(record.job)
        variables |= {"HUDSON_URL": url, "JENKINS_URL": url, "JOB_URL": job, "BUILD_URL": f"{job}{record.number}/"}
    else:
        variables[ALONE] = "true"
    return variables


TRIGGERS = {
    "user": "MANUALTRIGGER",
    "upstream": "UPSTREAMTRIGGER",
    "timer": "TIMERTRIGGER",
    "scm": "SCMTRIGGER",
    "remote": "REMOTECAUSE",
    "naginator": "NAGINATORCAUSE",
}


def _triggers(causes: tuple[Cause, ...]) -> dict[str, str]:
    """BUILD_CAUSE and ROOT_BUILD_CAUSE, as EnvInject sets them in every build of a Jenkins that has it."""
    variables: dict[str, str] = {}
    for head, chosen in (("BUILD_CAUSE", causes), ("ROOT_BUILD_CAUSE", tuple(_roots(causes)))):
        kinds = list(dict.fromkeys(TRIGGERS[cause.kind] for cause in chosen if cause.kind in TRIGGERS))
        if kinds:
            variables[head] = ",".join(kinds)
            variables |= {f"{head}_{kind}": "true" for kind in kinds}
    return variables


def _roots(causes: tuple[Cause, ...]) -> Iterator[Cause]:
    for cause in causes:
        if cause.causes:
            yield from _roots(cause.causes)
        else:
            yield cause


def java(place: str, env: Mapping[str, str]) -> dict[str, str]:
    """Variables that make a JDK the one of a build (hudson.model.JDK.buildEnvVars); none without a place."""
    if not place:
        return {}
    path = os.pathsep.join(filter(None, [f"{place}/bin", env.get("PATH", "")]))
    return {"JAVA_HOME": place, "JDK_HOME": place, "PATH": path}
