"""What the Jenkins of sluicegate.yaml lacks, asked of itself: each step that is missing, with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError
from sluicegate.model.config import Config, Jenkins
from sluicegate.model.jobs import path_of
from sluicegate.model.values import Json
from sluicegate.tools import jenkins as server

State = Literal["well", "missing", "unknown"]
PLUGINS = {
    "git": "builds and syncs check out by it",
    "junit": "builds and suites show their tests by it",
    "credentials-binding": "buttons get the token by it that reads who pressed them",
}
JUDGED = ("COMPONENT", "VERSION", "TO", "ROLE")
"""Parameters of a job that approves or rejects: they must be what the command says (decision 0021)."""
INSTALLED = ("COMPONENT", "VERSION", "ENVIRONMENT", "ADDRESSES")
"""What an installation gives to the jobs that it starts."""
WHO = "whoAmI/api/json"
NOWHERE = "https://nowhere.invalid/of-sluicegate-check.git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One step of the way to a Jenkins that carries deliveries; `todo` says what to do where it is not done."""

    state: State
    what: str
    todo: str = ""


def check_jenkins(config: Config) -> Iterator[Finding]:
    """Ask the Jenkins about each step; where one is missing on which the others stand, it is the last."""
    jenkins = config.jenkins
    if jenkins is None:
        yield _missing(
            "sluicegate.yaml names no Jenkins", "add 'jenkins: {url: ..., user: ..., token: {env: JENKINS_TOKEN}}'"
        )
        return
    try:
        login = _login(jenkins)
        yield login
        if login.state == "missing":
            return
        top = _get(jenkins, "api/json?tree=url,useSecurity,mode")
    except RemoteUnavailable as problem:
        yield _missing(problem.message, "correct 'url' below 'jenkins:', or let that Jenkins run")
        return
    except SluicegateError as problem:
        yield _missing(problem.message, problem.hint or "see the log of the Jenkins")
        return
    # From here on each step is judged by itself.
    yield from _security(jenkins, top)
    yield _address(jenkins, top)
    yield from _plugins(jenkins)
    yield from _sources(config)
    yield _hook(jenkins)
    yield from _machines(jenkins)
    yield from _jobs(config, jenkins)


def _well(what: str) -> Finding:
    return Finding(state="well", what=what)


def _missing(what: str, todo: str) -> Finding:
    return Finding(state="missing", what=what, todo=todo)


def _unknown(what: str, todo: str) -> Finding:
    return Finding(state="unknown", what=what, todo=todo)


def _silent(what: str, problem: SluicegateError) -> Finding:
    """What nobody can tell: a page that failed is not taken for one that is not there."""
    return _unknown(f"{what}: {problem.message}", problem.hint or "see the log of the Jenkins")


def _get(jenkins: Jenkins, path: str) -> Json:
    """What a page of the API says; empty where it is not there. Raises SluicegateError for what says nothing."""
    answer = server.ask(jenkins, f"{jenkins.url}/{path}")
    if answer.status == 404:
        return {}
    page = f"{jenkins.url}/{path.partition('?')[0]}"
    if answer.status != 200:
        raise SluicegateError(f"{page} answered with status {answer.status}")
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SluicegateError(f"{page} answered with something else than an object in JSON")
    return value


def _login(jenkins: Jenkins) -> Finding:
    """Whether there is a Jenkins at all, and whether it knows our user."""
    answer = server.ask(jenkins, f"{jenkins.url}/{WHO}")
    if 300 <= answer.status < 400:
        root = answer.headers.get("Location", "").removesuffix(f"/{WHO}")
        return _missing(f"{jenkins.url} leads on to {root}", f"set 'jenkins: {{url: {root}}}', if that is your Jenkins")
    if "X-Jenkins" not in answer.headers:
        return _missing(
            f"{jenkins.url} answers, and is not the root of a Jenkins",
            f"it may live below a path: set 'jenkins: {{url: {jenkins.url}/jenkins}}'",
        )
    who = _get(jenkins, WHO)
    if who.get("anonymous") is True:
        return _missing(f"{jenkins.url} takes us for anonymous", "set 'user' and its token below 'jenkins:'")
    name = str(who.get("name") or who.get("id") or jenkins.user)
    if name != jenkins.user:
        return _missing(f"{jenkins.url} knows our user as '{name}'", f"set 'user: {name}' below 'jenkins:'")
    return _well(f"Jenkins {answer.headers['X-Jenkins']} at {jenkins.url}; the user '{name}' logs in")


def _security(jenkins: Jenkins, top: Json) -> Iterator[Finding]:
    if top.get("useSecurity") is False:
        yield _missing("anybody may do everything there", "Manage Jenkins, Security: a realm, and rights for its users")
    elif server.is_open(jenkins):
        yield _unknown(
            "who has not logged in reads this Jenkins", "Manage Jenkins, Security: take 'Read' from anonymous"
        )
    else:
        yield _well("nobody reads it without a login")


def _address(jenkins: Jenkins, top: Json) -> Finding:
    """Jenkins' own URL, which becomes BUILD_URL; without one builds have none, and nobody is verified."""
    url = str(top.get("url") or "").rstrip("/")
    if not url:
        todo = f"Manage Jenkins, System: set 'Jenkins URL' to {jenkins.url}/"
        return _missing("it does not know its own address, so builds have no BUILD_URL", todo)
    if url != jenkins.url:
        todo = f"set 'jenkins: {{url: {url}}}' in sluicegate.yaml, or correct 'Jenkins URL' in Manage Jenkins, System"
        return _missing(f"it calls itself {url}, and sluicegate.yaml calls it {jenkins.url}", todo)
    return _well(f"it knows its own address, {url}/")


