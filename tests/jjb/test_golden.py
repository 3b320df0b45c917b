"""Golden pairs: fixtures/FAMILY/NAME.yaml renders to fixtures/FAMILY/NAME.xml. `pytest --update-golden` writes them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.jjb.render import render
from tests.jjb.library import FIXTURES, TEMPLATES, template_ids

CORE = {
    "hudson.model.BooleanParameterDefinition",
    "hudson.model.ChoiceParameterDefinition",
    "hudson.model.ParametersDefinitionProperty",
    "hudson.model.StringParameterDefinition",
    "hudson.scm.NullSCM",
    "hudson.tasks.ArtifactArchiver",
    "hudson.tasks.BuildTrigger",
    "hudson.tasks.LogRotator",
    "hudson.tasks.Shell",
    "hudson.triggers.SCMTrigger",
    "hudson.triggers.TimerTrigger",
    "java.util.Arrays$ArrayList",
    "jenkins.model.BuildDiscarderProperty",
}
GIT = {
    "hudson.plugins.git.BranchSpec",
    "hudson.plugins.git.GitSCM",
    "hudson.plugins.git.UserRemoteConfig",
    "hudson.plugins.git.extensions.impl.CloneOption",
    "hudson.plugins.git.extensions.impl.WipeWorkspace",
}
JUNIT = {"hudson.tasks.junit.JUnitResultArchiver"}
TOKEN = {
    "org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper",
    "org.jenkinsci.plugins.credentialsbinding.impl.FileBinding",
    "org.jenkinsci.plugins.credentialsbinding.impl.StringBinding",
}
PAIRS = sorted(path.relative_to(FIXTURES).with_suffix("").as_posix() for path in FIXTURES.glob("*/*.yaml"))


@pytest.mark.parametrize("name", PAIRS)
def test_golden_pair(name: str, request: pytest.FixtureRequest) -> None:
    jobs = list(render([FIXTURES / f"{name}.yaml"]).values())
    assert len(jobs) == 1, "one job a fixture"
    golden = FIXTURES / f"{name}.xml"
    if request.config.getoption("--update-golden"):
        golden.write_bytes(jobs[0])
    # Pythons differ in how they write quotes
    assert ElementTree.canonicalize(jobs[0].decode()) == ElementTree.canonicalize(golden.read_text())


@pytest.mark.parametrize("kind", ["minimal", "full"])
def test_every_template_and_every_module_has_a_minimal_and_a_full_pair(kind: str) -> None:
    wanted = {f"templates/{name}-{kind}" for name in template_ids()}
    wanted |= {f"modules/{name}-{kind}" for name in ("publish", "resolve", "fetch", "sync", "promote")}
    assert wanted <= set(PAIRS)


@pytest.mark.parametrize("golden", sorted(FIXTURES.glob("*/*.xml")), ids=lambda path: path.stem)
def test_rendered_jobs_need_core_jenkins_git_and_junit_only(golden: Path) -> None:
    token = TOKEN if golden.stem.endswith("-full") and golden.parent.name == "templates" else set()
    assert classes(golden) <= CORE | GIT | JUNIT | token


def classes(config: Path) -> set[str]:
    """The Java classes that a config.xml names, by element or by attribute."""
    root = ElementTree.parse(config).getroot()
    tags = {element.tag for element in root.iter() if "." in element.tag}
    return tags | {name for element in root.iter() if "." in (name := element.get("class", ""))}


def test_every_template_and_every_variable_is_in_the_readme() -> None:
    text = (TEMPLATES / "README.md").read_text()
    missing = [name for name in template_ids() if f"`sluicegate-{name}`" not in text]
    assert not missing
    for source in TEMPLATES.glob("*.yaml"):
        for name in variables(source.read_text()):
            assert f"`{name}`" in text, f"{{{name}}} of {source.name} is not explained"


def variables(text: str) -> set[str]:
    """The {variables} of a YAML file, without those that a macro takes from another template."""
    import re

    return set(re.findall(r"\{([a-z][a-z-]*)\}", text)) - {"exports", "script", "refused"}
