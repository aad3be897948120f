"""Where the dots, lines and bars of a rehearsal's plots are. Pure; a template draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10

from room.rehearsal.figures import CellFigures, Spread, spread
from room.rehearsal.model import Rehearsal

#: In the drawing's own units: it is 640 wide, so that its words can be read on a phone.
LEFT, RIGHT, TOP, BOTTOM = 84.0, 620.0, 26.0, 268.0
MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick of an axis, or a line across the plot: where, and what is written there.

    ``kind`` is for a line: p50, p95 or limit. ``end``: its words end there instead of beginning.
    """

    at: float
    text: str
    kind: str = ""
    end: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    kind: str


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Line:
    """``points`` as an SVG polyline has them."""

    points: str
    kind: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot; ``unit`` is of the axis of sizes, as it is written at its top."""

    unit: str
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    dots: tuple[Dot, ...] = ()
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    #: Lines from top to bottom, and from left to right.
    upright: tuple[Mark, ...] = ()
    level: tuple[Mark, ...] = ()


def ticks(most: float, count: int = 5) -> list[float]:
    """Return round numbers from 0 to at least ``most``, about so many."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / count
    power: float = 10.0 ** floor(log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough * 0.999)
    found = [0.0]
    while found[-1] < most * 0.999:
        found.append(round(found[-1] + step, 10))
    return found


@dataclass(frozen=True, slots=True)
class _Axis:
    """From figures to places: ``most`` is the last tick."""

    numbers: Sequence[float]
    begin: float
    end: float

    def __call__(self, figure: float) -> float:
        part = min(1.0, max(0.0, figure / self.numbers[-1]))
        return round(self.begin + part * (self.end - self.begin), 1)

    def marks(self) -> tuple[Mark, ...]:
        return tuple(Mark(self(number), f"{number:g}") for number in self.numbers)


def _across(most: float) -> _Axis:
    return _Axis(ticks(most), LEFT, RIGHT)


def _up(most: float) -> _Axis:
    return _Axis(ticks(most, 4), BOTTOM, TOP)


def unit_of(most: float) -> tuple[str, int]:
    """Return the unit in which sizes up to ``most`` bytes are written, and its bytes."""
    return ("GiB", GIB) if most >= GIB else ("MiB", MIB)


def starts(rehearsal: Rehearsal) -> Plot | None:
    """Everyone's start as two dots, the quickest first: ready, and usable."""
    begun = sorted(
        (each.start for each in rehearsal.students if each.start is not None),
        key=lambda start: start.usable,
    )
    if not begun:
        return None
    figures = spread(start.usable for start in begun)
    across, up = _across(max(start.usable for start in begun)), _up(len(begun))
    dots = [
        Dot(across(seconds), up(place), kind)
        for place, start in enumerate(begun, 1)
        for seconds, kind in ((start.ready, "ready"), (start.usable, "usable"))
    ]
    marks = _percentiles(figures, across)
    return Plot("", across.marks(), up.marks(), dots=tuple(dots), upright=marks)


def _percentiles(figures: Spread | None, axis: _Axis) -> tuple[Mark, ...]:
    if figures is None:
        return ()
    half = (axis.begin + axis.end) / 2
    return tuple(
        Mark(axis(seconds), f"{name} {seconds:.1f} s", name, end=axis(seconds) > half)
        for seconds, name in ((figures.p50, "p50"), (figures.p95, "p95"))
    )


def memory(rehearsal: Rehearsal) -> Plot | None:
    """What all students' servers held together while it went on, and what there is for them."""
    host, looks = rehearsal.host, rehearsal.looks
    if not looks:
        return None
    limit = max(0, host.available - host.reserve)
    most = max(limit, *(look.students for look in looks))
    unit, size = unit_of(most)
    across, up = _across(looks[-1].at), _up(most / size)
    line = _line(((look.at, look.students / size) for look in looks), across, up, "students")
    level = (Mark(up(limit / size), f"{limit / size:.3g} {unit}", "limit"),)
    return Plot(unit, across.marks(), up.marks(), lines=(line,), level=level)


def busy(rehearsal: Rehearsal) -> Plot | None:
    """How much of the host's cores computed, in percent."""
    looks = rehearsal.looks
    if not looks:
        return None
    across, up = _across(looks[-1].at), _Axis([0.0, 25.0, 50.0, 75.0, 100.0], BOTTOM, TOP)
    line = _line(((look.at, 100 * look.busy) for look in looks), across, up, "busy")
    return Plot("%", across.marks(), up.marks(), lines=(line,))


def _line(points: Iterable[tuple[float, float]], across: _Axis, up: _Axis, kind: str) -> Line:
    return Line(" ".join(f"{across(x)},{up(y)}" for x, y in points), kind)


def peaks(rehearsal: Rehearsal) -> Plot | None:
    """Each student's most memory as a bar, and the part of it that was shared memory."""
    found = [each for each in rehearsal.students if each.peaks.memory is not None]
    if not found:
        return None
    limit = rehearsal.limits.memory
    most = max(limit, *(each.peaks.memory or 0 for each in found))
    unit, size = unit_of(most)
    up = _up(most / size)
    bars: list[Bar] = []
    for place, each in enumerate(found):
        bars.append(_bar(place, len(found), (each.peaks.memory or 0) / size, up, "memory"))
        if each.peaks.shm:
            bars.append(_bar(place, len(found), each.peaks.shm / size, up, "shm"))
    level = (Mark(up(limit / size), f"{limit / size:.3g} {unit}", "limit"),) if limit else ()
    return Plot(unit, _numbers(len(found), lambda place: found[place].number), up.marks(),
                bars=tuple(bars), level=level)  # fmt: skip


def cells(figures: Sequence[CellFigures]) -> Plot | None:
    """Each cell's time as a bar: the middle student's, and behind it the one of 95 in 100."""
    known = [each.seconds for each in figures if each.seconds is not None]
    if not known:
        return None
    up = _up(max(each.p95 for each in known))
    bars = [
        _bar(place, len(figures), seconds, up, kind)
        for place, each in enumerate(figures)
        if each.seconds is not None
        for seconds, kind in ((each.seconds.p95, "p95"), (each.seconds.p50, "p50"))
    ]
    across = _numbers(len(figures), lambda place: figures[place].number)
    return Plot("s", across, up.marks(), bars=tuple(bars))


def _bar(place: int, count: int, figure: float, up: _Axis, kind: str) -> Bar:
    step = (RIGHT - LEFT) / count
    width = min(48.0, step * 0.7)
    middle = LEFT + (place + 0.5) * step
    top = up(figure)
    return Bar(round(middle - width / 2, 1), top, round(width, 1), round(BOTTOM - top, 1), kind)


def _numbers(count: int, number: Callable[[int], int]) -> tuple[Mark, ...]:
    """Number the bars; of many only some, that no number is on another."""
    step, every = (RIGHT - LEFT) / count, -(-count // 15)
    return tuple(
        Mark(round(LEFT + (place + 0.5) * step, 1), str(number(place)))
        for place in range(0, count, every)
    )
