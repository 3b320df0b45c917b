"""Keeps YAML from running code: jenkins-job-builder loads it with PyYAML's loader for trusted files, and Jinja unbound.

`jobs check`, `jobs render` and `run` are typed on files of others, a merge request's for example.
"""

from __future__ import annotations

import importlib
import types
from typing import Any, NoReturn

PYTHON = "tag:yaml.org,2002:python/"
LOADERS = (("jenkins_jobs.loc_loader", "LocLoader"), ("jenkins_jobs.loader", "Loader"))
OLD_LOADERS = (("jenkins_jobs.local_yaml", "LocalLoader"),)


def tame(*, old: bool) -> None:
    """Refuse Python tags, and put Jinja into its sandbox; `old` is a jenkins-job-builder up to 4."""
    for module, name in OLD_LOADERS if old else LOADERS:
        _without_python(getattr(importlib.import_module(module), name))
    user = importlib.import_module("jenkins_jobs.local_yaml" if old else "jenkins_jobs.yaml_objects")
    vars(user)["jinja2"] = _sandboxed()


def _without_python(loader: Any) -> None:
    """Take the constructors of Python objects from this class alone: others of this process may want theirs."""
    for table in ("yaml_constructors", "yaml_multi_constructors"):
        known = dict(getattr(loader, table))
        setattr(loader, table, {tag: _refuse if str(tag).startswith(PYTHON) else make for tag, make in known.items()})


def _refuse(_loader: object, *suffix_and_node: Any) -> NoReturn:
    import yaml

    node = suffix_and_node[-1]
    short = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise yaml.constructor.ConstructorError(
        None, None, f"the tag {short} would run Python code, and is refused", node.start_mark
    )


def _sandboxed() -> types.ModuleType:
    """Jinja2 as jenkins-job-builder's module sees it: what a template reaches of Python is what is harmless."""
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    module = types.ModuleType("jinja2")
    module.__dict__.update(jinja2.__dict__)
    module.__dict__["Environment"] = SandboxedEnvironment
    module.__dict__["Template"] = lambda source, **settings: SandboxedEnvironment(**settings).from_string(source)
    return module
