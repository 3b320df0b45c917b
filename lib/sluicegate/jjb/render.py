"""JJB YAML -> config.xml, with jenkins-job-builder as a library; its messages come out with file, line and column."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sluicegate.errors import ConfigError, MissingProgram, UnknownName, UsageError
from sluicegate.tools import extras

SUFFIXES = (".yaml", ".yml")
OPTIONAL = ("jenkins_jobs", "pkg_resources", "stevedore")
T = TypeVar("T")


def templates() -> Path:
    """The folder of our job templates."""
    return (Path(__file__).parent.parent / "templates").resolve()


def jobs(path: Path) -> dict[str, bytes]:
    """Job name -> config.xml of all jobs in a YAML file or folder, or of a config.xml itself."""
    if path.suffix == ".xml" and path.exists():
        name = path.parent.name if path.name == "config.xml" and path.parent.name else path.stem
        return {name: path.read_bytes()}
    return render([path])


def render(paths: Sequence[Path], extra_templates: Sequence[Path] = ()) -> dict[str, bytes]:
    """Full job name -> config.xml of all jobs in YAML files and folders; our templates, then `extra_templates`, help.

    Raises ConfigError with all mistakes in jenkins-job-builder's own words, MissingProgram where it is not installed.
    """
    for path in (*paths, *extra_templates):
        if not path.exists():
            raise UnknownName(f"{path} does not exist")
    try:
        import jenkins_jobs.registry  # noqa: F401
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in OPTIONAL:
            raise
        raise MissingProgram("jenkins-job-builder is not installed", hint=extras.install("jobs")) from problem
    with _quiet():
        return _render(_files([*paths, templates(), *extra_templates]))


@dataclass(slots=True)
class _Mistakes:
    """Gathers what jenkins-job-builder says about each part, so that the first mistake does not hide the others."""

    found: list[str] = field(default_factory=list)

    def attempt(self, what: str, make: Callable[[], T]) -> T | None:
        """What `make` gives, None when it was a mistake."""
        try:
            return make()
        except Exception as problem:  # JJB lets out whatever its YAML loader and modules raise
            text = _message(problem, what)
            if text not in self.found:
                self.found.append(text)
            return None


def _message(problem: Exception, what: str) -> str:
    """A mistake in jenkins-job-builder's form: `file:line:column: text`, with the line below it."""
    import yaml
    from jenkins_jobs.errors import JenkinsJobsException

    if isinstance(problem, JenkinsJobsException):
        return "\n".join(problem.lines)
    if isinstance(problem, yaml.MarkedYAMLError) and (mark := problem.problem_mark) is not None:
        snippet = (mark.get_snippet(max_length=100) or "").splitlines()
        text = ", ".join(filter(None, [problem.context, problem.problem]))
        return "\n".join([f"{mark.name}:{mark.line + 1}:{mark.column + 1}: {text}", *map(str.rstrip, snippet)])
    # JJB 6.5 stumbles while it places the mistake of a module that stands there by its bare name.
    if isinstance(cause := problem.__context__, JenkinsJobsException):
        return "\n".join([what, *cause.lines])
    return f"{what}: {type(problem).__name__}: {problem}"


def _files(paths: Sequence[Path]) -> list[Path]:
    """The YAML files of files and folders, each once, in this order."""
    found: dict[Path, None] = {}
    for path in paths:
        listed = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES) if path.is_dir() else [path]
        found |= dict.fromkeys(one.resolve() for one in listed)
    return list(found)


def _render(files: Sequence[Path]) -> dict[str, bytes]:
    from jenkins_jobs.loader import load_files
    from jenkins_jobs.registry import ModuleRegistry
    from jenkins_jobs.roots import Roots
    from jenkins_jobs.xml_config import XmlJobGenerator

    config = _config([path.parent for path in files])
    roots, mistakes = Roots(config), _Mistakes()
    for path in files:
        mistakes.attempt(str(path), lambda path=path: load_files(config, roots, [path]))  # type: ignore[misc]
    expanded = [job for what, make in _parts(roots) for job in mistakes.attempt(what, make) or ()]
    if len({job.name for job in expanded}) < len(expanded):  # allowed by a setting; else JJB knows both places
        mistakes.attempt("duplicate jobs", roots.generate_jobs)
    registry = ModuleRegistry(config, [])
    registry.set_macros(roots.macros)
    generator = XmlJobGenerator(registry)
    found: dict[str, bytes] = {}
    for job in expanded:
        made = mistakes.attempt(_place(job), lambda job=job: generator.generateXML([job]))  # type: ignore[misc]
        found |= {one.name: one.output() for one in made or ()}
    if mistakes.found:
        raise ConfigError(mistakes.found)
    return found


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


def _config(include: Sequence[Path]) -> Any:
    from jenkins_jobs.config import JJBConfig

    with contextlib.redirect_stderr(io.StringIO()):
        config = JJBConfig(config_file_required=False)
        config.builder["plugins_info"] = []
        config.validate()
    folders = dict.fromkeys([*config.yamlparser["include_path"], *map(str, include)])
    config.yamlparser["include_path"] = list(folders)
    return config


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """JJB reports through logging what its exceptions say again: one message is enough."""
    logger = logging.getLogger("jenkins_jobs")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def choose(rendered: dict[str, bytes], name: str | None, path: Path) -> tuple[str, bytes]:
    """The job to run: the named one, or the only one."""
    if not rendered:
        raise UsageError(f"{path} holds no job")
    if name is None:
        if len(rendered) > 1:
            raise UsageError(f"{path} holds {len(rendered)} jobs; name one of: {', '.join(sorted(rendered))}")
        name = next(iter(rendered))
    if name not in rendered:
        raise UnknownName(f"{path} holds no job '{name}'; it holds: {', '.join(sorted(rendered))}")
    return name, rendered[name]
