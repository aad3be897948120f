"""``room images``: the images that the room runs, built only where they are missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import click

from cli import context
from cli.errors import Problem
from cli.steps import console, step
from engine.errors import BuildError
from room.settings import Settings


def build_all(
    settings: Settings,
    say: Callable[[str], None],
    names: Sequence[str] | None = None,
    fresh: bool = False,
) -> dict[str, str]:
    """Build what is missing and return the tags; a failure is a ``Problem`` in words."""
    from engine import images

    try:
        return images.ensure(settings, names, say, fresh=fresh)
    except BuildError as error:
        raise Problem(str(error), error.remedy) from error


@click.group()
def images() -> None:
    """Build and list the images that the room runs."""


@images.command()
@click.argument("names", nargs=-1)
@click.option(
    "--fresh", is_flag=True, help="Build anew, with the Debian mirror's packages of today."
)
def build(names: tuple[str, ...], fresh: bool) -> None:
    """Build the images that are missing: all of the room's, or the NAMES given."""
    settings = context.settings(or_defaults=True)
    with step("Building the images") as current:
        tags = build_all(settings, current.say, names or None, fresh)
    for name in names or tags:
        console.print(tags[name], markup=False, soft_wrap=True)


@images.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list, sizes in bytes.")
def list_(as_json: bool) -> None:
    """List the images with their tags, and which the engine has."""
    from engine.images import describe

    try:
        found = describe(context.settings(or_defaults=True))
    except BuildError as error:
        raise Problem(str(error), error.remedy) from error
    if as_json:
        rows = [{"name": i.name, "tag": i.tag, "size": i.size} for i in found]
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    table = Table("image", "tag", "size", box=None, pad_edge=False)
    for image in found:
        size = "not built" if image.size is None else f"{image.size / 1000**2:,.0f} MB"
        table.add_row(image.name, image.tag, size)
    console.print(table, soft_wrap=True)


@images.command()
def tags() -> None:
    """Print the tags that this checkout and these settings have, built or not."""
    from engine.images import images_for

    try:
        found = images_for(context.settings(or_defaults=True))
    except BuildError as error:
        raise Problem(str(error), error.remedy) from error
    for image in found.values():
        click.echo(image.tag)


@images.command()
def lock() -> None:
    """Resolve PyTorch's packages for the CUDA in room.yaml, where its wheel index is in reach.

    The lock for what PyPI carries (cu128) comes with the checkout.
    """
    from engine import images

    with step("Resolving PyTorch's packages") as current:
        try:
            written = images.lock(context.settings(or_defaults=True), current.say)
        except BuildError as error:
            raise Problem(str(error), error.remedy) from error
    console.print(str(written), markup=False, soft_wrap=True)
