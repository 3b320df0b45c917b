"""JJB YAML -> config.xml, with jenkins-job-builder as a library; its messages come out with file, line and column."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sluicegate.errors import MissingProgram, UsageError
from sluicegate.jjb import cache, roots, sources, yamlparser
from sluicegate.jjb.sources import STDIN, Options
from sluicegate.jjb.trees import Renderer, Tree, quiet
from sluicegate.tools import extras
from sluicegate.tools.scratch import scratch

OPTIONAL = ("jenkins_jobs", "pkg_resources", "stevedore")


def templates() -> Path:
    """The folder of our job templates."""
    return (Path(__file__).parent.parent / "templates").resolve()


def tree(paths: Sequence[Path], options: Options | None = None, extra_templates: Sequence[Path] = ()) -> Tree:
    """The jobs of YAML files, config.xml files and folders of both; `-` is stdin. Our templates, then the extra, help.

    Raises UnknownName for a path that is not there, MissingProgram where jenkins-job-builder is needed.
    """
    if Path(STDIN) not in paths:
        return _tree(paths, options or Options(), extra_templates)
    content = sys.stdin.buffer.read()
    if sources.is_job(content):
        return Tree(renderers={"job": lambda _: content})
    with scratch() as folder:
        # A file of its own, for jenkins-job-builder cannot place mistakes in a stream.
        place = folder / "stdin.yaml"
        place.write_bytes(content)
        named = [place if path == Path(STDIN) else path for path in paths]
        return _tree(named, options or Options(), extra_templates)


def kept(paths: Sequence[Path], options: Options) -> Tree:
    """The same, of what was rendered before where nothing has changed since. Raises ConfigError with all mistakes."""
    if Path(STDIN) in paths:
        return tree(paths, options)
    entry = cache.entry_of(paths, options)
    if (known := cache.lookup(entry, paths)) is not None:
        return known
    with cache.recorded() as opened:
        rendered = tree(paths, options)
        contents = rendered.contents()
    cache.store(entry, paths, rendered, contents, opened)
    return replace(rendered, renderers={name: partial(_given, content) for name, content in contents.items()})


def _given(content: bytes, _pretty: bool) -> bytes:
    return content


def _tree(paths: Sequence[Path], options: Options, extra_templates: Sequence[Path]) -> Tree:
    config, options = _configured(options)
    inputs = sources.find(paths, options)
    renderers: dict[str, Renderer] = {name: partial(_stored, path) for name, path in inputs.xml.items()}
    hint = f"its subfolders hold {inputs.deeper} YAML files: give -r" if inputs.deeper else ""
    if not inputs.yaml:
        return Tree(renderers=renderers, hint=hint, settled=options)
    if config is None:
        raise MissingProgram("jenkins-job-builder is not installed", hint=extras.install("jobs"))
    with quiet():
        if importlib.util.find_spec("jenkins_jobs.roots") is None:  # up to 4, which does not read our templates
            rendered = yamlparser.render(config, inputs.yaml)
        else:
            helpers = sources.find([templates(), *extra_templates], Options()).yaml
            rendered = roots.render(config, [*inputs.yaml, *helpers])
    include_path = tuple(map(str, config.yamlparser["include_path"]))
    renderers |= rendered.renderers
    return Tree(renderers=renderers, mistakes=rendered.mistakes, hint=hint, settled=options, include_path=include_path)


def _stored(path: Path, _pretty: bool) -> bytes:
    return path.read_bytes()


def jobs(path: Path) -> dict[str, bytes]:
    """Job name -> config.xml of all jobs in a YAML file or folder, or of a config.xml itself."""
    return tree([path]).contents()


def render(paths: Sequence[Path], extra_templates: Sequence[Path] = ()) -> dict[str, bytes]:
    """Full job name -> config.xml of all jobs in YAML files and folders; our templates, then `extra_templates`, help.

    Raises ConfigError with all mistakes in jenkins-job-builder's own words, MissingProgram where it is not installed.
    """
    return tree(paths, extra_templates=extra_templates).contents()


def _configured(options: Options) -> tuple[Any, Options]:
    """jenkins-job-builder's configuration, None without it, and the options that its ini file adds."""
    try:
        from jenkins_jobs.config import JJBConfig
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in OPTIONAL:
            raise
        return None, options
    own = Path("jenkins_jobs.ini")
    conf = str(options.conf or own) if options.conf is not None or own.is_file() else None
    with contextlib.redirect_stderr(io.StringIO()), quiet():
        try:
            config = JJBConfig(conf, config_file_required=conf is not None)
            config.builder["plugins_info"] = []
            config.validate()
        except Exception as problem:  # JJB lets out whatever its ini reader raises
            raise UsageError(f"{conf or 'jenkins_jobs.ini'} cannot be used: {problem}") from problem
    if options.allow_empty_variables:
        config.yamlparser["allow_empty_variables"] = True
    recursive = options.recursive or bool(config.recursive)
    exclude = options.exclude or tuple(filter(None, config.excludes))
    return config, replace(options, recursive=recursive, exclude=exclude)
