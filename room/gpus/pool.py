"""Units, free and leased, and which of them a request gets.

The least able units that will do are given out first, so that the able ones are left for who
needs them; among the equally able, of one host those with the lowest index, and of shared GPUs
the emptiest. Several units of one request are on one host, and joined by fast links if that can
be. Units on which the ticket's start has failed come last.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, groupby
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from room.gpus.events import NEVER
from room.gpus.requests import GPURequest
from room.models import GPUUnit


class _Alike(NamedTuple):
    """What makes two units as good as each other for any request; the last says where."""

    memory_mib: int
    model: str
    kind: str
    mig_profile: str
    host: str


@dataclass(slots=True)
class _Group:
    """Units that are alike. ``free`` is sorted: the lowest index is given out first."""

    alike: _Alike
    units: dict[str, GPUUnit] = field(default_factory=dict)
    free: list[tuple[int, str]] = field(default_factory=list)
    #: Usable units that are not free: when their lease ends, index, id; sorted.
    leased: list[tuple[float, int, str]] = field(default_factory=list)

    @property
    def ability(self) -> tuple[int, str, str, str]:
        return self.alike[:4]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Units that a request which cannot start yet will get at ``at``, in seconds."""

    at: float
    units: frozenset[str]

    def delayed_by(self, unit: str, until: float) -> bool:
        """Say whether leasing ``unit`` until then would make the request wait longer."""
        return unit in self.units and until > self.at


MayHave: TypeAlias = Callable[[str], bool]
#: A unit as a request for several finds it: when it can be had, whether it is leased, until when
#: that lease is; index, id.
_Soon: TypeAlias = tuple[float, bool, float, int, str]


