"""Kinds of projects: which sections of a config.xml make up a build, and why some kinds do not run here."""

from __future__ import annotations

from typing import cast

from sluicegate.runner.elements import catalogue
from sluicegate.runner.elements.acting import Plan, Step, Wrapper
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.jobxml import FOLDER, JobConfig
from sluicegate.runner.scm.reading import joined

READ_BY_JOBXML = (
    "description",
    "displayName",
    "disabled",
    "quietPeriod",
    "concurrentBuild",
    "authToken",
    "logRotator",
    "scmCheckoutRetryCount",
    "customWorkspace",
    "assignedNode",
    "jdk",
)
HARMLESS = (
    "actions",
    "keepDependencies",
    "canRoam",
    "blockBuildWhenDownstreamBuilding",
    "blockBuildWhenUpstreamBuilding",
)


def freestyle(fields: Fields) -> Plan:
    """hudson.model.FreeStyleProject: wrappers around steps, then publishers."""
    fields.harmless(*READ_BY_JOBXML, *HARMLESS)
    fields.harmless("prebuilders", "postbuilders")  # A Maven job's; in others a Jenkins drops them.
    properties = tuple(part for part in fields.parts("property", "properties/*") if isinstance(part, Wrapper))
    fields.parts("trigger", "triggers/*")
    return Plan(
        source=joined(fields.parts("scm", "scm")),
        wrappers=properties + cast("tuple[Wrapper, ...]", fields.parts("wrapper", "buildWrappers/*")),
        builders=cast("tuple[Step, ...]", fields.parts("builder", "builders/*")),
        publishers=cast("tuple[Step, ...]", fields.parts("publisher", "publishers/*")),
    )


def pipeline(fields: Fields) -> str:
    """Why no pipeline runs here, and where its program is."""
    script = fields.text("definition/scriptPath")
    where = f"its script is '{script}' in the repository" if script else "its script is inside the job"
    return (
        f"pipelines are Groovy programs, which are not run here; {where}. "
        "Write the job as a freestyle project, or run it on a Jenkins"
    )


def plan(config: JobConfig) -> Plan:
    """Everything that a build of the job will do. Raises ConfigError with every reason why it cannot run."""
    return cast(Plan, catalogue.make("project", config.root))


ELEMENTS = (
    Entry(tag="project", plugin="core", kind="project", make=freestyle),
    Entry(tag="flow-definition", plugin="workflow-job", kind="project", refuses=pipeline),
    Entry(
        tag="org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject",
        plugin="workflow-multibranch",
        kind="project",
        refuses=pipeline,
    ),
    Entry(
        tag=FOLDER,
        plugin="cloudbees-folder",
        kind="project",
        refuses=lambda _: "a folder is not built; build a job in it",
    ),
)
