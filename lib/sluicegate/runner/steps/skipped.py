"""Elements that are taken without doing anything: harmless ones silently, notifying ones with a line in the log."""

from __future__ import annotations

from sluicegate.runner.jobxml import JobConfig
from sluicegate.tools import xml

NOTIFIES = "it only notifies or reports; the result does not depend on it"
OUTSIDE = "it talks to an outside service; do this on a Jenkins"
STEPS = {
    "hudson.plugins.descriptionsetter.DescriptionSetterBuilder": "it only sets the description",
    "hudson.plugins.descriptionsetter.DescriptionSetterPublisher": "it only sets the description",
    "hudson.plugins.emailext.ExtendedEmailPublisher": NOTIFIES,
    "hudson.tasks.Mailer": NOTIFIES,
    "hudson.plugins.ircbot.IrcPublisher": NOTIFIES,
    "hudson.plugins.plot.PlotPublisher": NOTIFIES,
    "hudson.plugins.jacoco.JacocoPublisher": NOTIFIES,
    "hudson.plugins.findbugs.FindBugsPublisher": NOTIFIES,
    "jenkins.plugins.slack.SlackNotifier": NOTIFIES,
    "hudson.tasks.Fingerprinter": NOTIFIES,
    "be.certipost.hudson.plugin.SCPRepositoryPublisher": OUTSIDE,
    "jenkins.plugins.publish__over__ftp.BapFtpPublisherPlugin": OUTSIDE,
    "jenkins.plugins.publish__over__ssh.BapSshPublisherPlugin": OUTSIDE,
}
WRAPPERS = {
    "hudson.plugins.timestamper.TimestamperBuildWrapper",
    "hudson.plugins.ansicolor.AnsiColorBuildWrapper",
    "jenkins.plugins.openstack.compute.JCloudsOneOffSlave",
    "org.jenkinsci.plugins.buildnamesetter.BuildNameSetter",
    "com.michelin.cio.hudson.plugins.maskpasswords.MaskPasswordsBuildWrapper",
}
PROPERTIES = {
    "hudson.model.ParametersDefinitionProperty",
    "jenkins.model.BuildDiscarderProperty",
    "hudson.plugins.throttleconcurrents.ThrottleJobProperty",
    "hudson.plugins.heavy__job.HeavyJobProperty",
    "com.coravy.hudson.plugins.github.GithubProjectProperty",
    "hudson.security.AuthorizationMatrixProperty",
    "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty",
    "com.sonyericsson.rebuild.RebuildSettings",
    "hudson.plugins.jira.JiraProjectProperty",
    "com.synopsys.arc.jenkins.plugins.ownership.jobs.JobOwnerJobProperty",
}


def why_not(config: JobConfig) -> str:
    """Why a job that is no freestyle project does not run here."""
    if config.tag == "flow-definition":
        definition = config.root.find("definition")
        script = xml.text(definition, "scriptPath")
        where = f"its script is '{script}' in the repository" if script else "its script is inside the job"
        return (
            "this job is a pipeline (<flow-definition>): pipelines are Groovy programs, which are not run here; "
            f"{where}. Write the job as a freestyle project, or run it on a Jenkins"
        )
    return f"this runner runs freestyle jobs (<project>); this job is a <{config.tag}>"
