"""How long a call of a start waits for a thread while other users' stops and execs take long.

Ours through ``engine.client``; stock through DockerSpawner's own executor. Both have the same to
do: servers that ignore the request to end are stopped with a grace of ten seconds, and commands
run in them; then an image is pulled from a registry on this machine (``registry``). The engine's
own time is in neither figure.

    python -m bench lanes
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import docker
from dockerspawner import DockerSpawner

from bench import registry
from bench.harness import OURS, PEER, Result, machine, summarize, turns
from engine import client as engine_client
from engine.client import Engine

NAME = "lanes"
#: Servers that are stopped, commands that run in others, and calls of starts meanwhile.
STOPS, EXECS, CALLS = 6, 2, 200
#: Pulls of each, in turns.
PULLS = 3
#: Seconds: the grace of a stop, the length of a command, and between two calls.
GRACE, COMMAND, EVERY = 10, 8, 0.03
TARGET = 0.05
#: It ends only when it is killed.
STUBBORN = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]

#: Calls a method of docker-py's on some thread.
Call = Callable[..., Awaitable[Any]]
#: Begins what takes long, with such calls.
Slow = Callable[[Call], list[Awaitable[Any]]]


def measure(image: str, say: Callable[[str], None]) -> list[Result]:
    """Return the seconds that calls waited, at the 99th of a hundred."""
    return [_beside_stops(image, say), _beside_pulls(say)]


def _beside_stops(image: str, say: Callable[[str], None]) -> Result:
    runs = {}
    for who, run in ((OURS, _ours), (PEER, _stock)):
        with closing(docker.from_env()) as client:
            servers = [
                client.containers.run(image, STUBBORN, detach=True) for _ in range(STOPS + EXECS)
            ]
            try:
                ids = [server.id for server in servers]
                runs[who] = asyncio.run(run(partial(_stops_and_execs, ids)))
            finally:
                for server in servers:
                    server.remove(force=True)
        say(f"{who}: p99 {p99(runs[who]) * 1000:.1f} ms, longest {max(runs[who]):.2f} s")
    name = f"a start's call waits for a thread during {STOPS} stops and {EXECS} execs (p99)"
    return summarize(name, "s", runs, machine("dockerspawner"), target=TARGET, of=p99)


def _beside_pulls(say: Callable[[str], None]) -> Result:
    runs: dict[str, list[float]] = {OURS: [], PEER: []}
    with registry.pullable() as name, closing(docker.from_env()) as client:
        for order in turns(((OURS, _ours), (PEER, _stock)), PULLS):
            for who, run in order:
                runs[who] += asyncio.run(run(partial(_pull, name)))
                client.images.remove(f"{name}:{registry.TAG}", force=True)
    for who, waits in runs.items():
        say(f"{who}, beside a pull: p99 {p99(waits) * 1000:.1f} ms, longest {max(waits):.2f} s")
    size = registry.LAYER // 1024**2
    name = f"a start's call waits for a thread during a pull of {size} MiB (p99)"
    return summarize(name, "s", runs, machine("dockerspawner"), target=TARGET, of=p99)


def p99(figures: Any) -> float:
    ordered = sorted(figures)
    return float(ordered[int(0.99 * (len(ordered) - 1))])


async def _ours(slow: Slow) -> list[float]:
    engine = Engine(docker.APIClient)
    # A call that does nothing but say when its thread began.
    engine.client.begun = time.monotonic
    lanes: Mapping[str, str] = {**engine_client.LANES, "begun": engine_client.START}
    before, engine_client.LANES = engine_client.LANES, dict(lanes)
    try:
        return await _waits(engine.call, slow)
    finally:
        engine_client.LANES = before
        engine.close()


async def _stock(slow: Slow) -> list[float]:
    spawner = DockerSpawner()
    spawner.client.begun = time.monotonic

    async def call(method: str, *args: Any, **kwargs: Any) -> Any:
        return await spawner.docker(method, *args, **kwargs)

    return await _waits(call, slow)


def _stops_and_execs(servers: list[str], call: Call) -> list[Awaitable[Any]]:
    stops = [call("stop", name, timeout=GRACE) for name in servers[:STOPS]]
    return [*stops, *(_exec(call, name) for name in servers[STOPS:])]


def _pull(image: str, call: Call) -> list[Awaitable[Any]]:
    return [call("pull", image, tag=registry.TAG)]


async def _waits(call: Call, slow: Slow) -> list[float]:
    """Return how long each of the calls waited until its thread began; they end with the work."""
    work = asyncio.gather(*slow(call))

    async def wait() -> float:
        asked = time.monotonic()
        return max(0.0, await call("begun") - asked)

    waits = []
    while not work.done() and len(waits) < CALLS:
        await asyncio.sleep(EVERY)
        waits.append(asyncio.ensure_future(wait()))
    found = await asyncio.gather(*waits)
    await work
    return list(found)


async def _exec(call: Call, name: str) -> None:
    made = await call("exec_create", name, ["sleep", str(COMMAND)])
    await call("exec_start", made["Id"])
