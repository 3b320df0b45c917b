"""The git plugin's extensions: the options of each, and what it changes in the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.scm.model import PATIENCE, Choice, Chooser, Clean, Clone, Exclusions, Merge, Submodules

PREFIX = "hudson.plugins.git.extensions.impl."
Options = dict[str, object]
"""Fields of model.Git that extensions have set."""
Reader = Callable[[Fields, Options], Options]
"""Reads one extension, with what those before it have set."""

CHOOSERS: dict[str, Choice] = {
    "hudson.plugins.git.util.DefaultBuildChooser": "default",
    "hudson.plugins.git.util.InverseBuildChooser": "inverse",
    "hudson.plugins.git.util.AncestryBuildChooser": "ancestry",
    "com.sonyericsson.hudson.plugins.gerrit.trigger.hudsontrigger.GerritTriggerBuildChooser": "gerrit",
}
FAST_FORWARD = {"": "--ff", "FF": "--ff", "FF_ONLY": "--ff-only", "NO_FF": "--no-ff"}


def _sets(**options: object) -> Reader:
    """An extension without options."""
    return lambda _fields, _options: dict(options)


def _minutes(fields: Fields) -> int:
    return fields.number("timeout", 0) or PATIENCE


def _lines(fields: Fields, path: str) -> tuple[str, ...]:
    return tuple(line for line in fields.text(path).splitlines() if line.strip())


def _folder(fields: Fields, _: Options) -> Options:
    return {"subfolder": fields.text("relativeTargetDir").strip()}


def _clone(fields: Fields, _: Options) -> Options:
    clone = Clone(
        shallow=fields.flag("shallow"),
        depth=max(1, fields.number("depth", 1)),
        tags=not fields.flag("noTags"),
        honor_refspec=fields.flag("honorRefspec"),
        reference=fields.text("reference").strip(),
        minutes=_minutes(fields),
    )
    return {"clone": clone}


def _nested(fields: Fields) -> Clean:
    return Clean(nested=fields.flag("deleteUntrackedNestedRepositories"))


def _submodules(fields: Fields, _: Options) -> Options:
    options = Submodules(
        recursive=fields.flag("recursiveSubmodules"),
        tracking=fields.flag("trackingSubmodules"),
        parent_credentials=fields.flag("parentCredentials"),
        reference=fields.text("reference").strip(),
        shallow=fields.flag("shallow"),
        depth=max(1, fields.number("depth", 1)),
        threads=max(1, fields.number("threads", 1)),
        minutes=_minutes(fields),
    )
    return {"submodules": None if fields.flag("disableSubmodules") else options}


def _chooser(fields: Fields, _: Options) -> Options:
    chooser = fields.child("buildChooser")
    kind = CHOOSERS.get(chooser.tag) if chooser is not None else None
    if chooser is None or kind is None:
        name = chooser.tag if chooser is not None else ""
        fields.reasons.append(f'this runner does not know the build chooser <buildChooser class="{name}">')
        return {}
    if kind == "gerrit":
        chooser.harmless("separator")
    if kind != "ancestry":
        return {"chooser": Chooser(kind=kind)}
    days, ancestor = chooser.number("maximumAgeInDays", -1), chooser.text("ancestorCommitSha1").strip()
    return {"chooser": Chooser(kind=kind, days=days, ancestor=ancestor)}


def _merge(fields: Fields, _: Options) -> Options:
    remote, target = fields.text("options/mergeRemote").strip(), fields.text("options/mergeTarget").strip()
    strategy = fields.text("options/mergeStrategy").strip().lower()
    mode = fields.text("options/fastForwardMode").strip()
    if mode not in FAST_FORWARD:
        fields.only("options/fastForwardMode", "FF", "FF_ONLY", "NO_FF")
        return {}
    merge = Merge(
        target=f"{remote or 'origin'}/{target}",
        strategy="" if strategy == "default" else strategy,
        fast_forward=FAST_FORWARD[mode],
    )
    return {"merge": merge}


def _sparse(fields: Fields, _: Options) -> Options:
    return {"sparse": fields.texts(f"sparseCheckoutPaths/{PREFIX}SparseCheckoutPath/path")}


def _compare(fields: Fields, _: Options) -> Options:
    remote, target = fields.text("options/compareRemote"), fields.text("options/compareTarget")
    return {"compare_with": f"{remote.strip() or 'origin'}/{target.strip()}"}


def _identity(fields: Fields, _: Options) -> Options:
    return {"committer": (fields.text("name").strip(), fields.text("email").strip())}


def _exclusions(options: Options) -> Exclusions:
    known = options.get("exclusions")
    return known if isinstance(known, Exclusions) else Exclusions()


def _users(fields: Fields, options: Options) -> Options:
    return {"exclusions": replace(_exclusions(options), users=_lines(fields, "excludedUsers"))}


def _paths(fields: Fields, options: Options) -> Options:
    included, excluded = _lines(fields, "includedRegions"), _lines(fields, "excludedRegions")
    return {"exclusions": replace(_exclusions(options), included=included, excluded=excluded)}


def _messages(fields: Fields, options: Options) -> Options:
    known = _exclusions(options)
    pattern = fields.text("excludedMessage").strip()
    return {"exclusions": replace(known, messages=(*known.messages, pattern) if pattern else known.messages)}


def _large_files(fields: Fields, _: Options) -> Options:
    fields.harmless("credentialsId")  # The remote's own serve.
    return {"large_files": True}


KNOWN: dict[str, Reader] = {
    "AuthorInChangelog": _sets(author_in_changelog=True),
    "BuildChooserSetting": _chooser,
    "BuildSingleRevisionOnly": _sets(single_revision=True),
    "ChangelogToBranch": _compare,
    "CheckoutOption": lambda fields, _: {"checkout_minutes": _minutes(fields)},
    "CleanBeforeCheckout": lambda fields, _: {"clean_before": _nested(fields)},
    "CleanCheckout": lambda fields, _: {"clean_after": _nested(fields)},
    "CloneOption": _clone,
    # Polling looks into a clone of ours wherever it has to, never into a workspace: nothing changes.
    "DisableRemotePoll": _sets(),
    "GitLFSPull": _large_files,
    "IgnoreNotifyCommit": _sets(heeds_hooks=False),
    "LocalBranch": lambda fields, _: {"local_branch": fields.text("localBranch").strip()},
    "MessageExclusion": _messages,
    "PathRestriction": _paths,
    "PerBuildTag": _sets(tag_builds=True),
    "PreBuildMerge": _merge,
    "PruneStaleBranch": _sets(prune_branches=True),
    "PruneStaleTag": lambda fields, _: {"prune_tags": fields.flag("pruneTags", True)},
    "RelativeTargetDirectory": _folder,
    "ScmName": lambda fields, _: {"name": fields.text("name").strip()},
    "SparseCheckoutPaths": _sparse,
    "SubmoduleOption": _submodules,
    "UserExclusion": _users,
    "UserIdentity": _identity,
    "WipeWorkspace": _sets(wipe=True),
}

FLAGS: dict[str, Options] = {
    "authorOrCommitter": {"author_in_changelog": True},
    "clean": {"clean_after": Clean()},
    "ignoreNotifyCommit": {"heeds_hooks": False},
    "pruneBranches": {"prune_branches": True},
    "wipeOutWorkspace": {"wipe": True},
}


def legacy(fields: Fields) -> Options:
    """Options that plugins before 2.0 kept in the GitSCM itself (GitSCMBackwardCompatibility); JJB writes some."""
    options: Options = {}
    for name, meaning in FLAGS.items():
        if fields.flag(name):
            options |= meaning
    if not fields.flag("skipTag", True):
        options["tag_builds"] = True
    if folder := fields.text("relativeTargetDir").strip():
        options["subfolder"] = folder
    if branch := fields.text("localBranch").strip():
        options["local_branch"] = branch
    reference, shallow = fields.text("reference").strip(), fields.flag("useShallowClone")
    if reference or shallow:
        options["clone"] = Clone(reference=reference, shallow=shallow)
    recursive, disabled = fields.flag("recursiveSubmodules"), fields.flag("disableSubmodules")
    if recursive and not disabled:
        options["submodules"] = Submodules(recursive=True)
    committer = (fields.text("gitConfigName").strip(), fields.text("gitConfigEmail").strip())
    if any(committer):
        options["committer"] = committer
    options |= _users(fields, options)
    return options | _paths(fields, options)
