"""Deployer driver `packages`: the packages of the host's own package manager, a module each."""

from sluicegate.deployers.packages.deployer import PackagesDeployer

__all__ = ["PackagesDeployer"]
