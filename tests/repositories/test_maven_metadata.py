"""What Maven reads of a SNAPSHOT: each file by classifier and ending."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from sluicegate.repositories.maven2 import leaving, metadata, snapshot_metadata
from tests.parts import AUTH

VERSION = "1.0-20261125.101010-1"


@pytest.mark.parametrize(
    ("behind", "classifier", "extension"),
    [
        (".jar", None, "jar"),
        (".tar.gz", None, "tar.gz"),
        (".jar.asc", None, "jar.asc"),
        ("-sources.jar", "sources", "jar"),
        ("-jdk1.8.jar", "jdk1.8", "jar"),
        ("-hadoop2.7.tar.gz", "hadoop2.7", "tar.gz"),
        ("-cuda11.8.jar.asc", "cuda11.8", "jar.asc"),
        ("-linux-x86.64-v1.2.tar.xz", "linux-x86.64-v1.2", "tar.xz"),
        ("-manifest.json", "manifest", "json"),
        ("-LICENSE", "LICENSE", ""),
    ],
)
def test_a_classifier_may_hold_dots(behind: str, classifier: str | None, extension: str) -> None:
    document = ElementTree.fromstring(snapshot_metadata(AUTH, VERSION, [f"auth-{VERSION}{behind}"]))
    (listed,) = document.iterfind("versioning/snapshotVersions/snapshotVersion")
    assert (listed.findtext("classifier"), listed.findtext("extension")) == (classifier, extension)


@pytest.mark.parametrize(
    ("versions", "release"),
    [
        ("1.0 1.1 1.2-rc-1", "1.1"), ("31.0 31.1-jre 32.0-SNAPSHOT", "31.1-jre"), ("1.0-1 1.0-2", "1.0-2"),
        ("1.0-SNAPSHOT", None), ("1.0-rc-1", None),
    ],
)  # fmt: skip
def test_a_release_of_maven_may_have_a_hyphen(versions: str, release: str | None) -> None:
    document = ElementTree.fromstring(metadata(replace(AUTH, versions="maven"), versions.split(), datetime.now(UTC)))
    assert document.findtext("versioning/release") == release


def test_the_last_publication_of_a_snapshot_takes_the_list_along() -> None:
    lists = {"maven-metadata.xml", "maven-metadata.xml.sha1"}
    own, other_publication = {f"auth-{VERSION}.jar"}, {"auth-1.0-20261125.101010-10.jar"}
    assert leaving(AUTH, VERSION, own | other_publication | lists) == own
    assert leaving(AUTH, VERSION, own | lists) == own | lists
