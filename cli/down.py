"""``room down``: the students' servers first, then the room. Nothing is deleted."""

from __future__ import annotations

import asyncio

import click

from cli import compose, context, state
from cli.errors import Problem
from cli.steps import console, step
from engine.client import Engine, EngineUnavailableError
from room.models import LABEL_KIND, LABEL_ROOM
from room.settings import Settings

#: Seconds a server has to save what it can.
GRACE = 10


@click.command()
def down() -> None:
    """Stop the students' servers, then the room. Homes, datasets and settings stay."""
    settings = context.settings()
    if not (state.directory(settings) / "compose.env").exists():
        raise Problem("This room has never been started.", "Start it with: make up")
    with step("Stopping the hub, so that nobody starts a server meanwhile"):
        compose.run(settings, "stop", "hub")
    with step("Stopping students' servers") as current:
        try:
            stopped = asyncio.run(_stop_servers(settings))
        except EngineUnavailableError as error:
            raise Problem(
                f"The Docker Engine at {settings.engine_socket} does not answer.",
                "Start it, or see what is wrong with: room doctor",
            ) from error
        current.note = f"{stopped} stopped" if stopped else "none was running"
    with step("Stopping the room"):
        compose.run(settings, "down", "--timeout=20")
    console.print("The room is closed. Open it again with: make up", markup=False)


async def _stop_servers(settings: Settings) -> int:
    engine = Engine.at(f"unix://{settings.engine_socket}")
    try:
        listed = await engine.containers({LABEL_ROOM: settings.name, LABEL_KIND: "server"})
        await asyncio.gather(*(_stop(engine, entry["Id"]) for entry in listed))
        return len(listed)
    finally:
        engine.close()


async def _stop(engine: Engine, container: str) -> None:
    await engine.stop(container, GRACE)
    await engine.remove_until_gone(container)
