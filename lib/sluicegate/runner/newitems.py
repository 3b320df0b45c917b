"""The config.xml of a job or folder that is made in a form, with nothing in it yet."""

from __future__ import annotations

from collections.abc import Mapping

from sluicegate.runner import jobxml

NEW_FOLDER = b"""<?xml version='1.1' encoding='UTF-8'?>
<com.cloudbees.hudson.plugins.folder.Folder>
  <actions/>
  <properties/>
  <healthMetrics/>
</com.cloudbees.hudson.plugins.folder.Folder>
"""
NEW_JOB = """<?xml version='1.1' encoding='UTF-8'?>
<{tag}>
  <keepDependencies>false</keepDependencies>
  <properties/>
  <scm class="hudson.scm.NullSCM"/>
  <canRoam>true</canRoam>
  <disabled>false</disabled>
  <triggers/>
  <concurrentBuild>false</concurrentBuild>
{more}  <builders/>
  <publishers/>
  <buildWrappers/>
</{tag}>
"""
NEW: Mapping[str, bytes] = {
    jobxml.FOLDER: NEW_FOLDER,
    "hudson.model.FreeStyleProject": NEW_JOB.format(tag="project", more="").encode(),
    "hudson.matrix.MatrixProject": NEW_JOB.format(tag="matrix-project", more="  <axes/>\n").encode(),
}
"""An empty item of each class that Jenkins' form makes here."""
