"""``room logs``: what the room's own services wrote."""

from __future__ import annotations

import click

from cli import compose, context

SERVICES = ("front", "proxy", "hub", "agent", "console")


@click.command()
@click.argument("service", type=click.Choice(SERVICES), required=False)
@click.option(
    "--lines",
    default=100,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Lines of each service.",
)
def logs(service: str | None, lines: int) -> None:
    """Print the last lines of a service, or of all of them.

    What a student's server wrote before it ended is in the hub's log.
    """
    named = [service] if service else []
    text = compose.run(context.settings(), "logs", "--no-color", f"--tail={lines}", *named)
    click.echo(text, nl=False)