def _plugins(jenkins: Jenkins) -> Iterator[Finding]:
    try:
        listed = _get(jenkins, "pluginManager/api/json?depth=1&tree=plugins[shortName,active]").get("plugins")
    except Denied:
        listed = None
    except SluicegateError as problem:
        yield _silent("its plugins cannot be asked for", problem)
        return
    if not isinstance(listed, list):
        yield _unknown(f"the user '{jenkins.user}' may not see its plugins", f"look for {', '.join(PLUGINS)} yourself")
        return
    active = {str(plugin.get("shortName")) for plugin in server.objects(listed) if plugin.get("active") is not False}
    for name, why in PLUGINS.items():
        if name not in active:
            yield _missing(f"the plugin {name} is not active: {why}", f"Manage Jenkins, Plugins: install {name}")
    if not set(PLUGINS) - active:
        yield _well(f"plugins: {', '.join(PLUGINS)}")


def _sources(config: Config) -> Iterator[Finding]:
    """The git plugin refuses to check out from a path on the controller."""
    for component in config.components.values():
        if component.git.startswith(("/", "file:")):
            todo = "give the URL by which agents reach it, such as ssh://git@git/NAME.git"
            yield _missing(f"the source of {component.name} is the path {component.git}, which Jenkins refuses", todo)


def _hook(jenkins: Jenkins) -> Finding:
    """Whether Git servers may tell of a push; the made-up repository starts nothing."""
    status = server.without_login(jenkins, f"{jenkins.url}/git/notifyCommit?url={NOWHERE}").status
    if status == 404:
        return _unknown("git/notifyCommit is not there", "install the git plugin, or give the templates a 'poll'")
    if status in (401, 403):
        todo = (
            "Manage Jenkins, Security, Git plugin notifyCommit access tokens: make one, and let hooks send &token=..."
        )
        return _unknown("git/notifyCommit takes a token from hooks; whether they have one is not to be seen here", todo)
    return _well("git/notifyCommit takes hooks without a token")


def _machines(jenkins: Jenkins) -> Iterator[Finding]:
    tree = "computer[displayName,offline,numExecutors,_class]"
    try:
        computers = _get(jenkins, f"computer/api/json?tree={tree}").get("computer")
    except SluicegateError as problem:
        yield _silent("its agents cannot be asked for", problem)
        return
    if not isinstance(computers, list):
        yield _unknown("its agents cannot be seen", "look at Manage Jenkins, Nodes")
        return
    ready = [node for node in server.objects(computers) if not node.get("offline") and node.get("numExecutors")]
    agents = [node for node in ready if "MasterComputer" not in str(node.get("_class"))]
    if not ready:
        yield _missing("no agent is online with an executor", "Manage Jenkins, Nodes: add one, or bring it back")
    elif not agents:
        todo = "add an agent, and set the built-in node's executors to 0: what a job runs there can read all secrets"
        yield _unknown("builds run on the controller itself", todo)
    else:
        names = ", ".join(str(node.get("displayName")) for node in agents)
        yield _well(f"agents: {names}; each needs git and sluicegate on PATH")


def _jobs(config: Config, jenkins: Jenkins) -> Iterator[Finding]:
    """The jobs that roles and environments name, with their parameters."""
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {}
    for role in config.roles.values():
        for verb, jobs in role.jobs.items():
            needed = JUDGED if verb in ("approve", "reject") else ()
            wanted |= dict.fromkeys(jobs, (f"the role {role.name} ({verb})", needed))
    for environment in config.environments.values():
        for after in environment.after:
            for component in config.components if after.job else ():
                job = after.job.replace("{component}", component)
                wanted[job] = (f"after an installation in {environment.name}", INSTALLED)
    for name, (why, parameters) in wanted.items():
        yield _job(jenkins, name, why, parameters)


def _job(jenkins: Jenkins, name: str, why: str, wanted: tuple[str, ...]) -> Finding:
    tree = "_class,buildable,disabled,property[parameterDefinitions[name]]"
    what = f"the job {name}, {why},"
    try:
        job = _get(jenkins, f"{path_of(name)}api/json?tree={tree}")
    except Denied as problem:
        return _missing(f"{what} may not be read", problem.hint)
    except SluicegateError as problem:
        return _silent(f"{what} cannot be asked for", problem)
    if not job:
        todo = f"make it (jenkins-jobs update), let '{jenkins.user}' read it, or name its folder: FOLDER/{name}"
        return _missing(f"{what} is not there", todo)
    if "Folder" in str(job.get("_class")):
        return _missing(f"{what} is a folder", f"name a job in it: {name}/JOB")
    if job.get("buildable") is False:
        return _missing(f"{what} cannot be built", "enable it; a copied job is to be saved once")
    groups = [server.objects(group.get("parameterDefinitions")) for group in server.objects(job.get("property"))]
    declared = {str(parameter.get("name")) for group in groups for parameter in group}
    if lacking := [parameter for parameter in wanted if parameter not in declared]:
        return _missing(f"{what} has no parameter {', '.join(lacking)}", "declare them, as the templates do")
    return _well(f"{what} is there")
