"""JJB YAML -> config.xml, with jenkins-job-builder as a library; its messages come out with file and line."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

from sluicegate.errors import UsageError


def templates() -> Path:
    """The folder of our job templates."""
    return (Path(__file__).parent.parent / "templates").resolve()


def jobs(path: Path) -> dict[str, bytes]:
    """Job name -> config.xml of all jobs in a YAML file or folder, or of a config.xml itself.

    Raises UsageError with jenkins-job-builder's own message when the YAML does not render.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    if path.suffix == ".xml":
        name = path.parent.name if path.name == "config.xml" and path.parent.name else path.stem
        return {name: path.read_bytes()}
    try:
        return _render(path)
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in ("jenkins_jobs", "pkg_resources", "stevedore"):
            raise
        hint = "install the extra: pip install 'sluicegate[jobs]'"
        raise UsageError("jenkins-job-builder is not installed", hint=hint) from problem


def _render(path: Path) -> dict[str, bytes]:
    from jenkins_jobs.errors import JenkinsJobsException
    from jenkins_jobs.loader import load_files
    from jenkins_jobs.registry import ModuleRegistry
    from jenkins_jobs.roots import Roots
    from jenkins_jobs.xml_config import XmlJobGenerator

    # JJB reports through logging what its exception says again: one message is enough.
    logging.getLogger("jenkins_jobs").setLevel(logging.CRITICAL)
    config = _config(path)
    try:
        roots = Roots(config)
        files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        if path.resolve() != templates():
            files += sorted(templates().glob("*.yaml"))
        load_files(config, roots, files)
        registry = ModuleRegistry(config, [])
        registry.set_macros(roots.macros)
        rendered = XmlJobGenerator(registry).generateXML(roots.generate_jobs())
        return {one.name: one.output() for one in rendered}
    except JenkinsJobsException as problem:
        raise UsageError("\n".join(problem.lines)) from problem
    except Exception as problem:  # JJB raises whatever its YAML loader and modules raise
        raise UsageError(f"{path}: {type(problem).__name__}: {problem}") from problem


def _config(path: Path) -> Any:
    from jenkins_jobs.config import JJBConfig

    with contextlib.redirect_stderr(io.StringIO()):
        config = JJBConfig(config_file_required=False)
        config.builder["plugins_info"] = []
        config.validate()
    folder = str(path if path.is_dir() else path.parent)
    config.yamlparser["include_path"] = [*config.yamlparser["include_path"], folder, str(templates())]
    return config


def choose(rendered: dict[str, bytes], name: str | None, path: Path) -> tuple[str, bytes]:
    """The job to run: the named one, or the only one."""
    if not rendered:
        raise UsageError(f"{path} holds no job")
    if name is None:
        if len(rendered) > 1:
            raise UsageError(f"{path} holds {len(rendered)} jobs; name one of: {', '.join(sorted(rendered))}")
        name = next(iter(rendered))
    if name not in rendered:
        raise UsageError(f"{path} holds no job '{name}'; it holds: {', '.join(sorted(rendered))}")
    return name, rendered[name]
