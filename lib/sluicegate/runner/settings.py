"""What all jobs of a runner share, from one YAML file: variables, tools by name and place, managed files, passwords.

    env: {GIT_URL: "https://git.example.com"}
    tools: {maven: {mvn-3.9: /opt/maven}, jdk: {openjdk17: /usr/lib/jvm/java-17}, gradle: {}, ant: {}, git: {}}
    files: {global-settings: {file: settings.xml}, motd: {text: "hello"}}
    passwords: {NEXUS_PASSWORD: {env: NEXUS_PASSWORD}}

    run-as: {team: build-team}           # the user who builds the jobs of a folder, where the server runs as root

A secret is {text: ...}, {file: PATH} or {env: NAME}, or the text itself. Paths are relative to the YAML file.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sluicegate.errors import ConfigError, SluicegateError, UsageError
from sluicegate.model.settings import Plain
from sluicegate.runner.vault import Credential
from sluicegate.tools import files, yamltext
from sluicegate.tools.yamltext import Document

FILE = "settings.yaml"
HINT = """\
# What all jobs share: variables, tools by name and place, managed files, passwords. Changes count at once.
env: {}
tools: {maven: {}, jdk: {}, gradle: {}, ant: {}, git: {}}
files: {}
passwords: {}
"""
RUN_AS = "run-as"
KEYS = ("env", "tools", "files", "passwords", RUN_AS)
TOOLS = ("maven", "jdk", "gradle", "ant", "git")
WAYS = ("text", "file", "env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Variables, places of tools by kind and name, contents of managed files by id, passwords by variable."""

    env: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    run_as: Mapping[str, str] = field(default_factory=dict)

    def user_of(self, job: str) -> str:
        """Who is to build a job: the user of the innermost folder, or of the job itself; '' where none is named."""
        places = [place for place in self.run_as if f"{job}/".startswith(f"{place.strip('/')}/")]
        return self.run_as[max(places, key=len)] if places else ""

    def tool(self, kind: str, name: str) -> str:
        """Where a tool of this name is installed, '' when nobody said."""
        return self.tools.get(kind, {}).get(name, "")

    def with_env(self, env: Mapping[str, str]) -> Settings:
        """The same with further variables."""
        return replace(self, env={**self.env, **env})


NO_SETTINGS = Settings()


class Shared:
    """The settings of a home: settings.yaml, read again when it has changed."""

    def __init__(self, home: Path) -> None:
        """Read them. Raises ConfigError with every mistake, so that a server does not start with half of them."""
        self.path = home / FILE
        self._lock = threading.Lock()
        self._stamp = self._mark()
        self._settings = read(self.path) if self._stamp else NO_SETTINGS

    def _mark(self) -> int:
        """When the file was changed; 0 where there is none. Raises ConfigError for one that cannot be looked at."""
        try:
            return self.path.stat().st_mtime_ns
        except OSError as problem:
            if isinstance(problem, FileNotFoundError) and not self.path.is_symlink():
                return 0
            raise ConfigError([f"{self.path}: it cannot be read: {problem.strerror}"]) from problem

    def now(self) -> Settings:
        """The settings as they are now; a file with mistakes leaves those from before in force."""
        with self._lock:
            try:
                if (stamp := self._mark()) != self._stamp:
                    self._stamp = stamp
                    self._settings = read(self.path) if stamp else NO_SETTINGS
            except SluicegateError as problem:
                logging.getLogger(__name__).error("%s; the settings from before stay in force", problem)
            return self._settings

    def text(self) -> str:
        """The file as it is, with a hint where there is none yet."""
        return self.path.read_text() if self._mark() else HINT

    def replace(self, text: str) -> None:
        """Put other settings in force. Raises ConfigError with every mistake, and then nothing has changed."""
        content = text.replace("\r\n", "\n").encode()
        settings = parse(content, self.path)
        with self._lock:
            files.replace(self.path, content, mode=0o600)
            self._stamp, self._settings = self._mark(), settings


def read(path: Path) -> Settings:
    """The settings of a file. Raises ConfigError with all mistakes, each as file:line."""
    return parse(_content(path), path)


def parse(content: bytes, path: Path) -> Settings:
    """Settings from text; `path` is what messages and relative paths go by."""
    reader = Reader(yamltext.read(content, str(path)), path)
    reader.only(KEYS)
    reader.only(TOOLS, "tools")
    settings = Settings(
        env={name: reader.text("env", name) for name in reader.below("env")},
        tools={
            kind: {name: reader.text("tools", kind, name) for name in reader.below("tools", kind)}
            for kind in reader.below("tools")
        },
        files={name: reader.secret("files", name) for name in reader.below("files")},
        passwords={name: reader.secret("passwords", name) for name in reader.below("passwords")},
        run_as={name: reader.text(RUN_AS, name) for name in reader.below(RUN_AS)},
    )
    reader.finish()
    return settings


