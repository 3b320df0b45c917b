"""Finds the keys and the region for an S3 server: a file, the environment, else wherever AWS' own tools look."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Any

from sluicegate.errors import UsageError
from sluicegate.tools import extras
from sluicegate.tools.sigv4 import Keys

WANTED = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or 'credentials' in sluicegate.yaml"


def from_file(path: Path, profile: str) -> Keys:
    """Key, secret and token of a profile in a file in AWS' form, which nobody else may read."""
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others", hint=f"chmod 600 {path}")
        text = path.read_text()
    except OSError as problem:
        raise UsageError(f"the credentials file {path} cannot be read: {os.strerror(problem.errno or 0)}") from problem
    parser = configparser.RawConfigParser(default_section="", interpolation=None)
    try:
        parser.read_string(text, source=path.name)
        section = parser[profile]
        return Keys(
            key=section["aws_access_key_id"],
            secret=section["aws_secret_access_key"],
            token=section.get("aws_session_token", ""),
        )
    except (configparser.Error, KeyError):  # its message would show a line of the file
        wanted = "aws_access_key_id and aws_secret_access_key"
    raise UsageError(f"{path} has no profile [{profile}] with {wanted}")


class Found:
    """Keys by AWS' own order: the environment, then profiles, roles and machines, which botocore knows."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._session: Any = None
        self._credentials: Any = None

    def keys(self) -> Keys:
        """The keys as they are now; botocore renews those that expire. Raises UsageError where there are none."""
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if key and secret and not self._profile:
            return Keys(key=key, secret=secret, token=os.environ.get("AWS_SESSION_TOKEN", ""))
        if self._credentials is None:
            self._credentials = self._asked("get_credentials")
            if self._credentials is None:
                raise UsageError("there are no credentials for the S3 server", hint=WANTED)
        frozen = self._credentials.get_frozen_credentials()
        return Keys(key=frozen.access_key, secret=frozen.secret_key, token=frozen.token or "")

    def region(self) -> str:
        """The region that the environment or the profile names, '' where none does."""
        if found := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
            return found
        if not Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser().exists():
            return ""
        return self._asked("get_config_variable", "region") or ""

    def _asked(self, method: str, *words: str) -> Any:
        try:
            import botocore.exceptions
            import botocore.session
        except ModuleNotFoundError as problem:
            raise UsageError(
                "there are no keys for the S3 server in the environment, and botocore, which looks further, is missing",
                hint=f"{WANTED}; or: {extras.install('s3')}",
            ) from problem
        try:
            self._session = self._session or botocore.session.Session(profile=self._profile or None)
            return getattr(self._session, method)(*words)
        except botocore.exceptions.BotoCoreError as problem:
            raise UsageError(f"the credentials of the S3 server cannot be read: {problem}", hint=WANTED) from None
