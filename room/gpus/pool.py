"""Units, free and leased, and which of them a request gets."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from room.gpus.events import NEVER
from room.gpus.requests import GPURequest
from room.models import GPUUnit


class _Alike(NamedTuple):
    """What makes two units as good as each other for any request."""

    memory_mib: int
    model: str
    kind: str
    mig_profile: str
    host: str


@dataclass(slots=True)
class _Group:
    """Units that are alike. ``free`` is sorted: the lowest index is given out first."""

    units: dict[str, GPUUnit] = field(default_factory=dict)
    free: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Units that a request which cannot start yet will get at ``at``, in seconds."""

    at: float
    units: frozenset[str]

    def delayed_by(self, unit: str, until: float) -> bool:
        """Say whether leasing ``unit`` until then would make the request wait longer."""
        return unit in self.units and until > self.at


class Pool:
    """The units of all hosts. A unit that is not usable stays known, and is never given out."""

    def __init__(self) -> None:
        self.units: dict[str, GPUUnit] = {}
        self.free_count = 0
        self._leased: set[str] = set()
        self._groups: dict[_Alike, _Group] = {}
        self._group_of: dict[str, _Group] = {}
        self._busy_seats: dict[str, int] = {}
        self._fitting: dict[GPURequest, list[_Group]] = {}

    # -- what there is -----------------------------------------------------------------------

    def replace(self, units: Iterable[GPUUnit], leased: Iterable[str]) -> None:
        """Take a new inventory; ``leased`` are the ids of units that have a lease."""
        self.__init__()  # type: ignore[misc]
        self._leased = set(leased)
        for unit in units:
            self.units[unit.uuid] = unit
            key = _Alike(unit.memory_mib, unit.model, unit.kind, unit.mig_profile, unit.host)
            group = self._groups.setdefault(key, _Group())
            group.units[unit.uuid] = unit
            self._group_of[unit.uuid] = group
            if unit.uuid in self._leased:
                self._count_seat(unit, 1)
            elif unit.usable:
                insort(group.free, (unit.index, unit.uuid))
                self.free_count += 1

    def take(self, unit_id: str) -> None:
        """Mark a unit as leased."""
        self._leased.add(unit_id)
        unit = self.units.get(unit_id)
        if unit is None:
            return
        free = self._group_of[unit_id].free
        position = bisect_left(free, (unit.index, unit_id))
        if position < len(free) and free[position][1] == unit_id:
            del free[position]
            self.free_count -= 1
        self._count_seat(unit, 1)

    def give_back(self, unit_id: str) -> None:
        """Mark a unit as free again, if it is there and usable."""
        self._leased.discard(unit_id)
        unit = self.units.get(unit_id)
        if unit is None:
            return
        self._count_seat(unit, -1)
        if unit.usable:
            insort(self._group_of[unit_id].free, (unit.index, unit_id))
            self.free_count += 1

    def _count_seat(self, unit: GPUUnit, change: int) -> None:
        if unit.kind == "seat":
            self._busy_seats[unit.parent] = self._busy_seats.get(unit.parent, 0) + change

    # -- which units a request gets ----------------------------------------------------------

    def place(
        self,
        request: GPURequest,
        may_have: Callable[[str], bool] | None = None,
        avoid: frozenset[str] = frozenset(),
    ) -> tuple[GPUUnit, ...] | None:
        """Return free units for ``request``, or None.

        The least able units that will do are given out first, so that the able ones are left
        for who needs them. ``may_have`` refuses units that are reserved; those to ``avoid``
        are taken only if there are no others.
        """
        if request.count == 1:
            return self._place_one(request, may_have, avoid)
        for tried_before in (avoid, frozenset[str]()) if avoid else (avoid,):
            for free in self._free_by_host(request, may_have, tried_before):
                if len(free) >= request.count:
                    return tuple(closest(free, request.count))
        return None

    def _place_one(
        self,
        request: GPURequest,
        may_have: Callable[[str], bool] | None,
        avoid: frozenset[str],
    ) -> tuple[GPUUnit, ...] | None:
        second = None
        for group in self._groups_for(request):
            for _index, unit_id in self._in_turn(group):
                if may_have is not None and not may_have(unit_id):
                    continue
                if unit_id not in avoid:
                    return (group.units[unit_id],)
                second = second or group.units[unit_id]
        return None if second is None else (second,)

    def _in_turn(self, group: _Group) -> Iterable[tuple[int, str]]:
        """Return the free units of a group; of seats, those of the emptiest GPU first."""
        if not group.free or group.units[group.free[0][1]].kind != "seat":
            return group.free
        busy, units = self._busy_seats, group.units
        return sorted(group.free, key=lambda entry: (busy.get(units[entry[1]].parent, 0), entry))

    def _free_by_host(
        self,
        request: GPURequest,
        may_have: Callable[[str], bool] | None,
        avoid: frozenset[str],
    ) -> list[list[GPUUnit]]:
        """Return each host's free units for ``request``: units that are alike come together."""
        hosts: dict[str, list[GPUUnit]] = {}
        alike: list[list[GPUUnit]] = []
        for group in self._groups_for(request):
            free = [
                group.units[unit_id]
                for _index, unit_id in self._in_turn(group)
                if unit_id not in avoid and (may_have is None or may_have(unit_id))
            ]
            if free:
                alike.append(free)
                hosts.setdefault(free[0].host, []).extend(free)
        return alike + list(hosts.values())

    def could_ever(self, request: GPURequest) -> bool:
        """Say whether one host has enough units of the kind, whoever has them now."""
        return bool(self.reserve(request, lambda _unit: NEVER, 0.0))

    def how_many(self, request: GPURequest) -> tuple[int, int]:
        """Return how many units of the kind are free, and how many there are."""
        groups = self._groups_for(request)
        usable = sum(unit.usable for group in groups for unit in group.units.values())
        return sum(len(group.free) for group in groups), usable

    def reserve(
        self, request: GPURequest, free_at: Callable[[str], float], now: float
    ) -> Reservation | None:
        """Return the units that ``request`` can have soonest, and when; None: never.

        ``free_at`` gives the second at which a leased unit's lease ends.
        """
        hosts: dict[str, list[tuple[float, int, str]]] = {}
        for group in self._groups_for(request):
            for unit_id, unit in group.units.items():
                if unit.usable:
                    at = free_at(unit_id) if unit_id in self._leased else now
                    hosts.setdefault(unit.host, []).append((at, unit.index, unit_id))
        best: list[tuple[float, int, str]] | None = None
        for _host, units in sorted(hosts.items()):
            soonest = sorted(units)[: request.count]
            enough = len(soonest) == request.count
            if enough and (best is None or soonest[-1][0] < best[-1][0]):
                best = soonest
        if best is None:
            return None
        return Reservation(best[-1][0], frozenset(unit_id for _at, _index, unit_id in best))

    def _groups_for(self, request: GPURequest) -> list[_Group]:
        found = self._fitting.get(request)
        if found is None:
            found = [
                self._groups[key]
                for key in sorted(self._groups)
                if request.takes(next(iter(self._groups[key].units.values())))
            ]
            self._fitting[request] = found
        return found


def closest(free: list[GPUUnit], count: int) -> list[GPUUnit]:
    """Return ``count`` of ``free``: joined by a fast link if that can be.

    The smallest island that is large enough is taken: the large ones are for larger requests.
    """
    islands = [island for island in _islands(free) if len(island) >= count]
    chosen = min(islands, key=len) if islands else free
    return list(islice(chosen, count))


def _islands(free: list[GPUUnit]) -> Iterator[list[GPUUnit]]:
    """Yield the groups of free units in which each has a fast link to another."""
    here = {unit.uuid: unit for unit in free}
    seen: set[str] = set()
    for unit in free:
        if unit.uuid in seen:
            continue
        island, front = [], [unit.uuid]
        seen.add(unit.uuid)
        while front:
            current = here[front.pop()]
            island.append(current)
            for other in current.links:
                if other in here and other not in seen:
                    seen.add(other)
                    front.append(other)
        if len(island) > 1:
            yield sorted(island, key=lambda each: each.index)
