"""As many students as there are free GPUs, and one more: nobody shares, and the last one waits."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from cli.errors import Problem
from cli.lesson import Verdict
from cli.smokeway import Guest, Report, Room
from room.models import Inventory, Lease

T = TypeVar("T")

#: Printed by a kernel: the GPUs that the room says it leased, and the device nodes there are.
_PROBE = """
import glob, json, os
print(json.dumps({
    "uuids": os.environ.get("ROOM_GPU_UUIDS", ""),
    "nodes": sorted(glob.glob("/dev/nvidia[0-9]*")),
}))
"""

#: What no person may read: a class's name, a traceback, a status code.
_NOT_WORDS = re.compile(r"Exception|Traceback|\b[45]\d\d\b|<[a-z]+")


def free_units(inventory: Inventory, leases: Iterable[Lease], guests: Sequence[str]) -> list[str]:
    """Return the UUIDs that no one but a guest of ours holds."""
    taken = {unit for lease in leases if lease.owner.user not in guests for unit in lease.units}
    return [unit.uuid for unit in inventory.units if unit.uuid not in taken]


def judge_distinct(got: Sequence[str], free: Sequence[str]) -> Verdict:
    """Say whether every student has one GPU, no two the same, and all of the free ones."""
    words = f"{len(got)} students, {len(set(got))} different GPUs"
    if len(set(got)) != len(got):
        twice = sorted({uuid for uuid in got if got.count(uuid) > 1})
        return Verdict(False, f"{words}: {', '.join(twice)} has two", "Stop all servers: room down")
    if set(got) != set(free):
        strange = ", ".join(sorted(set(got) ^ set(free)))
        return Verdict(False, f"{words}, but not the free ones: {strange}", "room status")
    return Verdict(True, words)


def judge_waiting(words: str) -> Verdict:
    """Say whether who waits is told for what, and as a person."""
    if not re.search(r"\bGPUs?\b", words) or _NOT_WORDS.search(words):
        return Verdict(False, f"who waits is not told what for: {words}")
    return Verdict(True, words)


async def check(room: Room, names: Sequence[str], free: Sequence[str], report: Report) -> None:
    """Let a student a GPU come in, and one more. ``names`` has one more than ``free``."""
    guests = [Guest(room, name) for name in names]
    try:
        await _check(room, guests, free, report)
    except Problem as problem:
        report.problem = problem
    finally:
        with report.step("Cleaning up"):
            await _together(guest.leave(report) for guest in guests)


async def _check(room: Room, guests: Sequence[Guest], free: Sequence[str], report: Report) -> None:
    first, last = guests[:-1], guests[-1]
    options = {"profile": room.profile}
    with report.step(f"Logging in {len(guests)} students"):
        servers = await _together(guest.enter() for guest in guests)
    with report.step(f"Starting {len(first)} servers at once, profile {room.profile}"):
        await _together(server.ready(options) for server in servers[:-1])
    with report.step("Comparing their GPUs") as current:
        got = await _together(_gpu_of(server) for server in servers[:-1])
        current.note = judge_distinct(got, free).demand()
    with report.step(f"Asking for one more, as {last.name}") as current:
        coming = servers[-1].start(options)
        current.note = judge_waiting(await _place(servers[-1], coming)).demand()
    with report.step(f"{first[0].name} leaves {got[0]}"):
        await servers[0].stop()
    with report.step(f"Starting {last.name} on it") as current:
        async for _stage in coming:
            pass
        uuid = await _gpu_of(servers[-1])
        if uuid != got[0]:
            raise Problem(f"{last.name} got {uuid}, not {got[0]}, which had become free.")
        current.note = uuid


async def _gpu_of(server: Any) -> str:
    """Return the UUID of the one GPU in a server, as its own kernel sees it."""
    await server.open()
    async with server.kernel() as kernel:
        found = json.loads((await kernel.execute(_PROBE)).stdout)
    uuids = [uuid for uuid in found["uuids"].split(",") if uuid]
    if len(uuids) != 1 or len(found["nodes"]) != 1:
        raise Problem(
            f"The server of {server.student.name} has {len(uuids)} leased GPUs and "
            f"{len(found['nodes'])} GPU device nodes; its profile promises one of each.",
            "Compare nvidia-smi -L with the state's inventory.json: room doctor",
        )
    return str(uuids[0])


async def _place(server: Any, coming: AsyncIterator[Any]) -> str:
    """Return the words that say the place in the queue, once the start waits in it."""
    async for stage in coming:
        if stage.event.get("waiting"):
            return str(stage.message)
    raise Problem(f"{server.student.name} got a server although every GPU is leased.")


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all of ``work`` at once, wait for every one, then raise the first problem, if any.

    Nothing is left running when a problem is told: cleaning up needs quiet.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    problem = next((r for r in results if isinstance(r, BaseException)), None)
    if problem is not None:
        raise problem
    return [result for result in results if not isinstance(result, BaseException)]
