"""What many students' figures come to: percentiles, stages, cells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from room.rehearsal.model import Rehearsal, Student

#: A start's stages that take time, in their order.
STAGES = ("checking", "gpu", "home", "turn", "creating", "booting")


@dataclass(frozen=True, slots=True)
class Spread:
    """Figures of several students: the middle one, the one that 95 of 100 stay below, the most.

    Each is one that was measured: of few students the last two are the same.
    """

    count: int
    p50: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class CellFigures:
    """One cell of the lesson, over all who ran it."""

    number: int
    title: str
    seconds: Spread | None
    failed: int
    #: What it said first to whom it failed.
    error: str = ""


def spread(figures: Iterable[float | None]) -> Spread | None:
    """Return what figures come to; None: there are none. Who has none is left out."""
    found = sorted(figure for figure in figures if figure is not None)
    if not found:
        return None
    return Spread(len(found), quantile(found, 0.5), quantile(found, 0.95), found[-1])


def quantile(ordered: Sequence[float], part: float) -> float:
    """Return the least of the figures that so great a part of them do not exceed."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def starts(students: Iterable[Student]) -> list[tuple[str, Spread]]:
    """Return how long each stage took those who came through it, in the stages' order."""
    begun = [each.start for each in students if each.start is not None]
    found = ((stage, spread(start.stages.get(stage) for start in begun)) for stage in STAGES)
    return [(stage, figures) for stage, figures in found if figures is not None]


def cells(rehearsal: Rehearsal) -> list[CellFigures]:
    """Return each cell of the lesson with its times and failures."""
    found = []
    for place, title in enumerate(rehearsal.cells):
        ran = [each.cells[place] for each in rehearsal.students if len(each.cells) > place]
        errors = [cell.error for cell in ran if cell.error]
        seconds = spread(cell.seconds for cell in ran)
        found.append(CellFigures(place + 1, title, seconds, len(errors), next(iter(errors), "")))
    return found
