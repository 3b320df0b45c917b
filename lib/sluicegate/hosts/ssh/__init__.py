"""Host driver `ssh`: a machine that OpenSSH's client reaches, by one connection that its commands share."""

from sluicegate.hosts.ssh.host import SshHost

__all__ = ["SshHost"]
