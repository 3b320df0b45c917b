"""hudson.tasks.Shell: `sh -xe`, a script's own shebang, exit codes and unstable-return."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.results import Result


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
        return f"{' '.join(interpreter(self.command))}: {head.strip()}{more}"

    def perform(self, build: Build) -> None:
        status = run_script(build, self.command)
        if status == 0:
            return
        if status == self.unstable:
            build.worsen(Result.UNSTABLE)
            build.say(f"Build step '{self.label}' changed build result to UNSTABLE")
            return
        raise StepFailed("")


def interpreter(command: str) -> list[str]:
    """The words of the shebang, else Jenkins' default shell."""
    if command.startswith("#!"):
        words = command.splitlines()[0][2:].split()
        if words:
            return words
    return ["/bin/sh", "-xe"]


def run_script(build: Build, command: str, *, words: Sequence[str] = (), suffix: str = ".sh") -> int:
    """Run a script from a file of its own, by `words` or else by its interpreter; its exit status."""
    with build.scratch() as folder:
        script = folder / f"jenkins{suffix}"
        script.write_bytes(command.encode("utf-8", "surrogateescape"))
        script.chmod(0o700)
        build.show(folder)
        return build.launch([*(words or interpreter(command)), str(script)])


ELEMENTS = (Entry(tag="hudson.tasks.Shell", plugin="core", kind="builder", make=Shell),)
