"""A whole rehearsal: guests come in, do the lesson, are watched, and are taken away again."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import context, hubapi, steps
from cli.errors import Problem
from cli.people import actor
from cli.rehearsal import clearing
from cli.rehearsal.clearing import Record
from cli.rehearsal.watch import EVERY, HostCounters, Watch
from cli.rehearsal.way import Lesson, Way
from room import guests as names
from room.rehearsal import guests
from room.rehearsal.model import Host, Rehearsal

if TYPE_CHECKING:
    from room.gpus.requests import GPURequest
    from room.settings import Settings
    from room.store import Store

#: Seconds between two looks at the GPUs, as often as the agent looks at them; and at how far it is.
GPUS_EVERY, SAY_EVERY = 2.0, 1.0
#: Seconds that a student's request may take: a class asks all at once.
REQUEST = 120.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be rehearsed. ``request``: the GPUs that the profile asks for.

    ``spread``: seconds over which the students come. ``lasts``: seconds that the class will work
    on the lesson; 0: as long as here.
    """

    class_name: str
    students: int
    profile: str
    request: GPURequest | None
    datasets: tuple[str, ...]
    lesson: Lesson
    spread: float = 0.0
    lasts: float = 0.0
    others: int = 0


async def rehearse(
    settings: Settings, store: Store, ca_file: Path | None, directory: Path, wanted: Wanted
) -> Rehearsal:
    """Rehearse, and take everything away again, whatever happens. ``directory`` is locked."""
    await tidy(settings, store, directory)
    record = Record(wanted.class_name, names.logins(wanted.students))
    clearing.unused(settings, record.logins)
    host = await _host(wanted)
    clearing.write(directory, record)
    try:
        with steps.step(f"Letting {wanted.students} students into {wanted.class_name}"):
            tokens = guests.invite(store, wanted.class_name, record.logins, actor())
        said = {login: str(token) for login, token in tokens.items()}
        return await _watched(settings, ca_file, wanted, host, said)
    finally:
        await _clear(settings, store, directory, record)


async def tidy(settings: Settings, store: Store, directory: Path) -> None:
    """Take away what an earlier rehearsal did not come to."""
    record = clearing.left_behind(directory)
    if record is not None:
        await _clear(settings, store, directory, record, "Tidying up after an earlier rehearsal")


async def _clear(
    settings: Settings,
    store: Store,
    directory: Path,
    record: Record,
    title: str = "Taking the students away again",
) -> None:
    with steps.step(title):
        left = await clearing.clear(settings, store, directory, record)
        if left:
            raise Problem(
                "Not everything of the rehearsal could be taken away:\n"
                + "\n".join(f"  {each}" for each in left[:10]),
                "The next room rehearse tries again first; room status shows what runs.",
            )


async def _host(wanted: Wanted) -> Host:
    """Return what the host has before anybody comes."""
    from room.gpus import inventory

    settings = context.settings()
    memory = HostCounters().memory()
    read = inventory.file_reader(settings.data_root / "state" / "inventory.json")
    units = [each for each in read().units if wanted.request and wanted.request.takes(each)]
    well = await _well() if units else frozenset()
    units = [each for each in units if each.uuid in well]
    cards: Counter[str] = Counter()
    for each in units:
        cards[each.device] += each.memory_mib * 1024**2
    simulated = any(each.simulated for each in units)
    return Host(
        cores=os.cpu_count() or 1,
        memory=memory.total,
        available=memory.available,
        reserve=settings.host.memory_reserve,
        headroom=settings.host.memory_headroom,
        gpus=len(units),
        gpus_each=wanted.request.count if wanted.request else 0,
        gpu_memory=0 if simulated else min(cards.values(), default=0),
        cards=0 if simulated else len(cards),
        simulated=simulated,
    )


async def _well() -> frozenset[str]:
    """Return the GPU units that the hub gives out."""
    told = await hubapi.ask("The state of the GPUs", "GET", "gpus")
    return frozenset(unit["uuid"] for unit in told["units"] if unit["health"] == "ok")


