"""What Ansible loads: the folder of its plugin, which runs in Ansible's own Python and imports nothing of ours."""
