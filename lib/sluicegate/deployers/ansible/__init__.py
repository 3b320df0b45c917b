"""Deployer driver `ansible`: the organisation's own playbooks, run by ansible-playbook."""

from sluicegate.deployers.ansible.deployer import AnsibleDeployer

__all__ = ["AnsibleDeployer"]