async def _watched(
    settings: Settings,
    ca_file: Path | None,
    wanted: Wanted,
    host: Host,
    tokens: dict[str, str],
) -> Rehearsal:
    from cli.student import Student, Timeouts

    # The hub's own limit comes first, and says why.
    start = settings.gpus.queue.give_up + 2 * settings.limits.boot_timeout + REQUEST
    patience = Timeouts(request=REQUEST, start=start, stop=clearing.PATIENCE)
    at, began = datetime.now(timezone.utc), time.monotonic()
    with Watch(settings, tokens) as watch:
        ways = {
            login: Way(
                number,
                Student(settings.address, ca_file=ca_file, timeouts=patience),
                wanted.lesson,
                _options(wanted),
                lambda login=login: watch.cpu(login),
            )
            for number, login in enumerate(tokens, 1)
        }
        await _all(ways, tokens, wanted, watch, gpus=bool(host.gpus) and not host.simulated)
        # What is left of the last look is in the figures before the servers go.
        found = tuple(way.result(watch.peaks(login)) for login, way in ways.items())
        looks, limits = watch.looks(), watch.limits
    return Rehearsal(
        id=f"{at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        class_name=wanted.class_name,
        at=at,
        seconds=round(time.monotonic() - began, 1),
        profile=wanted.profile,
        notebook=wanted.lesson.path,
        spread=wanted.spread,
        cells=tuple(map(_title, max((way.code for way in ways.values()), key=len))),
        students=found,
        host=host,
        limits=limits,
        looks=looks,
        datasets=wanted.datasets,
        sampled=EVERY,
        lesson=wanted.lasts,
        others=wanted.others,
    )


def _options(wanted: Wanted) -> dict[str, Any]:
    chosen = {"datasets": list(wanted.datasets)} if wanted.datasets else {}
    return {"profile": wanted.profile, **chosen}


def _title(cell: str) -> str:
    """Return the first line of a cell that says something."""
    lines = [line.strip() for line in cell.splitlines()]
    return next((line for line in lines if line), "")[:80]


async def _all(
    ways: dict[str, Way], tokens: dict[str, str], wanted: Wanted, watch: Watch, *, gpus: bool
) -> None:
    """Let everyone go, and look on. A class's servers are there together until the last is done.

    Who has a GPU leaves when done: others may wait for it.
    """
    done, rest = asyncio.Event(), len(ways)

    async def go(login: str, way: Way, delay: float) -> None:
        async def stay() -> None:
            nonlocal rest
            rest -= 1
            if not rest:
                done.set()
            if wanted.request is not None:
                await way.leave()
            else:
                await done.wait()

        await way.go(tokens[login], delay, stay)

    title = f"Rehearsing {wanted.lesson.path} with {len(ways)} students, profile {wanted.profile}"
    with steps.step(title) as current:
        beside = [asyncio.ensure_future(_tell(current.say, list(ways.values())))]
        if gpus:
            beside.append(asyncio.ensure_future(_look_at_gpus(watch)))
        try:
            await asyncio.gather(
                *(
                    go(login, way, wanted.spread * place / max(1, len(ways) - 1))
                    for place, (login, way) in enumerate(ways.items())
                )
            )
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            for way in ways.values():
                await way.student.http.aclose()


async def _tell(say: Callable[[str], None], ways: Sequence[Way]) -> None:
    """Say how many are where, when that has changed."""
    said = ""
    while True:
        places = Counter(way.at for way in ways)
        words = ", ".join(f"{count} {at}" for at, count in places.most_common())
        if words != said:
            say(words)
        said = words
        await asyncio.sleep(SAY_EVERY)


async def _look_at_gpus(watch: Watch) -> None:
    while True:
        # A hub that starts anew is asked again.
        with suppress(Problem):
            watch.note_gpus((await hubapi.ask("The use of the GPUs", "GET", "gpus"))["units"])
        await asyncio.sleep(GPUS_EVERY)
