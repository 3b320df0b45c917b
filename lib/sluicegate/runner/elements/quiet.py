"""Elements for which a build here does nothing: what notifies, what is for a Jenkins' pages, machines and events."""

from __future__ import annotations

from collections.abc import Callable

from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields

NOTIFIES = "it only notifies or reports; the result does not depend on it"
OUTSIDE = "it talks to an outside service; do this on a Jenkins"
SHOWS = "it only changes what the pages of a Jenkins show"
ONE_MACHINE = "it shares out the machines of a Jenkins; here is one"
EVENT = "its event comes to a Jenkins only; start the job by hand, with the event's variables as parameters"
GROOVY = "it runs Groovy, which is not run here; use a shell step"

SKIPPED = (
    ("hudson.plugins.emailext.ExtendedEmailPublisher", "email-ext", "publisher", NOTIFIES),
    ("hudson.tasks.Mailer", "mailer", "publisher", NOTIFIES),
    ("hudson.plugins.ircbot.IrcPublisher", "ircbot", "publisher", NOTIFIES),
    ("hudson.plugins.plot.PlotPublisher", "plot", "publisher", NOTIFIES),
    ("hudson.plugins.jacoco.JacocoPublisher", "jacoco", "publisher", NOTIFIES),
    ("hudson.plugins.findbugs.FindBugsPublisher", "findbugs", "publisher", NOTIFIES),
    ("jenkins.plugins.slack.SlackNotifier", "slack", "publisher", NOTIFIES),
    ("hudson.tasks.Fingerprinter", "core", "publisher", NOTIFIES),
    ("be.certipost.hudson.plugin.SCPRepositoryPublisher", "scp", "publisher", OUTSIDE),
    ("jenkins.plugins.publish__over__ftp.BapFtpPublisherPlugin", "publish-over-ftp", "publisher", OUTSIDE),
    ("jenkins.plugins.publish__over__ssh.BapSshPublisherPlugin", "publish-over-ssh", "publisher", OUTSIDE),
)
IGNORED = (
    ("hudson.plugins.timestamper.TimestamperBuildWrapper", "timestamper", "wrapper", SHOWS),
    ("hudson.plugins.ansicolor.AnsiColorBuildWrapper", "ansicolor", "wrapper", SHOWS),
    ("jenkins.plugins.openstack.compute.JCloudsOneOffSlave", "openstack-cloud", "wrapper", ONE_MACHINE),
    ("hudson.plugins.heavy__job.HeavyJobProperty", "heavy-job", "property", ONE_MACHINE),
    ("com.coravy.hudson.plugins.github.GithubProjectProperty", "github", "property", SHOWS),
    ("hudson.security.AuthorizationMatrixProperty", "matrix-auth", "property", "who may do what is not asked here"),
    ("com.sonyericsson.rebuild.RebuildSettings", "rebuild", "property", SHOWS),
    ("hudson.plugins.jira.JiraProjectProperty", "jira", "property", SHOWS),
    ("com.synopsys.arc.jenkins.plugins.ownership.jobs.JobOwnerJobProperty", "ownership", "property", SHOWS),
    ("com.sonyericsson.hudson.plugins.gerrit.trigger.hudsontrigger.GerritTrigger", "gerrit-trigger", "trigger", EVENT),
    ("org.jenkinsci.plugins.ghprb.GhprbTrigger", "ghprb", "trigger", EVENT),
    ("com.cloudbees.jenkins.GitHubPushTrigger", "github", "trigger", EVENT),
    ("com.dabsquared.gitlabjenkins.GitLabPushTrigger", "gitlab-plugin", "trigger", EVENT),
    ("com.redhat.jenkins.plugins.ci.CIBuildTrigger", "jms-messaging", "trigger", EVENT),
    ("org.jenkinsci.plugins.gwt.GenericTrigger", "generic-webhook-trigger", "trigger", EVENT),
    ("com.github.kostyasha.github.integration.branch.GitHubBranchTrigger", "github-pullrequest", "trigger", EVENT),
)
REFUSED = (
    ("hudson.plugins.groovy.SystemGroovy", "groovy", "builder", GROOVY),
    ("hudson.plugins.groovy.Groovy", "groovy", "builder", GROOVY),
    ("org.jvnet.hudson.plugins.groovypostbuild.GroovyPostbuildRecorder", "groovy-postbuild", "publisher", GROOVY),
)


def _because(why: str) -> Callable[[Fields], str]:
    return lambda _: why


ELEMENTS = (
    *(Entry(tag=tag, plugin=plugin, kind=kind, skips=why) for tag, plugin, kind, why in SKIPPED),
    *(Entry(tag=tag, plugin=plugin, kind=kind, ignores=why) for tag, plugin, kind, why in IGNORED),
    *(Entry(tag=tag, plugin=plugin, kind=kind, refuses=_because(why)) for tag, plugin, kind, why in REFUSED),
)
