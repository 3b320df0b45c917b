"""Deployer driver `puppet`: what each host may install is assigned to it, and its agent installs that."""

from sluicegate.deployers.puppet.deployer import PuppetDeployer

__all__ = ["PuppetDeployer"]
