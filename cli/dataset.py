"""``room dataset``: data that a class has, published version by version."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from cli import context, datasetjob, datasetview
from cli.datasetlibrary import opened
from cli.errors import Problem
from cli.people import Span

if TYPE_CHECKING:
    from room.datasets.names import Reference


class Name(click.ParamType):
    """What a dataset is called."""

    name = "dataset"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from room.datasets.names import normalize

        try:
            return normalize(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Login(click.ParamType):
    """Who somebody is in this room."""

    name = "login"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from room.names import normalize_login

        try:
            return normalize_login(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Which(click.ParamType):
    """A dataset, or one version of it: cifar10, cifar10@2."""

    name = "version"

    def convert(
        self, value: str | Reference, param: click.Parameter | None, ctx: click.Context | None
    ) -> Reference:
        from room.datasets.names import reference

        if not isinstance(value, str):
            return value
        try:
            return reference(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class ClassName(click.ParamType):
    """A class that there may be."""

    name = "class"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from room.roster import normalize_class

        try:
            return normalize_class(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


@click.group()
def dataset() -> None:
    """Publish data for a class, version by version.

    Every student of the class has it under /datasets, read-only, from their next
    start on. A version never changes, and is stored once however many have it.

    \b
    room dataset publish cifar10 ./cifar10 --class ml101
    room dataset publish cats data/cats --home alice --class ml101
    room dataset publish dogs https://example.org/dogs.tar.gz --unpack --class ml101
    room dataset list            what there is, for whom, and what is under way
    room dataset show cifar10    its versions
    room dataset verify cifar10  read it through
    room dataset retire cifar10@1     no server starts with it any more
    room dataset prune --older-than 30d     remove the files of retired versions
    """


@dataset.command()
@click.argument("name", type=Name(), metavar="NAME")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--class", "classes", type=ClassName(), multiple=True, metavar="CLASS", help="For this class."
)
@click.option("--everyone", is_flag=True, help="For everybody.")
@click.option("--home", type=Login(), metavar="LOGIN", help="PATH is in this person's home.")
@click.option(
    "--credentials",
    type=click.File(),
    metavar="FILE",
    help="JSON with what lets you in at an address: user, password, token, key, secret, endpoint; "
    "- is standard input.",
)
@click.option("--unpack", is_flag=True, help="PATH is a zip or tar: publish what is in it.")
@click.option("--description", help="What it is, in a sentence.")
@click.option("--licence", help="As CC-BY-4.0.")
@click.option("--source", help="Where it comes from.")
def publish(
    name: str,
    paths: tuple[str, ...],
    classes: tuple[str, ...],
    everyone: bool,
    home: str | None,
    credentials: IO[str] | None,
    unpack: bool,
    **about: str | None,
) -> None:
    """Publish the folder or file at PATH as the newest version of NAME.

    With --home it is a copy of what somebody has in their home: data/cats. PATH
    may be an address, or several: https://example.org/cats.zip, s3://bucket/folder,
    hf://datasets/owner/name, and whatever else fsspec speaks on this machine.

    Files that the room has already, in this or another dataset, are not stored
    again. Interrupted, run the same command again: it goes on where it was. Who
    a dataset is for, and what is said of it, stays as it was unless you say it anew.
    """
    from room.datasets.model import EVERYONE

    chosen = (*classes, EVERYONE) if everyone else classes
    told = {key: value for key, value in about.items() if value is not None}
    with opened() as library:
        wanted = _wanted(paths, home, credentials, unpack)
        job = datasetjob.begin(library, name, wanted, chosen, told)
        published = datasetjob.run(library, job)
        click.echo(datasetview.published(library.catalog.get(name), published))


def _wanted(
    paths: tuple[str, ...], home: str | None, credentials: IO[str] | None, unpack: bool
) -> datasetjob.Wanted:
    """Return what PATH means."""
    from room.datasets.addresses import is_address

    if home is None and all(is_address(path) for path in paths):
        return datasetjob.of_addresses(paths, credentials, unpack)
    if len(paths) > 1:
        raise Problem("Only addresses can be several.", "Publish the folder that they are in.")
    if credentials is not None:
        raise Problem("--credentials are for addresses.", "Leave them out.")
    if home is None:
        return datasetjob.of_host(Path(paths[0]), unpack)
    return datasetjob.of_home(home, paths[0], unpack)


@dataset.command("list")
def list_() -> None:
    """List the datasets, and what is being published."""
    with opened() as library:
        found = library.catalog.all()
        jobs = library.desk.all()
        if found:
            datasetview.print_all(found)
        elif not jobs:
            click.echo("There is no dataset yet. Make one: room dataset publish NAME PATH")
        for job in jobs:
            click.echo(datasetview.under_way(library.desk, job))


@dataset.command()
@click.argument("name", type=Name(), metavar="NAME")
def show(name: str) -> None:
    """Show what is known of NAME, and all its versions."""
    with opened() as library:
        datasetview.print_one(library.catalog.get(name))


@dataset.command()
@click.argument("which", type=Which(), metavar="NAME[@N]", required=False)
def verify(which: Reference | None) -> None:
    """Read a version through, and say which files are not as published.

    Without NAME every version of every dataset; without @N every version of NAME.
    """
    from publishing.mending import look_through
    from room.datasets.names import Reference

    wrong, gone = 0, 0
    with opened() as library:
        chosen = [library.catalog.get(which.name)] if which else library.catalog.all()
        for each in chosen:
            numbered = which and which.number
            versions = [each.version(numbered)] if numbered else each.versions
            for version in versions:
                if version.pruned_at is not None:
                    continue
                what = Reference(each.name, version.number)
                with datasetjob.shown(f"Reading {what}", version.size) as bar:
                    damaged = look_through(library.desk.shelf, each.name, version.digest, bar.tell)
                library.catalog.verified(what, None if damaged is None else len(damaged))
                wrong += len(damaged or ())
                gone += damaged is None
                for line in datasetview.damage(what, damaged):
                    click.echo(f"  {line}", err=True)
    if wrong or gone:
        raise Problem(
            f"{datasetview.count(wrong, 'file')} not as published, "
            f"{datasetview.count(gone, 'version')} not on this host.",
            "No server starts with such a version. Publish it again from its source, which puts "
            "it right, or retire it.",
        )


@dataset.command()
@click.argument("which", type=Which(), metavar="NAME[@N]")
def retire(which: Reference) -> None:
    """Let no server start with a version any more; without @N: the newest.

    Servers that have it keep it. Its files stay until they are pruned.
    """
    with opened() as library:
        version = library.catalog.retire(which)
        next_ = library.catalog.get(which.name).usable
        then = f"Servers start with {which.name}@{next_.number}." if next_ else "None is left."
        click.echo(f"{which.name}@{version.number} is retired. {then}")


@dataset.command()
@click.argument("which", type=Which(), metavar="NAME[@N]")
def restore(which: Reference) -> None:
    """Take a retirement back; without @N: that of the newest version."""
    with opened() as library:
        version = library.catalog.restore(which)
        click.echo(f"{which.name}@{version.number} can be started with again.")


@dataset.command()
@click.argument("name", type=Name(), metavar="NAME")
@click.argument("classes", type=ClassName(), nargs=-1, metavar="[CLASS]...")
@click.option("--everyone", is_flag=True, help="Give it to everybody.")
@click.option("--take", is_flag=True, help="Take it from these classes instead.")
def share(name: str, classes: tuple[str, ...], everyone: bool, take: bool) -> None:
    """Give NAME to classes, or take it from them; from their next start on."""
    from room.datasets.model import EVERYONE

    chosen = (*classes, EVERYONE) if everyone else classes
    if not chosen:
        raise Problem("Say which classes, or --everyone.", f"room dataset share {name} ml101")
    with opened() as library:
        change = library.catalog.unshare if take else library.catalog.share
        change(name, chosen)
        click.echo(f"{name} is for {datasetview.classes(library.catalog.get(name))}.")


@dataset.command()
@click.option(
    "--older-than", type=Span(), default="30d", show_default=True, help="Retired longer ago."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(older_than: timedelta, yes: bool) -> None:
    """Remove the files of retired versions that no running server has."""
    from publishing import upkeep
    from room.values import readable_size

    with opened() as library:
        chosen = library.catalog.prunable(older_than)
        names = ", ".join(f"{name}@{version.number}" for name, version in chosen)
        if chosen and not yes:
            click.confirm(f"Remove the files of {names}? They cannot be brought back", abort=True)
        in_use = asyncio.run(_mounted())
        done = upkeep.prune(library.catalog, library.desk, older_than, in_use)
        left = upkeep.sweep(library.catalog, library.desk)
    if done.versions:
        gone = ", ".join(map(str, done.versions))
        click.echo(f"{gone} removed: {readable_size(done.freed)} are free again.")
    for each in done.kept:
        click.echo(f"{each} stays: a server that runs has it, or it is being published.")
    if left:
        click.echo(f"Removed what was left over: {', '.join(left)}.")
    if not (done.versions or done.kept or left):
        click.echo("Nothing to remove.")


@dataset.command()
@click.argument("publication", metavar="ID")
def cancel(publication: str) -> None:
    """Stop a publication and remove what it made; ID is as room dataset list has it."""
    from publishing import upkeep

    with opened() as library:
        gone = upkeep.cancel(library.desk, publication)
    click.echo("Cancelled: nothing is left of it." if gone else "It stops within a second.")


# --- parts --------------------------------------------------------------------------------------


async def _mounted() -> set[tuple[str, str]]:
    """Return name and digest of what servers have, also those that are being made or stopped."""
    from engine.client import Engine, EngineUnavailableError
    from engine.datasets import mounted

    settings = context.settings()
    engine = Engine.at(f"unix://{settings.engine_socket}")
    try:
        return await mounted(engine, settings.name)
    except EngineUnavailableError as error:
        raise Problem(
            f"The Docker Engine at {settings.engine_socket} does not answer, so nobody can tell "
            "which versions are in use. Nothing was removed.",
            "Start it, or see what is wrong with: room doctor",
        ) from error
    finally:
        engine.close()
