"""All jobs of some sources; a job is rendered when it is asked for, so a mistake in one is no mistake of another."""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from xml.etree.ElementTree import tostring

from sluicegate.errors import ConfigError, UnknownName, UsageError
from sluicegate.jjb.sources import Options

T = TypeVar("T")
Renderer = Callable[[bool], bytes]
"""Gives the XML of one job, pretty or not."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what nobody who reads it can mend.

    JJB reports through logging what its exceptions say again, and it takes a module that setuptools warns of.
    """
    logger = logging.getLogger("jenkins_jobs")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
            yield
    finally:
        logger.setLevel(before)


def written(rendered: Any, pretty: bool) -> bytes:
    """The XML of a job that JJB has made. Raises UsageError for a value that is no text, as `true` without quotes."""
    for element in rendered.xml.iter():
        texts = (element.text, *element.attrib.values())
        for unfit in (text for text in texts if not (text is None or isinstance(text, str))):
            raise UsageError(f"<{element.tag}> would hold {unfit!r}, which is no text: quote it in the YAML")
    content: bytes = rendered.output() if pretty else tostring(rendered.xml, encoding="utf-8")
    return content


@dataclass(slots=True)
class Mistakes:
    """Gathers what jenkins-job-builder says about each part, so that the first mistake does not hide the others."""

    message: Callable[[Exception, str], str]
    texts: list[str] = field(default_factory=list)

    def attempt(self, what: str, make: Callable[[], T]) -> T | None:
        """What `make` gives, None when it was a mistake."""
        try:
            return make()
        except Exception as problem:  # JJB lets out whatever its YAML loader and modules raise
            self.add(self.message(problem, what))
            return None

    def add(self, text: str) -> None:
        if text not in self.texts:
            self.texts.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Job name -> what renders it, and the mistakes of parts that name no job.

    `settled` are the options with what the ini file adds to them, `include_path` where included files were looked for.
    """

    renderers: Mapping[str, Renderer]
    mistakes: Sequence[str] = ()
    hint: str = ""
    settled: Options | None = None
    include_path: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        return list(self.renderers)

    def content(self, name: str, *, pretty: bool = False) -> bytes:
        """The config.xml of a job. Raises ConfigError with what jenkins-job-builder says.

        `pretty` as jenkins-jobs writes it, which takes more than a third of the time.
        """
        return self.renderers[name](pretty)

    def contents(self) -> dict[str, bytes]:
        """All jobs. Raises ConfigError with all mistakes."""
        mistakes, contents = list(self.mistakes), {}
        for name in self.renderers:
            try:
                contents[name] = self.content(name, pretty=True)
            except ConfigError as problem:
                mistakes += [mistake for mistake in problem.mistakes if mistake not in mistakes]
        if mistakes:
            raise ConfigError(mistakes)
        return contents

    def choose(self, patterns: Sequence[str], path: str) -> list[str]:
        """The jobs of these names or patterns, the only one where none is named. Raises UsageError, or the mistakes."""
        if not self.renderers:
            if self.mistakes:
                raise ConfigError(self.mistakes)
            raise UsageError(f"{path} holds no job", hint=self.hint)
        if not patterns:
            if len(self.renderers) > 1:
                raise UsageError(
                    f"{path} holds {len(self.renderers)} jobs; name one of: {', '.join(sorted(self.renderers))}"
                )
            return self.names
        chosen: dict[str, None] = {}
        for pattern in patterns:
            matching = [name for name in self.renderers if name == pattern or fnmatch.fnmatchcase(name, pattern)]
            if not matching:
                if self.mistakes:  # one of them may be why the job is not there
                    raise ConfigError(self.mistakes)
                listed = ", ".join(sorted(self.renderers))
                raise UnknownName(f"{path} holds no job '{pattern}'; it holds: {listed}", hint=self.hint)
            chosen |= dict.fromkeys(matching)
        return list(chosen)
