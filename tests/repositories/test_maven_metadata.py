"""What Maven reads of a SNAPSHOT: each file by classifier and ending."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from sluicegate.repositories.maven2 import leaving, snapshot_metadata
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


def test_the_last_publication_of_a_snapshot_takes_the_list_along() -> None:
    lists = {"maven-metadata.xml", "maven-metadata.xml.sha1"}
    own, other_publication = {f"auth-{VERSION}.jar"}, {"auth-1.0-20261125.101010-10.jar"}
    assert leaving(AUTH, VERSION, own | other_publication | lists) == own
    assert leaving(AUTH, VERSION, own | lists) == own | lists
