"""Start-up of the commands that job steps call, against bare Python measured in the same run.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/startup.py
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import BinaryIO

from sluicegate.tools import sockets

GOALS = {"version": 4.0, "status": 10.0}
GOALS |= dict.fromkeys(("show-nexus", "fetch-nexus", "fetch-directory-http"), 18.0)
BARE = "bare Python"
PUBLISHED = ("1.0.0", "1.9.0", "1.10.0")


SERVER = """
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client to confirm its head
handler = functools.partial(Handler, directory=sys.argv[1])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), handler).serve_forever()
"""


BOTO3 = """
import boto3, sys
client = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}")
for _ in range(int(sys.argv[2])):
    client.get_object(Bucket="releases", Key=sys.argv[3])["Body"].read()
"""
REQUESTS = 1
"""What `fetch` asks of a bucket where the file is there already: the manifest."""


def seconds(argv: list[str], env: dict[str, str]) -> float:
    """How long one run of a program takes; it must succeed."""
    begin = time.perf_counter()
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def interleaved(programs: dict[str, list[str]], rounds: int, env: dict[str, str]) -> dict[str, float]:
    """Each program's median; one of each per round, so that a busy moment meets them alike. Round 0 warms caches."""
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, argv in programs.items():
            once = seconds(argv, env)
            if turn:
                taken[name].append(once)
    return {name: median(times) for name, times in taken.items()}


def small_repo(sluicegate: Path, home: Path, env: dict[str, str]) -> Path:
    """A delivery repo with the sample configuration of `init`, a few published versions and a pin."""
    sample, changed = home / "sample", home / "sluicegate.yaml"
    seconds([str(sluicegate), "init", str(sample)], env)
    text = (sample / "sluicegate.yaml").read_text()
    changed.write_text(text.replace("/srv/releases", f"{home}/releases"))
    return delivery(sluicegate, home / "delivery", changed, env)


def s3_repo(sluicegate: Path, home: Path, env: dict[str, str], port: int) -> Path:
    """The same in a bucket of a server."""
    bucket = f'bucket: releases, endpoint: "http://127.0.0.1:{port}"'
    import boto3

    boto3.client(
        "s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    ).create_bucket(Bucket="releases")  # fmt: skip
    changed = home / "s3.yaml"
    changed.write_text(stored((home / "sluicegate.yaml").read_text(), f"driver: s3, {bucket}"))
    return delivery(sluicegate, home / "s3", changed, env)


def manifest_key(env: dict[str, str], port: int) -> str:
    """Where the manifest of the newest version is in the bucket."""
    import boto3

    client = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="releases")["Contents"]]
    return next(key for key in keys if key.endswith(f"{PUBLISHED[-1]}-manifest.json"))


def stored(text: str, values: str) -> str:
    """A configuration whose repository has other settings."""
    changed = re.sub(r"(releases: *\{)[^}]*\}", rf"\1{values}}}", text, count=1)
    assert changed != text, text
    return changed


def delivery(sluicegate: Path, repo: Path, config: Path, env: dict[str, str]) -> Path:
    """A delivery repo with a few published versions and a pin."""
    seconds([str(sluicegate), "init", "--config", str(config), str(repo)], env)
    for version in PUBLISHED:
        file = config.parent / f"app-{version}.tar.gz"
        file.write_text(version)
        seconds([str(sluicegate), "-C", str(repo), "publish", f"app={version}", str(file)], env)
    seconds([str(sluicegate), "-C", str(repo), "pin", f"app={PUBLISHED[-1]}", "--in", "integration"], env)
    return repo


