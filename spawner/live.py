"""What the hub and the agent know now, for the console's page that looks after the room."""

from __future__ import annotations

import asyncio
import os
import time

from engine.client import EngineRefusedError, EngineUnavailableError
from room.doctor.facts import Engine, Machine
from room.doctor.live import Host, Live
from spawner.admission import host_memory
from spawner.agent import AgentSilentError
from spawner.services import Services

#: Seconds that the engine may take to say its version.
PATIENCE = 5.0


async def look(services: Services) -> Live:
    """Ask agent and engine, and read what the hub itself knows."""
    (host, silent), engine, units, use = await asyncio.gather(
        _host(services),
        _engine(services),
        services.store.run(services.broker.units),
        services.gpu_use(),
    )
    compared = services.comparison
    return Live(
        at=time.time(),
        host=host,
        silent=silent,
        engine=engine,
        machine=_machine(),
        units=units,
        use_problem=use.problem,
        compared_at=compared.at,
        compare_problem=compared.problem,
        doubled=compared.doubled,
    )


async def _host(services: Services) -> tuple[Host | None, str]:
    if services.agent is None:
        return None, ""
    try:
        return await services.agent.host(), ""
    except (AgentSilentError, OSError) as error:
        return None, str(error)


async def _engine(services: Services) -> Engine:
    try:
        version = await asyncio.wait_for(services.engine.version(), PATIENCE)
    except asyncio.TimeoutError:
        return Engine(answer="stopped", error=f"It gave no answer within {PATIENCE:.0f} seconds.")
    except EngineUnavailableError:
        return Engine(answer="stopped")
    except EngineRefusedError as error:
        return Engine(answer="strange", error=str(error))
    return Engine(answer="yes", version=version)


def _machine() -> Machine:
    try:
        memory = host_memory()
    except (OSError, ValueError):
        return Machine(cores=os.cpu_count() or 0)
    return Machine(cores=os.cpu_count() or 0, memory=memory.total, available=memory.available)
