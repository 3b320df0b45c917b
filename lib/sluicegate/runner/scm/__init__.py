"""Source code management of a job: Git as Jenkins' git plugin does it, one repository or several (MultiSCM)."""