def credentials(path: Path) -> tuple[Credential, ...]:
    """The credentials of a file: id -> what it is made of. Raises ConfigError with all mistakes, each as file:line.

    {text: ...} a secret text, {user: ..., password: ...}, {user: ..., key: ..., passphrase: ...} for ssh,
    {content: {file: ...}} a secret file, {keystore: {file: ...}, passphrase: ...} a certificate.
    """
    reader = Reader(yamltext.read(_content(path), str(path)), path)
    known = tuple(_credential(reader, name) for name in reader.below())
    reader.finish()
    return known


KINDS = {"password": "user", "key": "ssh", "content": "file", "keystore": "certificate"}
"""The key that tells a kind of credential."""
ENCODED = ("file", "certificate")


def _credential(reader: Reader, name: str) -> Credential:
    keys = reader.below(name)
    main = next((key for key in KINDS if key in keys), "")
    if not main:
        return Credential(id=name, kind="string", secret=reader.secret(name))
    reader.only((main, "user", "passphrase", "description"), name)
    kind, content = KINDS[main], reader.bytes(name, main)
    return Credential(
        id=name,
        kind=kind,
        secret=base64.b64encode(content).decode() if kind in ENCODED else content.decode("utf-8", "surrogateescape"),
        user=reader.text(name, "user"),
        description=reader.text(name, "description"),
        passphrase=reader.secret(name, "passphrase") if "passphrase" in keys else "",
        file_name=reader.file_name(name, main),
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {os.strerror(problem.errno or 0)}") from problem


class Reader:
    """Reads values of one document and gathers the mistakes."""

    def __init__(self, document: Document, path: Path) -> None:
        self.document = document
        self.folder = path.parent
        self.mistakes: list[str] = []
        self.files: list[Path] = []
        """Files with secrets that the document names."""

    def finish(self) -> None:
        if self.mistakes:
            raise ConfigError(self.mistakes)

    def mistake(self, keys: tuple[str, ...], text: str) -> None:
        self.mistakes.append(f"{self.document.where('/'.join(keys))}: {text}")

    def _value(self, keys: tuple[str, ...]) -> Plain | None:
        value: Plain | None = self.document.content
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def below(self, *keys: str) -> tuple[str, ...]:
        """The keys of a mapping, none where there is none."""
        value = self._value(keys)
        if isinstance(value, dict):
            return tuple(value)
        if value is not None and keys[-1:] in (("env",), *((key,) for key in (*KEYS, *TOOLS))):
            self.mistake(keys, f"{keys[-1]}: expected a mapping of names to values")
        return ()

    def has(self, *keys: str) -> bool:
        return self._value(keys) is not None

    def only(self, allowed: tuple[str, ...], *keys: str) -> None:
        """Name the keys of a mapping that nobody knows."""
        for key in self.below(*keys):
            if key not in allowed:
                self.mistake((*keys, key), f"unknown key '{key}'; expected one of {', '.join(allowed)}")

    def text(self, *keys: str) -> str:
        """A text, '' where there is none."""
        value = self._value(keys)
        if value is None or isinstance(value, str):
            return value or ""
        self.mistake(keys, f"{keys[-1]}: expected a text")
        return ""

    def texts(self, *keys: str) -> tuple[str, ...]:
        """A list of texts, or a single one; none where there is none."""
        value = self._value(keys)
        values = value if isinstance(value, list | tuple) else [value] if value is not None else []
        if not all(isinstance(text, str) for text in values):
            self.mistake(keys, f"{keys[-1]}: expected a list of texts")
        return tuple(text for text in values if isinstance(text, str))

    def secret(self, *keys: str) -> str:
        return self.bytes(*keys).decode("utf-8", "surrogateescape")

    def bytes(self, *keys: str) -> bytes:
        """A text that stands here, in a file, or in a variable of ours."""
        value = self._value(keys)
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in WAYS:
            self.mistake(keys, f"{keys[-1]}: expected a text, or one of {{text: ...}}, {{file: PATH}}, {{env: NAME}}")
            return b""
        way, text = next(iter(value)), self.text(*keys, next(iter(value)))
        if way == "file":
            path = self.folder / Path(text).expanduser()
            self.files.append(path)
            try:
                return path.read_bytes()
            except OSError as problem:
                self.mistake(keys, f"{text} cannot be read: {os.strerror(problem.errno or 0)}")
        elif way == "env":
            if text not in os.environ:
                self.mistake(keys, f"the variable {text} is not set")
            return os.environb.get(text.encode(), b"")
        else:
            return text.encode()
        return b""

    def file_name(self, *keys: str) -> str:
        """What a file is called, '' for a text that stands here."""
        return Path(self.text(*keys, "file")).name if "file" in self.below(*keys) else ""
