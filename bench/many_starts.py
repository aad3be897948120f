"""A hundred students, and three hundred, start at the same moment: stub servers, real containers.

What is measured is hub and engine: a stub's boot costs next to nothing (``stub_hubs``). Each
contender gets a hub of its own for each size, one after the other.

    python -m bench many_starts
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.harness import OURS, PEER, Result, machine, summarize, turns
from bench.stub_hubs import Starts, StubHub

NAME = "many_starts"
SIZES = (100, 300)
#: Of what went wrong, so many different words are told.
SAID = 3


def measure(
    images: Mapping[str, str], say: Callable[[str], None], *, sizes: Sequence[int] = SIZES
) -> list[Result]:
    """Run the benchmark and return its rows. Everything that was started is removed again."""
    at = machine("jupyterhub", "dockerspawner", "torchroom")
    found: dict[int, dict[str, Starts]] = {}
    for size, order in zip(sizes, turns((OURS, PEER), len(sizes)), strict=True):
        found[size] = {}
        for key in order:
            with StubHub(key, images) as hub:
                users = [f"student{number}" for number in range(size)]
                hub.add(users)
                starts = hub.start(users)
            found[size][key] = starts
            say(
                f"{key}: of {size} at once {len(starts.ready)} got a server, "
                f"{len(starts.refused)} were refused, {len(starts.failed)} failed; "
                f"the last after {max(starts.ready, default=0):.1f} s"
            )
            for words in sorted(set(starts.refused + starts.failed))[:SAID]:
                say(f"{key}: {words}")
    return [row for size, starts in found.items() for row in rows(size, starts, at)]


def rows(size: int, starts: Mapping[str, Starts], at: Mapping[str, Any]) -> list[Result]:
    """Return the rows of one size: who got nothing, and when the others could begin."""

    def row(name: str, unit: str, take: Callable[[Starts], list[float]], **more: Any) -> Result:
        runs = {key: take(each) for key, each in starts.items()}
        return summarize(f"{size} stubs at once, {name}", unit, runs, at, **more)

    return [
        row("refused", "", lambda s: [float(len(s.refused))], target=0),
        row("failed", "", lambda s: [float(len(s.failed))], target=0),
        row("seconds of the median of who got one", "s", lambda s: s.ready),
        row("seconds of the last who got one", "s", lambda s: s.ready, of=max),
    ]
