"""Makes `sluicegate` one file that brings its own interpreter: for agents whose Python is older than 3.11, or missing.

Run by `make agent-file`. The file is a shell script with an archive behind it: the interpreter that runs this program,
its standard library, the libraries of the system that both need (the C library and its loader among them), and
sluicegate with what it requires. It unpacks itself once, below the user's cache, and needs sh, tail, tar and gzip of
the machine; the processor's kind must be the builder's. As the loader comes along, an older C library does not matter.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
LEFT_OUT = ("__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages")
LEFT_OUT_PATTERNS = ("*.a", "config-*", "dist-packages", "_tkinter*", "_test*", "pydoc_data")
RUN = """\
#!/bin/sh
# Python by its own loader: nothing of it leaks into the programs that it starts.
here=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    [ -z "$SSL_CERT_FILE" ] && [ -z "$SSL_CERT_DIR" ] && [ -e "$bundle" ] && export SSL_CERT_FILE="$bundle"
done
exec "$here/lib/LOADER" --library-path "$here/lib" --argv0 "$here/bin/python" "$here/bin/python.bin" -I "$@"
"""
FILE = """\
#!/bin/sh
# sluicegate VERSION with Python of its own (MACHINE). Unpacks itself once, below the cache of whoever runs it.
set -e
cache=${SLUICEGATE_AGENT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sluicegate}
place=$cache/agent-DIGEST
if [ ! -x "$place/bin/sluicegate" ]; then
    umask 077
    mkdir -p "$cache"
    made=$(mktemp -d "$cache/agent.XXXXXX")
    trap 'rm -rf "$made"' EXIT
    tail -n +LINES "$0" | tar -xzf - -C "$made"
    # Two may unpack at once: who comes second keeps what the first has made.
    mv "$made" "$place" 2>/dev/null || [ -x "$place/bin/sluicegate" ]
    rm -rf "$made" "$place/${made##*/}"
    trap - EXIT
fi
exec "$place/bin/sluicegate" "$@"
"""
COMMAND = """\
#!/bin/sh
# Job steps call `sluicegate`: it is found on PATH as they were started by it.
here=$(CDPATH= cd "$(dirname "$0")" && pwd)
exec "$here/python" -m sluicegate "$@"
"""


def libraries(files: Iterable[Path]) -> tuple[set[Path], Path]:
    """The shared libraries that programs and extensions need, and the loader."""
    needed: set[Path] = set()
    loader = None
    for file in files:
        told = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
        if missing := re.findall(r"(\S+) => not found", told):
            raise SystemExit(f"{file} needs {', '.join(missing)}, which this machine does not have")
        needed |= {Path(path) for path in re.findall(r"=> (/\S+)", told)}
        if found := re.search(r"^\s*(/\S*ld-\S+)", told, re.MULTILINE):
            loader = Path(found[1])
    if loader is None:
        raise SystemExit("this Python is linked whole: there is no loader to take along")
    return needed, loader


def lay_out(folder: Path, requirement: str, constraints: Path) -> None:
    """Interpreter, standard library, sluicegate and the system's libraries below a folder."""
    for name in ("bin", "lib"):
        (folder / name).mkdir()
    executable = Path(os.path.realpath(sys.executable))
    shutil.copy(executable, folder / "bin" / "python.bin")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    standard = folder / "lib" / version
    ignore = shutil.ignore_patterns(*LEFT_OUT, *LEFT_OUT_PATTERNS)
    shutil.copytree(sysconfig.get_path("stdlib"), standard, ignore=ignore, symlinks=False)
    # Into the standard library: which other folders are looked into differs from one maker's Python to another's.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--constraint", constraints, "--target", standard, requirement], check=True)
    shutil.rmtree(standard / "bin", ignore_errors=True)
    extensions = [folder / "bin" / "python.bin", *standard.rglob("*.so")]
    needed, loader = libraries(extensions)
    for library in needed:
        shutil.copy(library, folder / "lib" / library.name)
    shutil.copy(loader, folder / "lib" / loader.name)
    # The C library looks these up by itself.
    for name in ("libnss_dns.so.2", "libnss_files.so.2"):
        for place in {library.parent for library in needed}:
            if (place / name).exists():
                shutil.copy(place / name, folder / "lib" / name)
    for name, text in (("python", RUN.replace("LOADER", loader.name)), ("sluicegate", COMMAND)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)


def write(folder: Path, file: Path, version: str) -> None:
    """The script with the archive behind it."""
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=9) as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, path.name)
        archive.seek(0)
        digest = hashlib.file_digest(archive, "sha256").hexdigest()[:16]
        archive.seek(0)
        head = FILE.replace("VERSION", version).replace("MACHINE", os.uname().machine).replace("DIGEST", digest)
        head = head.replace("LINES", str(head.count("\n") + 1))
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.write(head.encode())
            shutil.copyfileobj(archive, out)
    file.chmod(0o755)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="the file to make")
    parser.add_argument("--extras", default="", help="extras of sluicegate that come along, such as s3")
    parser.add_argument("--constraints", type=Path, default=TOP / "constraints.txt")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agent-file-") as place:
        folder = Path(place) / "agent"
        folder.mkdir()
        requirement = f"{TOP}[{given.extras}]" if given.extras else str(TOP)
        lay_out(folder, requirement, given.constraints)
        # What was laid out must run before it is packed.
        told = subprocess.run(
            [folder / "bin" / "sluicegate", "--version"], stdout=subprocess.PIPE, text=True, check=True
        )
        write(folder, given.file, told.stdout.split()[-1])
    print(f"{given.file}: {given.file.stat().st_size / 1e6:.1f} MB, {told.stdout.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
