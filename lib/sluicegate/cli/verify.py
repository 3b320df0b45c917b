"""verify."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, echo, print_json, secho, split
from sluicegate.cli.progress import progress
from sluicegate.errors import IntegrityError


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@as_json
def verify(version: str, as_json: bool) -> None:
    """Read every file of a version again: repository against manifest, manifest against ledger.

    Ends with exit code 6 when something differs.

    Example: sluicegate verify auth=1.4.2
    """
    from sluicegate.delivery.artifacts.verify import verify as verify_version
    from sluicegate.delivery.book import resolving

    component, spec = split(version)
    with delivery() as repo:
        state = repo.state()
        number = resolving.resolve(state, component, spec or "latest")
        with progress(version, state.size(component, number)):
            files = verify_version(state, component, number)
    wrong = [file for file in files if file.fault]
    if as_json:
        from sluicegate.cli.shapes import versions

        print_json(versions.verification(component, number, files))
    else:
        for file in files:
            secho(f"{'wrong' if file.fault else 'ok':5}", fg="red" if file.fault else "green", nl=False)
            echo(f"  {file.sha256[:12] or '-':12}  {file.name}" + (f": {file.fault}" if file.fault else ""))
    if wrong:
        hints = dict.fromkeys(file.hint for file in wrong)
        raise IntegrityError(f"{component}={number}: {len(wrong)} of {len(files)} files differ", hint="; ".join(hints))
