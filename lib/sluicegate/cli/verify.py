"""verify."""

from __future__ import annotations

import click

from sluicegate.cli.output import as_json, delivery, print_json, split
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
            found = verify_version(state, component, number)
    wrong = [one for one in found if one.fault]
    if as_json:
        print_json({"component": component, "version": number, "files": [one.json() for one in found]})
    else:
        for one in found:
            click.secho(f"{'wrong' if one.fault else 'ok':5}", fg="red" if one.fault else "green", nl=False)
            click.echo(f"  {one.sha256[:12] or '-':12}  {one.name}" + (f": {one.fault}" if one.fault else ""))
    if wrong:
        hints = dict.fromkeys(one.hint for one in wrong)
        raise IntegrityError(f"{component}={number}: {len(wrong)} of {len(found)} files differ", hint="; ".join(hints))
