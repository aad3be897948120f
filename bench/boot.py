"""What one server costs, from its container to ``1+1``: our image, and the one as pip makes it.

    python -m bench.boot                     ours and the peer, 15 of each in turn
    python -m bench.boot --image TAG         another image beside them, to see what a change did

No hub, proxy or spawner is in it: ``floor.py`` runs the containers. CPU-seconds are the
container's own, all of its processes together; a busy machine moves them less than it
moves the clock, and they are what a class that starts at once has to share.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import harness, stock_image
from bench.floor import Floor, FloorSeat
from bench.harness import OURS, PEER, Result, summarize
from cli.errors import Problem

NAME = "boot"

#: What our image may take of what the peer's takes.
SHARE = 0.30


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds since the container was asked for, and the CPU-seconds that it took until then."""

    ready: float
    usable: float
    cpu_ready: float
    cpu_usable: float


#: The rows of the result: what each is called, and its field of ``Cost``.
_ROWS = (
    ("container until ready", "s", "ready"),
    ("container until 1+1", "s", "usable"),
    ("CPU until ready", "CPU-s", "cpu_ready"),
    ("CPU until 1+1", "CPU-s", "cpu_usable"),
)


async def cost(seat: FloorSeat) -> Cost:
    """Start one server, use it, and end it."""
    began = time.monotonic()
    try:
        await seat.boot()
        ready = time.monotonic() - began
        cpu_ready = await seat.cpu()
        await seat.count()
        return Cost(ready, time.monotonic() - began, cpu_ready, await seat.cpu())
    finally:
        await seat.leave()


async def measure(images: Mapping[str, str], rounds: int) -> dict[str, list[Cost]]:
    """Return every start's cost by contender. ``images`` are their tags."""
    floors = {who: Floor(image) for who, image in images.items()}
    try:
        seats: dict[str, FloorSeat] = {}
        for who, floor in floors.items():
            await floor.open()
            [seats[who]] = await floor.seats(1)
            await cost(seats[who])  # not counted: the home is made and the page cache fills
        found: dict[str, list[Cost]] = {who: [] for who in images}
        for order in harness.turns(list(images), rounds):
            for who in order:
                found[who].append(await cost(seats[who]))
        return found
    finally:
        for floor in floors.values():
            floor.close()


def rows(found: Mapping[str, Sequence[Cost]]) -> list[Result]:
    """Return the result rows, with ``SHARE`` of the peer's median as the target."""
    machine = harness.machine()
    made = []
    for name, unit, field in _ROWS:
        runs = {who: [getattr(each, field) for each in costs] for who, costs in found.items()}
        target = SHARE * median(runs[PEER])
        made.append(summarize(name, unit, runs, machine, target=target))
    return made


def main() -> int:
    from engine import images
    from room.settings import Settings

    parser = argparse.ArgumentParser(prog="python -m bench.boot", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="starts of each (15)")
    parser.add_argument("--image", help="tag of another image to measure beside them")
    options = parser.parse_args()

    def say(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    settings = Settings()
    try:
        ours = images.ensure(settings, ["pytorch"], say)["pytorch"]
        tags = {OURS: ours, PEER: stock_image.ensure(settings, say)}
        if options.image:
            tags["other"] = options.image
        results = rows(asyncio.run(measure(tags, options.rounds)))
    except Problem as problem:
        problem.show()
        return 1
    say(f"wrote {harness.write(NAME, results)}")
    for result in results:
        middles = [f"{who} {median(figures):.2f}" for who, figures in result.runs.items()]
        print(f"{result.name}, {result.unit}: {', '.join(middles)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
