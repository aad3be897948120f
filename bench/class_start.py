"""One start, and a class's start at once: ours, stock DockerSpawner, and no hub at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import harness
from bench.harness import LIMIT, OURS, PEER, Result, summarize
from bench.seats import Contender, Seat, Times
from cli.errors import Problem

NAME = "class_start"

#: Targets, in multiples of the floor: what a hub may cost on top of the boot itself.
ONE, MANY = 1.15, 1.2

#: After each way the machine comes to rest, in seconds.
REST = 2.0


@dataclass(slots=True)
class Storm:
    """One class's start: the times of who got a server, and the words to who did not."""

    times: list[Times] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def measure(
    contenders: Sequence[Contender],
    *,
    singles: int,
    storms: int,
    students: int,
    say: Callable[[str], None],
) -> list[Result]:
    """Run the benchmark and return its rows. Everything that was started is removed again."""
    machine = harness.machine("jupyterhub", "dockerspawner", "torchroom")
    try:
        ones, many = asyncio.run(_measure(contenders, singles, storms, students, say))
    finally:
        for contender in contenders:
            say(f"closing {contender.key}")
            try:
                contender.close()
            except Problem as problem:
                say(f"{contender.key} was not closed: {problem.message}")
    return rows(ones, many, students, machine)


async def _measure(
    contenders: Sequence[Contender],
    singles: int,
    storms: int,
    students: int,
    say: Callable[[str], None],
) -> tuple[Mapping[str, list[Times]], Mapping[str, list[Storm]]]:
    seats: dict[str, list[Seat]] = {}
    for contender in contenders:
        say(f"opening {contender.key}")
        await contender.open()
        seats[contender.key] = await contender.seats(students)
    ones: dict[str, list[Times]] = {key: [] for key in seats}
    many: dict[str, list[Storm]] = {key: [] for key in seats}
    # Not counted: homes are made and the page cache fills. A class starts on other days too.
    for key in seats:
        storm = await _storm(seats[key])
        say(f"warming up {key}: {_told(storm)}")
    for order in harness.turns(list(seats), singles):
        for key in order:
            storm = await _storm(seats[key][:1])
            ones[key] += storm.times
            say(f"one start, {key}: {_told(storm)}")
    for order in harness.turns(list(seats), storms):
        for key in order:
            storm = await _storm(seats[key])
            many[key].append(storm)
            say(f"{students} starts, {key}: {_told(storm)}")
    return ones, many


async def _storm(seats: Sequence[Seat]) -> Storm:
    """Let everyone go at once, and everyone leave."""
    storm = Storm()
    for ended in await asyncio.gather(*(seat.go() for seat in seats), return_exceptions=True):
        if isinstance(ended, Times):
            storm.times.append(ended)
        elif isinstance(ended, Problem):
            storm.failures.append(ended.message)
        else:
            raise ended
    await asyncio.gather(*(seat.leave() for seat in seats))
    await asyncio.sleep(REST)
    return storm


def _told(storm: Storm) -> str:
    parts = []
    if storm.times:
        last = max(times.usable for times in storm.times)
        parts.append(f"last ready {max(t.ready for t in storm.times):.2f} s, 1+1 {last:.2f} s")
    if storm.failures:
        parts.append(f"{len(storm.failures)} failed: {storm.failures[0]}")
    return "; ".join(parts)


def rows(
    ones: Mapping[str, Sequence[Times]],
    many: Mapping[str, Sequence[Storm]],
    students: int,
    machine: Mapping[str, Any],
) -> list[Result]:
    """Return the result rows: the times of those who got there, and how many did not."""

    def storms(figure: Callable[[Sequence[Times]], float]) -> dict[str, list[float]]:
        return {who: [figure(s.times) for s in many[who] if s.times] for who in many}

    at_once = f"{students} at once"
    failed = {who: [float(len(s.failures)) for s in many[who]] for who in many}
    # The floor's ready time holds no readiness check, its usable time no OAuth and no proxy.
    return [
        summarize(
            "one start, until ready",
            "s",
            {who: [t.ready for t in ones[who]] for who in ones},
            machine,
            times_limit=ONE,
        ),
        summarize(
            "one start, until 1+1",
            "s",
            {who: [t.usable for t in ones[who]] for who in ones},
            machine,
            times_limit=ONE,
        ),
        summarize(
            f"{at_once}, median student until 1+1",
            "s",
            storms(lambda times: median(t.usable for t in times)),
            machine,
            times_limit=MANY,
        ),
        summarize(
            f"{at_once}, last student until 1+1",
            "s",
            storms(lambda times: max(t.usable for t in times)),
            machine,
            times_limit=MANY,
        ),
        summarize(
            f"{at_once}, left without a server in the worst run",
            "students",
            failed,
            machine,
            target=0.0,
            of=max,
        ),
    ]


def contenders(images: Mapping[str, str], engine_socket: Path) -> list[Contender]:
    """Return ours, the peer and the floor, on the same images."""
    from bench.floor import Floor
    from bench.stacks import Ours, Stock

    made: list[Contender] = [Ours(), Stock(images, engine_socket), Floor(images["pytorch"])]
    assert [contender.key for contender in made] == [OURS, PEER, LIMIT]
    return made