def served(repo: Path, home: Path, env: dict[str, str], url: str, driver: str) -> Path:
    """The same delivery repo, with its versions read from a server: a Nexus' paths are those of the folder."""
    bare = home / driver
    folder = home / "releases"
    seconds(["git", "clone", "-q", "--bare", str(repo), str(bare)], env)
    seconds(["git", "-C", str(bare), "remote", "remove", "origin"], env)  # or it would be asked for the configuration
    seconds(["git", "clone", "-q", "-b", "main", str(bare), f"{bare}-work"], env)
    place = Path(f"{bare}-work/sluicegate.yaml")
    text = place.read_text()
    values = {
        "nexus": f'driver: nexus, url: "{url}", repository: releases',
        "directory": f'driver: directory, path: "{folder}", url: "{url}/repository/releases"',
    }
    place.write_text(stored(text, values[driver]))
    seconds(["git", "-C", f"{bare}-work", "commit", "-q", "-a", "-m", driver], env)
    seconds(["git", "-C", f"{bare}-work", "push", "-q", "origin", "main"], env)
    return bare


@contextmanager
def web_server(home: Path) -> Iterator[str]:
    """Serves the published files as a Nexus would, from a process of its own."""
    root = home / "www" / "repository"
    root.mkdir(parents=True)
    (root / "releases").symlink_to(home / "releases")
    log = home / "server.log"
    with log.open("wb") as stream, running([sys.executable, "-c", SERVER, str(root.parent)], stream) as port:
        yield f"http://127.0.0.1:{port}"
    questions = log.read_text().count('"GET /repository/')
    print(f"the server was asked {questions} times")
    assert questions, "the commands did not talk to the server"


@contextmanager
def running(argv: list[str], log: BinaryIO | int = subprocess.DEVNULL) -> Iterator[int]:
    """A server in a process of its own, which gets a free port as its last argument."""
    kept = sockets.keep_port()
    port = sockets.port_of(kept)
    server = subprocess.Popen([*argv, str(port)], stdout=subprocess.DEVNULL, stderr=log)
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()
        kept.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="runs of each program; 5 at the least")
    rounds = max(5, parser.parse_args().rounds)
    sluicegate = Path(sys.executable).with_name("sluicegate")
    if not sluicegate.exists():
        sys.exit(f"{sluicegate} is missing: run this with the Python that sluicegate is installed for")
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as home:
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": home, "GIT_CONFIG_NOSYSTEM": "1"}
        (Path(home) / ".gitconfig").write_text("[user]\n\tname = olle\n\temail = olle@example.com\n")
        repo = small_repo(sluicegate, Path(home), env)
        env |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        with web_server(Path(home)) as url, running([sys.executable, "-m", "moto.server", "-p"]) as port:
            nexus, directory = (str(served(repo, Path(home), env, url, driver)) for driver in ("nexus", "directory"))
            bucket = str(s3_repo(sluicegate, Path(home), env, port))
            programs = {
                BARE: [sys.executable, "-c", "pass"],
                "version": [str(sluicegate), "--version"],
                "status": [str(sluicegate), "-C", str(repo), "status"],
                "show-nexus": [str(sluicegate), "-C", nexus, "show", "app"],
                # what is there is hashed and not fetched again, but the manifest is: the start, not the transfer
                "fetch-nexus": [str(sluicegate), "-C", nexus, "fetch", "app", "--to", f"{home}/one"],
                "fetch-directory-http": [str(sluicegate), "-C", directory, "fetch", "app", "--to", f"{home}/two"],
                "fetch-s3": [str(sluicegate), "-C", bucket, "fetch", "app", "--to", f"{home}/three"],
                "boto3 alone": [sys.executable, "-c", BOTO3, str(port), str(REQUESTS), manifest_key(env, port)],
            }
            medians = interleaved(programs, rounds, env)
    for name, middle in medians.items():
        print(f"{name:22} {middle * 1000:6.1f} ms (median of {rounds})")
    for name, goal in GOALS.items():
        print(f"ratio {name} {medians[name] / medians[BARE]:.2f} goal <={goal:g}")
    print(f"ratio fetch-s3/boto3-alone {medians['fetch-s3'] / medians['boto3 alone']:.2f} goal <=1.3")


if __name__ == "__main__":
    main()
