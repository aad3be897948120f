"""How long a call of a start waits for a thread while other users' stops and execs take long.

Ours through ``engine.client``; stock through DockerSpawner's own executor. Both have the same to
do: servers that ignore the request to end are stopped with a grace of ten seconds, and commands
run in them. The engine's own time is in neither figure. Pulls take the same lane as stops, and
are not measured.

    python -m bench lanes
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from typing import Any

import docker
from dockerspawner import DockerSpawner

from bench.harness import OURS, PEER, Result, machine, summarize
from engine import client as engine_client
from engine.client import Engine

NAME = "lanes"
#: Servers that are stopped, commands that run in others, and calls of starts meanwhile.
STOPS, EXECS, CALLS = 6, 2, 200
#: Seconds: the grace of a stop, the length of a command, and between two calls.
GRACE, COMMAND, EVERY = 10, 8, 0.03
TARGET = 0.05
#: It ends only when it is killed.
STUBBORN = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]

#: Calls a method of docker-py's on some thread.
Call = Callable[..., Awaitable[Any]]


def measure(image: str, say: Callable[[str], None]) -> list[Result]:
    """Return the seconds that calls waited, at the 99th of a hundred."""
    runs = {}
    for who, run in ((OURS, _ours), (PEER, _stock)):
        with closing(docker.from_env()) as client:
            servers = [
                client.containers.run(image, STUBBORN, detach=True) for _ in range(STOPS + EXECS)
            ]
            try:
                runs[who] = asyncio.run(run([server.id for server in servers]))
            finally:
                for server in servers:
                    server.remove(force=True)
        say(f"{who}: p99 {p99(runs[who]) * 1000:.1f} ms, longest {max(runs[who]):.2f} s")
    name = f"a start's call waits for a thread during {STOPS} stops and {EXECS} execs (p99)"
    return [summarize(name, "s", runs, machine("dockerspawner"), target=TARGET, of=p99)]


def p99(figures: Any) -> float:
    ordered = sorted(figures)
    return float(ordered[int(0.99 * (len(ordered) - 1))])


async def _ours(servers: list[str]) -> list[float]:
    engine = Engine(docker.APIClient)
    # A call that does nothing but say when its thread began.
    engine.client.begun = time.monotonic
    lanes: Mapping[str, str] = {**engine_client.LANES, "begun": engine_client.START}
    before, engine_client.LANES = engine_client.LANES, dict(lanes)
    try:
        return await _waits(engine.call, servers)
    finally:
        engine_client.LANES = before
        engine.close()


async def _stock(servers: list[str]) -> list[float]:
    spawner = DockerSpawner()
    spawner.client.begun = time.monotonic

    async def call(method: str, *args: Any, **kwargs: Any) -> Any:
        return await spawner.docker(method, *args, **kwargs)

    return await _waits(call, servers)


async def _waits(call: Call, servers: list[str]) -> list[float]:
    """Return how long each of the calls waited until its thread began."""
    slow = [asyncio.ensure_future(call("stop", name, timeout=GRACE)) for name in servers[:STOPS]]
    slow += [asyncio.ensure_future(_exec(call, name)) for name in servers[STOPS:]]

    async def wait() -> float:
        asked = time.monotonic()
        return max(0.0, await call("begun") - asked)

    waits = []
    for _ in range(CALLS):
        await asyncio.sleep(EVERY)
        waits.append(asyncio.ensure_future(wait()))
    found = await asyncio.gather(*waits)
    await asyncio.gather(*slow)
    return list(found)


async def _exec(call: Call, name: str) -> None:
    made = await call("exec_create", name, ["sleep", str(COMMAND)])
    await call("exec_start", made["Id"])
