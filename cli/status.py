"""``room status``: which parts of the room run, who has a server, and who holds which GPU."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from cli import context
from cli.errors import FAILED, OK, WARNINGS, Problem

if TYPE_CHECKING:
    from room.models import GPUUnit, Lease
    from room.settings import Settings

#: The parts of docker-compose.yml, in the order of a request's way.
SERVICES = ("front", "proxy", "hub", "agent", "console")


@dataclass(frozen=True, slots=True)
class Service:
    """One part of the room. ``state`` in the engine's words; ``healthy`` as its own check says."""

    name: str
    state: str
    healthy: bool


@dataclass(frozen=True, slots=True)
class Server:
    """One container of a user's server. ``age`` in seconds since it was created."""

    user: str
    server: str
    profile: str
    gpus: tuple[str, ...]
    state: str
    age: float


@dataclass(frozen=True, slots=True)
class Unit:
    """A GPU unit, and who holds it. ``orphan``: a lease whose server has no container."""

    uuid: str
    model: str
    holder: str = ""
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What a room is doing."""

    services: tuple[Service, ...]
    servers: tuple[Server, ...]
    units: tuple[Unit, ...]

    @property
    def exit_status(self) -> int:
        """Return 0 when every part is healthy, 2 when none runs, else 1."""
        if all(service.healthy for service in self.services):
            return OK
        running = any(service.state == "running" for service in self.services)
        return WARNINGS if running else FAILED


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show which parts of the room run, who has a server, and who holds which GPU.

    \b
    Exit status:  0  every part is healthy
                  1  a part is missing, or not healthy yet
                  2  the room does not run
    """
    found = asyncio.run(_look(context.settings()))
    if as_json:
        click.echo(json.dumps({"status": found.exit_status, **asdict(found)}, indent=2))
    else:
        _print(found, context.settings())
    ctx.exit(found.exit_status)


async def _look(settings: Settings) -> Status:
    from engine.client import Engine, EngineUnavailableError
    from room.models import LABEL_KIND, LABEL_ROOM

    engine = Engine.at(f"unix://{settings.engine_socket}", timeout=10)
    try:
        parts = await engine.containers({"com.docker.compose.project": settings.name})
        servers = await engine.containers({LABEL_ROOM: settings.name, LABEL_KIND: "server"})
    except EngineUnavailableError as error:
        raise Problem(
            f"The Docker Engine at {settings.engine_socket} does not answer.",
            "Start it, or run the same command with sudo. room doctor says which.",
        ) from error
    finally:
        engine.close()
    running = tuple(sorted(map(server, servers), key=lambda s: (s.user, s.server)))
    return Status(services(parts), running, units(*_leases(settings), running))


def _leases(settings: Settings) -> tuple[Sequence[GPUUnit], Sequence[Lease]]:
    """Return the room's GPU units and leases; none before ``room up`` has written any."""
    from room.gpus import inventory
    from room.gpus.broker import Broker
    from room.store.opening import database_path

    read = inventory.file_reader(settings.data_root / "state" / "inventory.json")
    known = read().units
    if not known or not database_path(settings).exists():
        return known, ()
    return known, Broker(context.store()).leases()


# --- what containers and leases mean ------------------------------------------------------------


def services(containers: Sequence[Mapping[str, Any]]) -> tuple[Service, ...]:
    """Return every part of the room; one that has no container is ``missing``."""
    by_name = {
        container["Labels"].get("com.docker.compose.service"): container for container in containers
    }
    return tuple(_service(name, by_name.get(name)) for name in SERVICES)


def _service(name: str, container: Mapping[str, Any] | None) -> Service:
    if container is None:
        return Service(name, "missing", healthy=False)
    state, words = str(container["State"]), str(container["Status"])
    # A part without a check of its own is healthy when it runs.
    checked = "(unhealthy)" not in words and "(health: starting)" not in words
    return Service(name, state, healthy=state == "running" and checked)


def server(container: Mapping[str, Any]) -> Server:
    """Return what a server's container says of itself on its labels."""
    from room.models import LABEL_GPUS, LABEL_PROFILE, LABEL_SERVER, LABEL_USER

    labels = container["Labels"]
    return Server(
        user=labels.get(LABEL_USER, ""),
        server=labels.get(LABEL_SERVER, ""),
        profile=labels.get(LABEL_PROFILE, ""),
        gpus=tuple(filter(None, labels.get(LABEL_GPUS, "").split(","))),
        state=str(container["State"]),
        age=max(0.0, time.time() - float(container["Created"])),
    )


def units(
    known: Sequence[GPUUnit], leases: Sequence[Lease], servers: Sequence[Server]
) -> tuple[Unit, ...]:
    """Return every unit with its holder. The hub clears an orphaned lease within two minutes."""
    present = {(server.user, server.server) for server in servers}
    holders = {uuid: lease.owner for lease in leases for uuid in lease.units}
    return tuple(
        Unit(
            unit.uuid,
            unit.model,
            str(holders.get(unit.uuid, "")),
            unit.uuid in holders
            and (holders[unit.uuid].user, holders[unit.uuid].server) not in present,
        )
        for unit in known
    )


# --- what a person sees -------------------------------------------------------------------------


def _print(found: Status, settings: Settings) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for service in found.services:
        sign, style = ("✓", "green") if service.healthy else ("✗", "bold red")
        words = "healthy" if service.healthy else _state_words(service.state)
        console.print(Text(f"{sign} ", style=style) + Text(f"{service.name}: {words}"))
    if found.exit_status == FAILED:
        console.print("The room does not run. Start it with: make up", markup=False)
    else:
        console.print(f"Open at {settings.address}", markup=False)
    _print_servers(console, found)


def _state_words(state: str) -> str:
    return {"missing": "not there", "running": "not healthy yet", "exited": "ended"}.get(
        state, state
    )


def _print_servers(console: Any, found: Status) -> None:
    from rich.table import Table
    from rich.text import Text

    if found.servers:
        table = Table(
            "user", "server", "profile", "GPUs", "state", "since", box=None, pad_edge=False
        )
        for one in found.servers:
            gpus = str(len(one.gpus) or "")
            cells = (one.user, one.server, one.profile, gpus, one.state, age(one.age))
            table.add_row(*map(Text, cells))
        console.print()
        console.print(table)
    if found.units:
        table = Table("GPU", "model", "held by", box=None, pad_edge=False)
        for unit in found.units:
            holder = f"{unit.holder} (server gone; freed soon)" if unit.orphan else unit.holder
            table.add_row(Text(unit.uuid), Text(unit.model), Text(holder or "free"))
        console.print()
        console.print(table)


def age(seconds: float) -> str:
    """Return how long ago something was, in its two largest units: ``3 h 5 min``."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{int(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
