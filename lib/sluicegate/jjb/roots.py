"""Renders with jenkins-job-builder 5 and later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sluicegate.errors import ConfigError, UsageError
from sluicegate.jjb import safety
from sluicegate.jjb.trees import Mistakes, Renderer, Tree, quiet, written


def render(config: Any, files: Sequence[Path]) -> Tree:
    """The jobs of YAML files."""
    from jenkins_jobs.registry import ModuleRegistry
    from jenkins_jobs.roots import Roots
    from jenkins_jobs.xml_config import XmlJobGenerator

    safety.tame(old=False)
    folders = [*config.yamlparser["include_path"], *(str(path.parent) for path in files)]
    config.yamlparser["include_path"] = list(dict.fromkeys(folders))
    mistakes = Mistakes(message)
    roots = Roots(config)
    if config.yamlparser["retain_anchors"]:
        roots = _loaded_as_one(config, files, mistakes)
    else:
        for source in files:
            mistakes.attempt(str(source), partial(_load, config, roots, [source]))
    expanded = [job for what, make in _parts(roots) for job in mistakes.attempt(what, make) or ()]
    if len({job.name for job in expanded}) < len(expanded):  # allowed by a setting; else JJB knows both places
        mistakes.attempt("duplicate jobs", roots.generate_jobs)
    registry = ModuleRegistry(config, [])
    registry.set_macros(roots.macros)
    generator = XmlJobGenerator(registry)
    renderers: dict[str, Renderer] = {job.name: partial(_xml, generator, job) for job in expanded}
    return Tree(renderers=renderers, mistakes=mistakes.texts)


def _load(config: Any, roots: Any, files: Sequence[Path]) -> None:
    from jenkins_jobs.loader import load_files

    load_files(config, roots, files)


def _loaded_as_one(config: Any, files: Sequence[Path], mistakes: Mistakes) -> Any:
    """All files by one loader, which keeps the anchors; a file with a mistake is left out, and all are read again."""
    from jenkins_jobs.roots import Roots

    left = list(files)
    while True:
        roots = Roots(config)
        try:
            _load(config, roots, left)
            return roots
        except Exception as problem:  # JJB lets out whatever its YAML loader raises
            text = message(problem, "YAML")
            mistakes.add(text)
            broken = [path for path in left if text.startswith(f"{path}:") or f"\n{path}:" in text]
            if not broken:
                return roots
            left.remove(broken[0])


def _xml(generator: Any, job: Any, pretty: bool) -> bytes:
    """The XML of one job. Raises ConfigError that says where it stands."""
    mistakes = Mistakes(message)
    with quiet():
        content = mistakes.attempt(_place(job), lambda: written(generator.generateXML([job])[0], pretty))
    if mistakes.texts:
        raise ConfigError(mistakes.texts)
    return content or b""


def message(problem: Exception, what: str) -> str:
    """A mistake in jenkins-job-builder's form: `file:line:column: text`, with the line below it."""
    import yaml
    from jenkins_jobs.errors import JenkinsJobsException

    if isinstance(problem, JenkinsJobsException):
        return "\n".join(problem.lines)
    if isinstance(problem, UsageError):
        return "\n".join([what, problem.message])
    if isinstance(problem, yaml.MarkedYAMLError) and (mark := problem.problem_mark) is not None:
        snippet = (mark.get_snippet(max_length=100) or "").splitlines()
        text = ", ".join(filter(None, [problem.context, problem.problem]))
        return "\n".join([f"{mark.name}:{mark.line + 1}:{mark.column + 1}: {text}", *map(str.rstrip, snippet)])
    # JJB 6.5 stumbles while it places the mistake of a module that stands there by its bare name.
    if isinstance(cause := problem.__context__, JenkinsJobsException):
        return "\n".join([what, *cause.lines])
    return f"{what}: {type(problem).__name__}: {problem}"


def _place(job: Any) -> str:
    """Where a job is defined, in jenkins-job-builder's form."""
    return "\n".join(line for context in job.context for line in context.lines)


def _parts(roots: Any) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    """Every plain job, and every line of a project's `jobs:`, to be expanded by itself."""
    for job in roots.jobs.values():
        yield str(job), lambda job=job: list(job.top_level_generate_items())  # type: ignore[misc]
    for project in roots.projects.values():
        for spec in project.job_specs:
            part = replace(project, job_specs=[spec])
            yield str(project), lambda part=part: list(part.generate_jobs())  # type: ignore[misc]
