"""publish, fetch, resolve."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from sluicegate.cli.output import as_json, delivery, did, dry_run, echo, print_json, secho, split
from sluicegate.cli.progress import progress
from sluicegate.errors import UsageError

connections = click.option(
    "--connections", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N",
    help="How many files go at once.",
)  # fmt: skip
TIME = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"])


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--source", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="The source checkout: commit, author and time are read there. [default: WORKSPACE, or .]",
)  # fmt: skip
@click.option(
    "--version-file", default="VERSION", show_default=True, metavar="FILE",
    help="The file of the checkout that holds MAJOR.MINOR, where the version is left out.",
)  # fmt: skip
@click.option(
    "--build", envvar="BUILD_URL", default="", metavar="URL", help="The build's address. [default: BUILD_URL]"
)
@click.option(
    "--build-started", type=TIME, metavar="TIME", help="When the build began, such as 2026-11-23T09:12:44+0000."
)
@click.option("--figure", "figures", multiple=True, metavar="NAME=VALUE", help="A quality figure, such as coverage=87.")
@click.option(
    "--sbom", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="A CycloneDX file (JSON, 1.4 to 1.7) that a tool made of the version.",
)  # fmt: skip
@click.option("--sign", "key", metavar="KEYID", help="Sign the manifest with this key of gpg.")
@click.option(
    "--allow-version-mismatch", "any_version", is_flag=True,
    help="Take .deb and .rpm packages none of which has this version of its own, or that cannot be read here.",
)  # fmt: skip
@connections
@as_json
@dry_run
def publish(
    version: str, files: tuple[Path, ...], source: Path | None, version_file: str, build: str,
    build_started: datetime | None, figures: tuple[str, ...], sbom: Path | None, key: str | None, any_version: bool,
    connections: int, as_json: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Publish the files of a version, once: checksums, a manifest, and the evidence *built*.

    Equal content again is fine, and puts back what the repository has lost; other content under the same version is a
    conflict (exit code 4). A version that is left out is the tag at the checkout's commit, else MAJOR.MINOR of the
    version file and the count of first-parent commits. 1.4.2-SNAPSHOT is published under its time and number, as Maven
    does it.

    Example: sluicegate publish auth=1.4.2 dist/auth-1.4.2.tar.gz --figure coverage=87
    """
    from sluicegate.delivery.artifacts.naming import made_version
    from sluicegate.delivery.artifacts.provenance import Extras, read_sbom
    from sluicegate.delivery.artifacts.publish import publish as publish_version
    from sluicegate.delivery.artifacts.source import checkout, doubt, read_origin

    component, number = split(version)
    if key == "":
        raise UsageError("--sign names no key", hint="gpg --list-secret-keys shows those there are")
    origin = read_origin(source, build=build, build_started=build_started, figures=_figures(figures))
    if sbom is not None:
        read_sbom(sbom)
    size = sum(file.stat().st_size for file in files if file.is_file())
    with delivery() as repo, progress(version, size):
        number = number or made_version(repo.state().component(component), checkout(source), version_file)
        extras = Extras(sbom=sbom, key=key or "", parameters=repo.parameters())
        published = publish_version(
            repo, component, number, files, origin, extras=extras, connections=connections, any_version=any_version,
            dry_run=dry_run,
        )  # fmt: skip
    number = published.manifest.version
    notes = [*published.notes, *doubt(source)]
    if as_json:
        from sluicegate.cli.shapes import versions as shapes

        print_json(shapes.publication(published, notes))
        return
    for artifact, address in zip(published.manifest.artifacts, published.addresses, strict=True):
        echo(f"{artifact.sha256[:12]}  {artifact.size:>9}  {address}")
    for name in published.again:
        did("store", f"{name} again, which the repository had lost", dry=dry_run)
    for note in notes:
        secho(f"note: {note}", fg="yellow", err=True)
    if published.existed:
        if published.signed:
            did("sign", f"{component}={number} with {key}", dry=dry_run)
        echo(f"{component}={number} was published before, with equal content")
    else:
        did("publish", f"{component}={number}, manifest {published.manifest.sha256[:12]}", dry=dry_run)


def _figures(texts: tuple[str, ...]) -> dict[str, str]:
    figures = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--figure {text}: expected NAME=VALUE")
        figures[name] = value
    return figures


def _named(context: click.Context, parameter: click.Parameter, value: str) -> Path:
    if not value:
        raise click.BadParameter("'' names no folder")
    return Path(value)


@click.command()
@click.argument("version", metavar="COMPONENT[=VERSION]")
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False), metavar="DIR", callback=_named,
    help="The folder, made where it is not there.",
)  # fmt: skip
@click.option("--verify", is_flag=True, help="Refuse a version without a good signature.")
@click.option(
    "--signer", "signers", multiple=True, metavar="FINGERPRINT", help="Who may have signed; else any key gpg knows."
)
@connections
@as_json
def fetch(version: str, folder: Path, verify: bool, signers: tuple[str, ...], connections: int, as_json: bool) -> None:
    """Get a version's files, each checked against the manifest, and the manifest against the ledger.

    It checks what stands beside the files too, such as the provenance.

    Example: sluicegate fetch auth=1.4.2 --to dist
    """
    from sluicegate.delivery.artifacts.fetch import fetch as fetch_version
    from sluicegate.delivery.artifacts.verify import check_version
    from sluicegate.delivery.book import resolving

    component, spec = split(version)
    with delivery() as repo:
        state = repo.state()
        number = resolving.resolve(state, component, spec or "latest")
        with progress(version, state.size(component, number)):
            check_version(state, component, number, signed=verify or bool(signers), signers=signers)
            release = fetch_version(state, component, number, folder, connections=connections)
    if as_json:
        from sluicegate.cli.shapes import versions as shapes

        print_json(shapes.fetched(component, release, folder))
        return
    for name in release.files:
        echo(str(folder / name))


@click.command()
@click.argument("spec", metavar="COMPONENT[=RANGE]")
@as_json
def resolve(spec: str, as_json: bool) -> None:
    """Print the newest version: of all, or within a range such as 1.x or '>=1.2,<2', or of 1.4.2-SNAPSHOT.

    commit:HASH takes the one built from a commit, tested:ENV and deployed:ENV the newest with that evidence.

    Example: sluicegate resolve auth='>=1.2,<2'
    """
    from sluicegate.delivery.book import resolving

    component, wanted = split(spec)
    with delivery() as repo:
        state = repo.state()
        version = resolving.resolve(state, component, wanted or "latest")
        manifest = state.manifest(component, version)
        veto = state.vetoed_somewhere(component, version)
    if as_json:
        from sluicegate.cli.shapes import versions as shapes

        print_json(shapes.resolved(component, version, manifest, vetoed=veto is not None))
    else:
        echo(version)
        if veto:
            where = f"from {veto.env} on" if veto.env else "everywhere"
            echo(f"{component}={version} is vetoed {where}: {veto.why or 'no reason given'}", err=True)