class Pool:
    """The units of all hosts; ``leased`` says of those that have a lease when it ends.

    A unit that is not usable stays known, and is never given out. A GPU is not given out whole
    while a seat or an instance of it is leased, nor a part of it while the whole is: settings
    may change what a card is while somebody still has it as it was.
    """

    def __init__(
        self, units: Iterable[GPUUnit] = (), leased: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        self.units = {unit.uuid: unit for unit in units}
        self.free_count = 0
        self._ends: dict[str, float] = {}
        #: Of each GPU: how many of its parts are leased, and which units of it are known.
        self._parts_leased: dict[str, int] = {}
        self._units_of: dict[str, list[GPUUnit]] = {}
        self._groups: dict[_Alike, _Group] = {}
        self._group_of: dict[str, _Group] = {}
        self._fitting: dict[GPURequest, list[_Group]] = {}
        for unit in self.units.values():
            key = _Alike(unit.memory_mib, unit.model, unit.kind, unit.mig_profile, unit.host)
            group = self._groups.setdefault(key, _Group(key))
            group.units[unit.uuid] = unit
            self._group_of[unit.uuid] = group
            self._units_of.setdefault(unit.parent or unit.uuid, []).append(unit)
        for unit_id, ends in leased.items():
            self._ends[unit_id] = ends
            self._count_part(unit_id, 1)
        for unit in self.units.values():
            self._file(unit)

    def copy(self) -> Pool:
        """Return a pool that changes by itself; the units and what fits are shared."""
        made = Pool()
        made.units, made.free_count = self.units, self.free_count
        made._ends, made._parts_leased = dict(self._ends), dict(self._parts_leased)
        made._units_of = self._units_of
        made._groups = {
            key: _Group(key, group.units, list(group.free), list(group.leased))
            for key, group in self._groups.items()
        }
        made._group_of = {id_: made._groups[group.alike] for id_, group in self._group_of.items()}
        return made

    # -- what is free ------------------------------------------------------------------------

    def take(self, unit_id: str, ends: float) -> None:
        """Mark a unit as leased until ``ends``, or its lease as one that ends then."""
        for unit in self._units_of.get(self._card(unit_id), ()):
            self._unfile(unit)
        if unit_id not in self._ends:
            self._count_part(unit_id, 1)
        self._ends[unit_id] = ends
        for unit in self._units_of.get(self._card(unit_id), ()):
            self._file(unit)

    def give_back(self, unit_id: str) -> None:
        """Mark a unit as free again, if it is there and usable."""
        for unit in self._units_of.get(self._card(unit_id), ()):
            self._unfile(unit)
        del self._ends[unit_id]
        self._count_part(unit_id, -1)
        for unit in self._units_of.get(self._card(unit_id), ()):
            self._file(unit)

    def _count_part(self, unit_id: str, change: int) -> None:
        card = self._card(unit_id)
        if card != unit_id:
            self._parts_leased[card] = self._parts_leased.get(card, 0) + change

    def _file(self, unit: GPUUnit) -> None:
        """Put a unit among the free or the leased ones; what is not usable is in neither."""
        if unit.usable:
            group, ends = self._group_of[unit.uuid], self._taken_until(unit)
            if ends is None:
                insort(group.free, (unit.index, unit.uuid))
                self.free_count += 1
            else:
                insort(group.leased, (ends, unit.index, unit.uuid))

    def _unfile(self, unit: GPUUnit) -> None:
        if unit.usable:
            group, ends = self._group_of[unit.uuid], self._taken_until(unit)
            if ends is None:
                del group.free[bisect_left(group.free, (unit.index, unit.uuid))]
                self.free_count -= 1
            else:
                del group.leased[bisect_left(group.leased, (ends, unit.index, unit.uuid))]

    def _taken_until(self, unit: GPUUnit) -> float | None:
        """Return when the lease on a unit ends, None when it is free.

        When one on the whole card or on parts of it ends is not worth knowing.
        """
        ends = self._ends.get(unit.uuid)
        if ends is not None:
            return ends
        parts_busy = not unit.parent and self._parts_leased.get(unit.uuid, 0) > 0
        return NEVER if parts_busy or unit.parent in self._ends else None

    def _card(self, unit_id: str) -> str:
        """Return the GPU that a unit is or is a part of; a seat's own id says it."""
        unit = self.units.get(unit_id)
        return unit_id.partition("/")[0] if unit is None else unit.parent or unit_id

    # -- which units a request gets ----------------------------------------------------------

    def place(
        self,
        request: GPURequest,
        may_have: MayHave | None = None,
        avoid: frozenset[str] = frozenset(),
    ) -> tuple[GPUUnit, ...] | None:
        """Return free units for ``request``, or None.

        ``may_have`` refuses units that are reserved; those to ``avoid``, and other seats of
        the same GPUs, are taken only if there are no others.
        """
        bad = avoid | {self._device(unit_id) for unit_id in avoid} if avoid else avoid
        if request.count == 1:
            return self._place_one(request, may_have, bad)
        if bad:
            found = self._place_many(request, may_have, bad, last_resort=False)
            if found is not None:
                return found
        return self._place_many(request, may_have, bad, last_resort=True)

    def _device(self, unit_id: str) -> str:
        unit = self.units.get(unit_id)
        return unit_id if unit is None else unit.device

    def _place_one(
        self, request: GPURequest, may_have: MayHave | None, bad: frozenset[str]
    ) -> tuple[GPUUnit, ...] | None:
        second = None
        for group in self._groups_for(request):
            for _index, unit_id in self._in_turn(group):
                if may_have is not None and not may_have(unit_id):
                    continue
                unit = group.units[unit_id]
                if not bad or (unit_id not in bad and unit.device not in bad):
                    return (unit,)
                second = second or unit
        return None if second is None else (second,)

    def _in_turn(self, group: _Group) -> Iterable[tuple[int, str]]:
        """Return the free units of a group; of seats, those of the emptiest GPU first."""
        if group.alike.kind != "seat":
            return group.free
        busy, units = self._parts_leased, group.units
        return sorted(group.free, key=lambda entry: (busy.get(units[entry[1]].parent, 0), entry))

    def _place_many(
        self,
        request: GPURequest,
        may_have: MayHave | None,
        bad: frozenset[str],
        *,
        last_resort: bool,
    ) -> tuple[GPUUnit, ...] | None:
        """Take units that are alike if one host has enough of them, else mixed ones of a host."""

        def free_of(group: _Group) -> list[GPUUnit]:
            free = [
                group.units[unit_id]
                for _index, unit_id in self._in_turn(group)
                if may_have is None or may_have(unit_id)
            ]
            good = [unit for unit in free if unit.uuid not in bad and unit.device not in bad]
            if last_resort:
                good += [unit for unit in free if unit.uuid in bad or unit.device in bad]
            return good

        count, groups = request.count, self._groups_for(request)
        for _ability, alike in groupby(groups, key=lambda group: group.ability):
            found = _best_of((free_of(g) for g in alike if len(g.free) >= count), count)
            if found is not None:
                return found
        hosts: dict[str, list[_Group]] = {}
        for group in groups:
            hosts.setdefault(group.alike.host, []).append(group)
        mixed = (
            [unit for group in hosts[host] for unit in free_of(group)]
            for host in sorted(hosts)
            if len(hosts[host]) > 1 and sum(len(group.free) for group in hosts[host]) >= count
        )
        return _best_of(mixed, count)

    def how_many(self, request: GPURequest) -> tuple[int, int]:
        """Return how many units of the kind are free, and how many there are."""
        groups = self._groups_for(request)
        usable = sum(unit.usable for group in groups for unit in group.units.values())
        return sum(len(group.free) for group in groups), usable

    def reserve(self, request: GPURequest, now: float) -> Reservation | None:
        """Return the units that ``request`` can have soonest, and when; None: never.

        A lease that is over, but whose unit is not given back, ends any moment. When two hosts
        are as soon, the one where more comes early is taken, and what is free before what is not.
        """
        count = request.count
        hosts: dict[str, list[_Soon]] = {}
        for group in self._groups_for(request):
            there = hosts.setdefault(group.alike.host, [])
            there += [(now, False, now, index, id_) for index, id_ in group.free[:count]]
            there += [
                (max(now, ends), True, ends, index, id_)
                for ends, index, id_ in group.leased[:count]
            ]
        best: list[_Soon] | None = None
        for _host, units in sorted(hosts.items()):
            if len(units) >= count:
                soonest = sorted(units)[:count]
                if best is None or _latest_first(soonest) < _latest_first(best):
                    best = soonest
        if best is None:
            return None
        return Reservation(best[-1][0], frozenset(entry[4] for entry in best))

    def _groups_for(self, request: GPURequest) -> list[_Group]:
        found = self._fitting.get(request)
        if found is None:
            found = self._fitting[request] = [
                self._groups[key]
                for key in sorted(self._groups)
                if request.takes(next(iter(self._groups[key].units.values())))
            ]
        return found


def _latest_first(soonest: list[_Soon]) -> list[tuple[float, bool]]:
    return [entry[:2] for entry in reversed(soonest)]


def _best_of(choices: Iterable[list[GPUUnit]], count: int) -> tuple[GPUUnit, ...] | None:
    """Return ``count`` linked units of the first choice that has them, else of the first."""
    first = None
    for units in choices:
        if len(units) >= count:
            linked = linked_of(units, count)
            if linked is not None:
                return linked
            first = first or tuple(units[:count])
    return first


def linked_of(free: list[GPUUnit], count: int) -> tuple[GPUUnit, ...] | None:
    """Return ``count`` of the free units of one host that fast links join, or None.

    The smallest island that is large enough is taken, for the large ones are for larger
    requests; of it those with the most links among themselves, the first in ``free`` first.
    """
    islands = [island for island in _islands(free) if len(island) >= count]
    if not islands:
        return None
    best: tuple[GPUUnit, ...] = ()
    most, all_pairs = -1, count * (count - 1) // 2
    smallest = min(islands, key=len)
    for chosen in combinations(smallest, count):
        links = sum(b.uuid in a.links or a.uuid in b.links for a, b in combinations(chosen, 2))
        if links > most:
            best, most = chosen, links
        if links == all_pairs:
            break
    return best


def _islands(free: list[GPUUnit]) -> Iterator[list[GPUUnit]]:
    """Yield the sets of free units in which each has a fast link to another, in their order."""
    reached: dict[str, set[str]] = {unit.uuid: set() for unit in free}
    for unit in free:
        for other in unit.links:
            if other in reached:
                reached[unit.uuid].add(other)
                reached[other].add(unit.uuid)
    seen: set[str] = set()
    for unit in free:
        if unit.uuid in seen:
            continue
        island, front = {unit.uuid}, [unit.uuid]
        while front:
            new = reached[front.pop()] - island
            island |= new
            front.extend(new)
        seen |= island
        if len(island) > 1:
            yield [each for each in free if each.uuid in island]
