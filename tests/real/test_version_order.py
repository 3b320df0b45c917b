"""Our order of versions against dpkg, rpm and Maven's own class: 100,000 generated pairs each."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from sluicegate.delivery.book.order import SCHEMES, Order
from tests.real.needs import needs

Pairs = Sequence[tuple[str, str]]
PAIRS = 100_000
NUMBERS = ("0", "1", "2", "9", "10", "00", "01", "007", "20241125", "12345678901", "99999999999999999999")
WORDS = {
    scheme: tuple(words.split())
    for scheme, words in {
        "deb": "rc beta alpha pre dev a b git dfsg ds really ubuntu deb bpo Z build",
        "rpm": "rc beta alpha pre dev a b git el fc Z post module",
        "maven": "alpha beta milestone rc cr snapshot ga final release sp a b m x jre dev pre RC Final z9 1a _ +",
    }.items()
}
SEPARATORS = {
    "deb": (".", "+", "~", "", "~~", ".+"),
    "rpm": (".", "_", "+", "~", "^", "", "._", "~~", "^^", "~^"),
    "maven": (".", "-", "", "", "--", ".-", "-."),
}
ENDINGS = {
    "deb": ("", "0", "~", "a", ".0", "+b"),
    "rpm": ("", "0", "~", "a", ".0", "^", "."),
    "maven": (".0", "-ga", "-1", ""),
}
MAVEN = "org.apache.maven:maven-artifact:3.9.9"
CLASS = "org.apache.maven.artifact.versioning.ComparableVersion"


def text(scheme: str, chance: random.Random) -> str:
    """Numbers and words of the ecosystem, with every separator that it knows between them."""
    parts = [chance.choice(NUMBERS[:8])]
    for _ in range(chance.randrange(6)):
        parts += [
            chance.choice(SEPARATORS[scheme]),
            chance.choice(WORDS[scheme] if chance.random() < 0.45 else NUMBERS),
        ]
    if chance.random() < 0.05:
        parts.append(chance.choice(SEPARATORS[scheme][:2]))
    return "".join(parts)[:150]


def version(scheme: str, chance: random.Random) -> str:
    if scheme == "maven":
        return text(scheme, chance)
    epoch = chance.choice(("", "", "", "0:", "1:", "2:"))
    return epoch + text(scheme, chance) + (f"-{text(scheme, chance)}" if chance.random() < 0.6 else "")


def twin(version: str, scheme: str, chance: random.Random) -> str:
    """A version that is nearly another one, or the same in other characters."""
    if chance.random() < 0.5:
        return re.sub("[0-9]+", lambda number: chance.choice((number[0], number[0], f"0{number[0]}", "1")), version)
    return version + chance.choice(ENDINGS[scheme])


def pairs(scheme: str) -> list[tuple[str, str]]:
    chance = random.Random(scheme)
    ones = [version(scheme, chance) for _ in range(PAIRS)]
    return [
        (version, twin(version, scheme, chance) if chance.random() < 0.3 else chance.choice(ones)) for version in ones
    ]


def agree(scheme: str, compared: Pairs, theirs: Sequence[int]) -> None:
    assert len(theirs) == len(compared)
    key, wrong = SCHEMES[scheme].key, []
    for (left, right), sign in zip(compared, theirs, strict=True):
        first, second = Order(key(left)), Order(key(right))
        ours = (second < first) - (first < second)
        if (ours, first == second) != (sign, sign == 0):
            wrong.append(f"{left} {'<=>'[sign + 1]} {right}")
    assert not wrong, f"{len(wrong)} of {len(compared)}: {wrong[:20]}"
    assert {-1, 0, 1} == set(theirs), "the pairs should show all three"


def test_deb_is_ordered_as_dpkg_does() -> None:
    needs("dpkg", "dpkg-architecture")  # the second comes with the module that is asked
    compared = pairs("deb")
    script = "use Dpkg::Version; while (<>) { my ($a, $b) = split; print version_compare($a, $b), qq(\\n) }"
    lines = "".join(f"{left} {right}\n" for left, right in compared)
    done = subprocess.run(["perl", "-e", script], input=lines, capture_output=True, text=True, check=True)
    theirs = [int(line) for line in done.stdout.split()]
    agree("deb", compared, theirs)
    # Dpkg::Version is dpkg's own module; the program itself is asked about some, for it needs a process a pair.
    for (left, right), sign in list(zip(compared, theirs, strict=True))[:300]:
        relation = {-1: "lt", 0: "eq", 1: "gt"}[sign]
        assert subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0


def test_rpm_is_ordered_as_rpm_does(tmp_path: Path) -> None:
    needs("rpm")
    compared = pairs("rpm")
    file = tmp_path / "pairs"
    file.write_text("".join(f"{left} {right}\n" for left, right in compared))
    script = f"""%{{lua: for line in io.lines("{file}") do
        local a, b = line:match("(%S+) (%S+)"); print(rpm.vercmp(a, b) .. "\\n") end}}"""
    done = subprocess.run(["rpm", "--eval", script], capture_output=True, text=True, check=True)
    agree("rpm", compared, [int(line) for line in done.stdout.split()])


@pytest.fixture(scope="module")
def maven_jar() -> Path:
    """Maven's own class, from Maven Central."""
    needs("java", "mvn")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluicegate" / "parts"
    jar = cache / "maven-artifact-3.9.9.jar"
    if not jar.exists():
        plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
        command = ["mvn", "-q", "-B", plugin, f"-Dartifact={MAVEN}", f"-DoutputDirectory={cache}"]
        subprocess.run(command, check=True, timeout=300)
    return jar


def test_maven_is_ordered_as_mavens_own_class_does(maven_jar: Path) -> None:
    compared = pairs("maven")
    theirs: list[int] = []
    for begin in range(0, len(compared), 4000):
        part = compared[begin : begin + 4000]
        words = [
            version for pair in part for version in pair
        ]  # the class says how each word compares with the one before it
        command = ["java", "-cp", str(maven_jar), CLASS, *words]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        signs = [line.strip() for line in output if line.startswith("   ")][::2]
        for (left, _), sign in zip(part, signs, strict=True):
            theirs.append({"<": -1, "==": 0, ">": 1}[sign[len(left) :].split()[0]])
    agree("maven", compared, theirs)
