"""Renders with jenkins-job-builder up to 4, which people's older trees need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sluicegate.errors import ConfigError
from sluicegate.jjb import safety
from sluicegate.jjb.trees import Mistakes, Renderer, Tree, quiet, written


def render(config: Any, files: Sequence[Path]) -> Tree:
    """The jobs of YAML files. This jenkins-job-builder names no lines."""
    from jenkins_jobs.parser import YamlParser
    from jenkins_jobs.registry import ModuleRegistry
    from jenkins_jobs.xml_config import XmlJobGenerator

    safety.tame(old=True)
    folders = [*config.yamlparser["include_path"], *(str(path.parent) for path in files)]
    config.yamlparser["include_path"] = list(dict.fromkeys(folders))
    mistakes = Mistakes(_message)
    parser = YamlParser(config)
    for path in map(str, files):
        mistakes.attempt(path, partial(parser.load_files, [path]))
    registry = ModuleRegistry(config, [])
    registry.set_parser_data(parser.data)
    mistakes.attempt("the jobs", lambda: parser.expandYaml(registry))
    generator = XmlJobGenerator(registry)
    renderers: dict[str, Renderer] = {data["name"]: partial(_xml, generator, data) for data in parser.jobs}
    return Tree(renderers=renderers, mistakes=mistakes.texts)


def _xml(generator: Any, data: dict[str, Any], pretty: bool) -> bytes:
    mistakes = Mistakes(_message)
    with quiet():
        content = mistakes.attempt(f"job {data['name']!r}", lambda: written(generator.generateXML([data])[0], pretty))
    if mistakes.texts:
        raise ConfigError(mistakes.texts)
    return content or b""


def _message(problem: Exception, what: str) -> str:
    return f"{what}: {type(problem).__name__}: {problem}"
