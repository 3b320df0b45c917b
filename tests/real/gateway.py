"""S3 servers for tests: Ceph's RADOS gateway, real with logins; moto, which takes any login, for the rest."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from sluicegate.repositories.s3 import S3Repository
from tests.parts import CONFIG, free_port, settings
from tests.real.needs import needs

SCRIPT = Path(__file__).with_name("ceph")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An S3 server and the login that it takes."""

    endpoint: str
    key: str
    secret: str
    folder: Path

    def credentials(self, name: str = "credentials", secret: str = "") -> str:
        """A file with the login."""
        path = self.folder / name
        path.write_text(f"[ci]\naws_access_key_id = {self.key}\naws_secret_access_key = {secret or self.secret}\n")
        path.chmod(0o600)
        return str(path)

    def repository(self, credentials: str = "") -> S3Repository:
        """A repository in a bucket of its own."""
        bucket = f"releases-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=bucket)
        return self.other_bucket(bucket, credentials)

    def client(self) -> Any:
        """What another tool sees and does there."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def other_bucket(self, bucket: str, credentials: str = "") -> S3Repository:
        """A repository in a bucket that is there, or is not."""
        return S3Repository.configure(
            "releases",
            settings(
                endpoint=self.endpoint,
                bucket=bucket,
                prefix="ci/releases",
                credentials={"file": credentials or self.credentials(), "profile": "ci"},
            ),
            CONFIG,
        )


@contextmanager
def running_ceph(folder: Path) -> Iterator[Server]:
    """Ceph; CEPH_ENDPOINT names one that runs already (started by tests/real/ceph)."""
    login = {"key": "sluicegate", "secret": "not-a-secret-of-anyone"}
    if running := os.environ.get("CEPH_ENDPOINT"):
        yield Server(endpoint=running, folder=folder, **login)
        return
    needs("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw")
    port, place = free_port(), folder / "ceph"
    done = subprocess.run([SCRIPT, "up", place, str(port)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    try:
        yield Server(endpoint=f"http://127.0.0.1:{port}", folder=folder, **login)
    finally:
        subprocess.run([SCRIPT, "down", place], check=True)


@contextmanager
def running_moto(folder: Path) -> Iterator[Server]:
    """moto's server in a process of its own."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/")
        yield Server(endpoint=f"http://127.0.0.1:{port}", key="any", secret="any", folder=folder)
    finally:
        server.terminate()
        server.wait()


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
