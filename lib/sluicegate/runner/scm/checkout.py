"""A build's checkout: every repository of the job into the workspace, the variables, the record, the change log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sluicegate.errors import Malformed, NotFound
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.causes import Cause
from sluicegate.runner.results import Result
from sluicegate.runner.scm import branches, changelog, choosing, fetching, history, switching, urls
from sluicegate.runner.scm.choosing import Candidate, Question
from sluicegate.runner.scm.history import BuildData, Built
from sluicegate.runner.scm.model import Git, Remote, Source
from sluicegate.runner.scm.work import KINDS, WorkTree, authentication
from sluicegate.runner.vault import Credential
from sluicegate.tools.beneath import empty

RETRY_PAUSE = 10.0
"""Seconds between attempts (AbstractBuild.defaultCheckout)."""


def checkout(build: Build, source: Source) -> None:
    """Check out all repositories; as often again as `scmCheckoutRetryCount` says when that fails."""
    retries = build.config.checkout_retries
    while True:
        try:
            _checkout(build, source)
            return
        except StepFailed as problem:
            if not retries:
                raise
            build.say(f"ERROR: {problem.message}")
        retries -= 1
        build.say(f"Retrying after {RETRY_PAUSE:g} seconds")
        build.rest(RETRY_PAUSE)


def _checkout(build: Build, source: Source) -> None:
    logs: list[str] = []
    variables: dict[str, str] = {}
    others = [action for action in build.record.extra if not action.startswith(f"<{history.TAG}")]
    records: dict[int, str] = {}
    several = False

    def keep(index: int, data: BuildData) -> None:
        records[index] = data.to_xml()
        build.record.extra = [*others, *records.values()]

    for index, git in enumerate(source.gits):
        done = _Checkout(build, git, partial(keep, index), alone=len(source.gits) == 1).perform()
        # A name that an earlier repository has set gets the number of this one (MultiSCM.buildEnvVars).
        variables |= {f"{name}_{index}" if name in variables else name: text for name, text in done.variables.items()}
        logs.append(done.log)
        several |= done.several
    # What the administrator sets for all builds stays as it is, GIT_URL too, as on a Jenkins.
    shared = build.services.shared()
    build.env |= {name: text for name, text in variables.items() if name not in shared}
    if source.gits:
        changelog.write(build.record, logs, source.gits)
    if several:
        build.say(f"Scheduling another build to catch up with {build.record.job}")
        build.services.start_again(build, Cause(kind="scm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the checkout of one repository gave."""

    variables: Mapping[str, str]
    log: str
    several: bool


