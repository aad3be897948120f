"""One start, and a class's start at once: ours, stock DockerSpawner, and no hub at all.

Stock is there twice: with the image as pip installs it, and with ours, so that what the image
gains and what the hub gains are two bars.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import bars, harness
from bench.harness import LIMIT, OURS, PEER, SAME_IMAGE, Result, summarize
from bench.seats import Contender, Seat, Times
from cli.errors import Problem

NAME = "class_start"

#: What one start may take, of stock's median and of the floor's.
ONE_OF_PEER, ONE_OF_FLOOR = 0.30, 1.4
#: What a class's last start may take, of stock's, and of what the cores need for that many.
MANY_OF_PEER, MANY_OF_CORES = 0.40, 1.2

#: After each way the machine comes to rest, in seconds.
REST = 2.0


@dataclass(slots=True)
class Storm:
    """One class's start: the times of who got a server, and the words to who did not."""

    times: list[Times] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    #: CPU-seconds that the whole machine spent until the last was usable.
    cpu: float = 0.0


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
    made = rows(ones, many, students, machine)
    for result in made:
        bars.draw(harness.RESULTS / f"{NAME}-{bars.file_name(result.name)}.svg", result)
    return made


async def _measure(
    contenders: Sequence[Contender],
    singles: int,
    storms: int,
    students: int,
    say: Callable[[str], None],
) -> tuple[Mapping[str, list[Storm]], Mapping[str, list[Storm]]]:
    seats: dict[str, list[Seat]] = {}
    for contender in contenders:
        say(f"opening {contender.key}")
        await contender.open()
        seats[contender.key] = await contender.seats(students)
    ones: dict[str, list[Storm]] = {key: [] for key in seats}
    many: dict[str, list[Storm]] = {key: [] for key in seats}
    # Not counted: homes are made and the page cache fills. A class starts on other days too.
    for key in seats:
        storm = await _storm(seats[key])
        say(f"warming up {key}: {_told(storm)}")
    for order in harness.turns(list(seats), singles):
        for key in order:
            storm = await _storm(seats[key][:1])
            ones[key].append(storm)
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
    before = harness.busy_seconds()
    everyone = await asyncio.gather(*(seat.go() for seat in seats), return_exceptions=True)
    storm.cpu = harness.busy_seconds() - before
    for ended in everyone:
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
    ones: Mapping[str, Sequence[Storm]],
    many: Mapping[str, Sequence[Storm]],
    students: int,
    machine: Mapping[str, Any],
) -> list[Result]:
    """Return the result rows: the times of those who got there, and how many did not."""

    def figures(
        runs: Mapping[str, Sequence[Storm]], figure: Callable[[Storm], float]
    ) -> dict[str, list[float]]:
        return {who: [figure(run) for run in runs[who] if run.times] for who in runs}

    at_once = f"{students} at once"
    usable = figures(ones, lambda run: run.times[0].usable)
    cpu = figures(ones, lambda run: run.cpu)
    last = figures(many, lambda run: max(times.usable for times in run.times))
    middle = figures(many, lambda run: median(times.usable for times in run.times))
    failed = {who: [float(len(run.failures)) for run in many[who]] for who in many}
    needed = [students * seconds / machine["cores"] for seconds in cpu[OURS]]
    # The floor's ready time holds no readiness check, its usable time no OAuth and no proxy.
    return [
        summarize(
            "one start, until ready", "s", figures(ones, lambda run: run.times[0].ready), machine
        ),
        summarize(
            "one start, until 1+1",
            "s",
            usable,
            machine,
            target=_least((ONE_OF_PEER, usable[PEER]), (ONE_OF_FLOOR, usable[LIMIT])),
        ),
        summarize("one start, CPU of the whole machine until 1+1", "CPU-s", cpu, machine),
        summarize(f"{at_once}, median student until 1+1", "s", middle, machine),
        summarize(
            f"{at_once}, last student until 1+1",
            "s",
            last,
            machine,
            target=_least((MANY_OF_PEER, last[PEER]), (MANY_OF_CORES, needed)),
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


def _least(*bounds: tuple[float, Sequence[float]]) -> float | None:
    """Return the least of shares of medians; None when there are none."""
    return min((share * median(runs) for share, runs in bounds if runs), default=None)


def contenders(images: Mapping[str, str], stock_image: str, engine_socket: Path) -> list[Contender]:
    """Return ours, stock with pip's image and with ours, and the floor of ours."""
    from bench.floor import Floor
    from bench.stacks import Ours, Stock

    made: list[Contender] = [
        Ours(),
        Stock(images, engine_socket, stock_image),
        Stock(images, engine_socket, key=SAME_IMAGE),
        Floor(images["pytorch"]),
    ]
    assert [contender.key for contender in made] == [OURS, PEER, SAME_IMAGE, LIMIT]
    return made
