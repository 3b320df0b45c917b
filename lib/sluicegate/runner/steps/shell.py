"""hudson.tasks.Shell: `sh -xe`, a script's own shebang, exit codes and unstable-return."""

from __future__ import annotations

from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result
from sluicegate.tools.scratch import scratch


class Shell:
    """Runs a script. Imitates hudson.tasks.Shell and CommandInterpreter."""

    label = "Execute shell"

    def __init__(self, fields: Fields) -> None:
        self.command = fields.text("command").replace("\r\n", "\n")
        self.unstable = fields.number("unstableReturn", 0)
        # Whether a Jenkins' administrators left the step to the job's own tools.
        fields.harmless("configuredLocalRules")

    def plan(self) -> str:
        head = next((line for line in self.command.splitlines() if line.strip() and not line.startswith("#!")), "")
        rest = len(self.command.splitlines()) - 1
        more = f" (and {rest} more lines)" if rest > 0 else ""
        return f"{' '.join(self._interpreter())}: {head.strip()}{more}"

    def _interpreter(self) -> list[str]:
        """The words of the shebang, else Jenkins' default shell."""
        if self.command.startswith("#!"):
            first = self.command.splitlines()[0][2:].split()
            if first:
                return first
        return ["/bin/sh", "-xe"]

    def perform(self, build: Build) -> None:
        with scratch() as folder:
            script = folder / "jenkins.sh"
            script.write_bytes(self.command.encode("utf-8", "surrogateescape"))
            script.chmod(0o700)
            status = build.launch([*self._interpreter(), str(script)])
        if status == 0:
            return
        if status == self.unstable:
            build.worsen(Result.UNSTABLE)
            build.say(f"Build step '{self.label}' changed build result to UNSTABLE")
            return
        raise StepFailed("")


ELEMENTS = (Entry(tag="hudson.tasks.Shell", plugin="core", kind="builder", make=Shell),)
