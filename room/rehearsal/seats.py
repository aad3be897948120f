"""How many students a host holds, by what one of them took: memory, cores, GPUs. Pure.

Every student is reckoned as the one who took most, and all of them to be at their most at once: a
class presses Run together. Memory and GPUs are bounds that nobody gets past. Cores are none: with
more students than those everything goes on, and takes longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from room.rehearsal.figures import spread
from room.rehearsal.model import Host, Rehearsal
from room.said import Said, said
from room.values import readable_size as size

Resource = Literal["memory", "gpus", "gpu-memory", "cpu"]


@dataclass(frozen=True, slots=True)
class Bound:
    """So many seats one resource holds, and how that was reckoned. ``hard``: no seat beyond."""

    resource: Resource
    seats: int
    words: str
    hard: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """What one student is reckoned to need. ``memory`` and ``gpu`` in bytes.

    ``files``: the cache of files that all of them used together. ``cores``: while the lesson runs.
    None: it was not measured.
    """

    memory: int | None
    files: int = 0
    gpu: int | None = None
    cores: float | None = None


@dataclass(frozen=True, slots=True)
class Seats:
    """What a host holds. ``count``: by the first bound there is; None: nothing was measured."""

    count: int | None
    first: Bound | None
    bounds: tuple[Bound, ...]
    #: How many students were measured at once: what is beyond is reckoned, and was not tried.
    measured: int

    @property
    def beyond(self) -> int:
        return max(0, (self.count or 0) - self.measured)


def seats(rehearsal: Rehearsal) -> Seats:
    """Return how many seats the rehearsal's host holds."""
    measured = sum(each.start is not None for each in rehearsal.students)
    return hold(rehearsal.host, need(rehearsal), measured)


def need(rehearsal: Rehearsal) -> Need:
    """Return what one student needs, by those who were measured."""
    students = rehearsal.students
    memory = spread(each.peaks.memory for each in students)
    gpu = spread(each.peaks.gpu for each in students)
    cpu = spread(each.cpu for each in students if each.fine and each.lesson > 0)
    took = spread(each.lesson for each in students if each.fine and each.lesson > 0)
    lasts = rehearsal.lesson or (took.p50 if took else 0.0)
    return Need(
        None if memory is None else int(memory.most),
        max((look.files for look in rehearsal.looks), default=0),
        None if gpu is None else int(gpu.most),
        cpu.p50 / lasts if cpu and lasts else None,
    )


def hold(host: Host, need: Need, measured: int = 0) -> Seats:
    """Return how many seats a host holds for students who need so much each."""
    bounds = [
        each
        for each in (by_memory(host, need), by_gpus(host), by_gpu_memory(host, need))
        if each is not None
    ]
    first = min(bounds, key=lambda each: each.seats, default=None)
    cores = by_cpu(host, need)
    told = (*bounds, cores) if cores is not None else tuple(bounds)
    return Seats(first.seats if first else None, first, told, measured)


def by_memory(host: Host, need: Need) -> Bound | None:
    """The last server to start needs its headroom, if that is more than it takes itself."""
    if not need.memory:
        return None
    free = max(0, host.available - host.reserve - need.files)
    last = max(need.memory, host.headroom)
    count = 0 if free < last else (free - last) // need.memory + 1
    words = said(
        "%(available)s were free before, %(reserve)s are the host's own and %(files)s are files "
        "that all use together, which leaves %(free)s; a student took up to %(each)s, with shared "
        "memory.",
        available=size(host.available),
        reserve=size(host.reserve),
        files=size(need.files),
        free=size(free),
        each=size(need.memory),
    )
    if host.headroom > need.memory:
        more = said(
            "A server starts only while %(headroom)s are free for it.", headroom=size(host.headroom)
        )
        words = _sentences(words, more)
    return Bound("memory", int(count), words)


def by_gpus(host: Host) -> Bound | None:
    if not host.gpus_each:
        return None
    words = said(
        "There are %(units)s GPU units of the profile's kind, and a server gets %(each)s; who "
        "comes later waits.",
        units=host.gpus,
        each=host.gpus_each,
    )
    return Bound("gpus", host.gpus // host.gpus_each, words)


def by_gpu_memory(host: Host, need: Need) -> Bound | None:
    """Seats of one card share its memory. Where each has a card of its own this binds nobody."""
    if not host.gpus_each or not need.gpu or not host.gpu_memory or host.cards >= host.gpus:
        return None
    each_card = host.gpu_memory // need.gpu
    words = said(
        "A card has %(memory)s, and a student took up to %(each)s of it; there are %(cards)s "
        "cards.",
        memory=size(host.gpu_memory),
        each=size(need.gpu),
        cards=host.cards,
    )
    return Bound("gpu-memory", each_card * host.cards, words)


def by_cpu(host: Host, need: Need) -> Bound | None:
    if not need.cores:
        return None
    words = said(
        "A student kept %(each)s cores busy on average, and the host has %(cores)s. With more "
        "students the lesson goes on, and takes longer.",
        each=f"{need.cores:.2g}",
        cores=host.cores,
    )
    return Bound("cpu", int(host.cores / need.cores), words, hard=False)


def verdict(found: Seats) -> Said:
    """Say how many seats the host holds, what is reckoned of it, and what slows it down."""
    if found.count is None or found.first is None:
        return said("How many seats the host holds could not be reckoned: nothing was measured.")
    told = said(
        "The host holds %(count)s seats. What runs out first: %(what)s.",
        count=found.count,
        what=RESOURCES[found.first.resource],
    )
    if found.beyond:
        more = said(
            "%(measured)s were measured; the %(beyond)s beyond are reckoned, and were not tried.",
            measured=found.measured,
            beyond=found.beyond,
        )
        told = _sentences(told, more)
    slow = next((each for each in found.bounds if not each.hard), None)
    if slow is not None and slow.seats < found.count:
        more = said("From %(seats)s on the cores are busy, and it goes slower.", seats=slow.seats)
        told = _sentences(told, more)
    return told


def _sentences(first: str, second: str) -> Said:
    return said("%(first)s %(second)s", first=first, second=second)


RESOURCES: dict[Resource, Said] = {
    "memory": said("memory"),
    "gpus": said("GPUs"),
    "gpu-memory": said("the GPUs' memory"),
    "cpu": said("CPU cores"),
}


def order(bounds: Sequence[Bound]) -> list[Bound]:
    """Return the bounds, the first to bind first."""
    return sorted(bounds, key=lambda each: each.seats)