class _Checkout:
    """One repository on its way into the workspace of a build."""

    def __init__(self, build: Build, git: Git, keep: Callable[[BuildData], None], *, alone: bool) -> None:
        self.build = build
        self.git = git
        self.urls = tuple(_url(build, remote) for remote in git.remotes)
        self.folder = _folder(build, git)
        self.keep = keep
        self.alone = alone
        self.several = False

    def perform(self) -> Done:
        if self.git.wipe:
            self.build.say("Wiping out workspace first.")
            empty(self.folder)
        credentials = [_credential(self.build, remote) for remote in self.git.remotes]
        with ExitStack() as stack:
            # git asks for one name and password, whichever remote it talks to: the first one's serve the others too.
            login = next((credential for credential in credentials if credential is not None), None)
            login_variables = stack.enter_context(authentication(login, self.build.scratch, self.build.show))
            tree = WorkTree(self.build, self.folder, login_variables | self._identity())
            if tree.obey_no_broken_settings():
                self.build.say("WARNING: git cannot read the .gitconfig of this runner's user; going on without it")
                self.build.env["GIT_CONFIG_GLOBAL"] = tree.env["GIT_CONFIG_GLOBAL"]
            return self._bring(tree)

    def _identity(self) -> dict[str, str]:
        name, email = (self.build.expand(text) for text in self.git.committer)
        names = {"GIT_COMMITTER_NAME": name, "GIT_AUTHOR_NAME": name} if name else {}
        return names | ({"GIT_COMMITTER_EMAIL": email, "GIT_AUTHOR_EMAIL": email} if email else {})

    def _bring(self, tree: WorkTree) -> Done:
        """Fetch and switch; once more from nothing when the repository turns out to be broken."""
        fresh = not fetching.healthy(tree)
        try:
            return self._attempt(tree, fresh)
        except StepFailed:
            if fresh or fetching.intact(tree):
                raise
        self.build.say("[WARNING] The repository in the workspace is damaged; cloning it anew")
        return self._attempt(tree, True)

    def _attempt(self, tree: WorkTree, fresh: bool) -> Done:
        if fresh:
            fetching.create(tree, self.git.clone)
        else:
            fetching.unlock(tree)
            self.build.say("Fetching changes from the remote Git repository")
            switching.clean_before(tree, self.git)
        specs: list[str] = []
        for remote, url in zip(self.git.remotes, self.urls, strict=True):
            wanted = fetching.refspecs(remote, self.build.expand(remote.refspec))
            fetching.fetch(tree, self.git, remote, url, wanted)
            specs += wanted
        past = _past(self.build, self.git, self.urls, self.alone)
        chosen = self._choose(tree, past, tuple(specs))
        return self._switch(tree, past, chosen)

    def _choose(self, tree: WorkTree, past: BuildData, refspecs: tuple[str, ...]) -> Candidate:
        question = Question(
            specs=tuple(self.build.expand(spec) for spec in self.git.branches),
            remotes=tuple(remote.name for remote in self.git.remotes),
            refspecs=refspecs,
            chooser=self.git.chooser,
            past=past,
            now=datetime.now().astimezone(),
            event=self.build.env.get(choosing.EVENT, ""),
        )
        # A build that was started for a commit takes that one, whatever the branches say.
        if (commit := history.forced(self.build.record)) and (commanded := choosing.forced(tree, commit)):
            return commanded[0]
        try:
            waiting = choosing.candidates(tree, question)
        except Malformed as problem:
            raise StepFailed(problem.message) from problem
        if not waiting:
            wanted = ", ".join(question.specs)
            raise StepFailed(f"Couldn't find any revision to build: no branch matches {wanted}")
        if len(waiting) > 1 and not self.git.single_revision:
            self._catch_up(question, waiting)
        return waiting[0]

    def _catch_up(self, question: Question, waiting: list[Candidate]) -> None:
        """Several commits wait to be built: one now, and another build for the next."""
        self.build.say("Multiple candidate revisions")
        for later in waiting[1:]:
            self.build.say(f"  {later.commit} ({later.branches[0]}) is not built by this build")
        # Only what the next build will not choose again: else each build would start another one for ever.
        self.several = all(not question.past.has_built(candidate.commit) for candidate in waiting) and _several(
            question
        )

    def _switch(self, tree: WorkTree, past: BuildData, chosen: Candidate) -> Done:
        """Check the commit out and tell what was done. A commit that cannot be counts as built: polling goes on."""
        branch = chosen.branches[0]
        self._remember(past, chosen, chosen.commit)
        switched = switching.switch(tree, self.git, chosen)
        self._remember(past, chosen, switched.commit)
        before = past.by_branch.get(branch)
        variables = {"GIT_COMMIT": switched.commit, "GIT_BRANCH": branch.removeprefix("refs/remotes/")}
        if switched.local_branch:
            variables["GIT_LOCAL_BRANCH"] = switched.local_branch
        variables |= {"GIT_URL": self.urls[0]}
        if len(self.urls) > 1:
            variables |= {f"GIT_URL_{number}": url for number, url in enumerate(self.urls, start=1)}
        if self.git.subfolder:
            variables["GIT_CHECKOUT_DIR"] = self.build.expand(self.git.subfolder)
        if before is not None:
            variables["GIT_PREVIOUS_COMMIT"] = before.commit
            if good := _last_good(self.build, self.git, self.urls, branch, self.alone):
                variables["GIT_PREVIOUS_SUCCESSFUL_COMMIT"] = good
        log = changelog.text(tree, self.git, switched.commit, before)
        return Done(variables=variables | self._identity(), log=log, several=self.several)

    def _remember(self, past: BuildData, chosen: Candidate, commit: str) -> None:
        number = self.build.record.number
        built = Built(marked=chosen.commit, commit=commit, branches=chosen.branches, number=number)
        self.keep(replace(past.with_build(built), remotes=self.urls, name=self.git.name))


def _several(question: Question) -> bool:
    return question.chooser.kind == "inverse" or branches.single(question.specs, question.remotes) is None


def _url(build: Build, remote: Remote) -> str:
    try:
        url = urls.check(build.expand(remote.url))
    except Malformed as problem:
        hint = f" ({problem.hint})" if problem.hint else ""
        raise StepFailed(problem.message + hint) from problem
    build.mask(urls.secrets(url))
    return url


def _folder(build: Build, git: Git) -> Path:
    subfolder = build.expand(git.subfolder)
    try:
        return build.ground.folder_at(subfolder)
    except OSError as problem:
        raise StepFailed(f"the folder '{subfolder}' lies outside the workspace") from problem


def _credential(build: Build, remote: Remote) -> Credential | None:
    name = build.expand(remote.credentials)
    if not name:
        return None
    try:
        credential = build.services.credential(name)
    except NotFound:
        build.say(f'Warning: CredentialId "{name}" could not be found.')  # The plugin goes on too.
        return None
    if credential.kind not in KINDS:
        build.say(f'Warning: CredentialId "{name}" is neither a user with a password nor an ssh key.')
        return None
    build.say(f"using credential {name}")
    build.mask([credential.secret, credential.passphrase])
    return credential


def _past(build: Build, git: Git, wanted: tuple[str, ...], alone: bool) -> BuildData:
    """What the job has built of this repository until now; `alone`: it is the job's only one."""
    for record in build.services.earlier(build):
        for data in history.of(record):
            if alone or data.is_about(git.name, wanted):
                return data
    return BuildData()


def _last_good(build: Build, git: Git, wanted: tuple[str, ...], branch: str, alone: bool) -> str:
    for record in build.services.earlier(build):
        if record.result is not None and record.result <= Result.UNSTABLE:
            for data in history.of(record):
                if (alone or data.is_about(git.name, wanted)) and branch in data.by_branch:
                    return data.by_branch[branch].commit
    return ""
