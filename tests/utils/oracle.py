"""The rule of the queue from scratch, slowly: what ``room.gpus.queue`` has to grant.

Nothing is kept up to date here. Every question is answered from the leases, the tickets and
what was used before, anew for each grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from room.gpus.events import NEVER, Grant, Policy, Ticket
from room.gpus.requests import GPURequest
from room.gpus.usage import Clock
from room.models import GPUUnit


@dataclass(frozen=True)
class Facts:
    """All that the rule asks for. ``usage``: what ended leases have used, by user and class.

    ``served``: when each user was granted something whose start did not fail.
    """

    units: Sequence[GPUUnit]
    leases: Sequence[Grant]
    tickets: Sequence[Ticket]
    usage: Mapping[tuple[str, str], int]
    served: Mapping[str, Sequence[float]]
    policy: Policy
    clock: Clock
    now: float


@dataclass(frozen=True)
class Held:
    """Units that are kept for somebody: only leases that end by ``until`` may have them."""

    units: frozenset[str]
    until: float


@dataclass
class Reserved:
    kept: list[Held] = field(default_factory=list)

    def allows(self, unit: str, ends: float) -> bool:
        return all(unit not in held.units or ends <= held.until for held in self.kept)

    def clashes(self, units: frozenset[str]) -> bool:
        return any(units & held.units for held in self.kept)


def grants(facts: Facts) -> list[Grant]:
    """Return everything that is granted now, in order."""
    found: list[Grant] = []
    while (grant := next_grant(facts)) is not None:
        found.append(grant)
        user = grant.ticket.user
        facts = replace(
            facts,
            leases=[*facts.leases, grant],
            tickets=[ticket for ticket in facts.tickets if ticket.id != grant.id],
            served={**facts.served, user: [*facts.served.get(user, ()), facts.now]},
        )
    return found


def next_grant(facts: Facts) -> Grant | None:
    reserved = Reserved()
    for ticket, overdue in in_order(facts):
        grant = start(facts, ticket, reserved)
        if grant is not None:
            return sooner(facts, grant, reserved) or grant
        if ticket.request.count > 1:
            at, units = soonest(facts, ticket.request)
            if units and not reserved.clashes(units) and (overdue or at < NEVER):
                reserved.kept.append(Held(units, -NEVER if overdue else at))
    return None


def start(facts: Facts, ticket: Ticket, reserved: Reserved) -> Grant | None:
    ends = NEVER if ticket.lease_seconds is None else facts.now + ticket.lease_seconds
    free = [
        unit
        for unit in facts.units
        if is_free(facts, unit) and ticket.request.takes(unit) and reserved.allows(unit.uuid, ends)
    ]
    chosen = choose(facts, free, ticket)
    return Grant(ticket, tuple(unit.uuid for unit in chosen), facts.now, ends) if chosen else None


# -- who needs several goes before their turn --------------------------------------------------


def sooner(facts: Facts, grant: Grant, reserved: Reserved) -> Grant | None:
    """Return what a request for several gets instead of the one for one whose turn it is."""
    if grant.ticket.request.count > 1:
        return None
    latest = since(facts, grant.ticket) + facts.policy.max_wait
    for ticket, late in in_order(facts):
        several = ticket.request.count > 1 and since(facts, ticket) <= latest
        if several and (late or is_near_the_front(facts, ticket)):
            found = start(facts, ticket, reserved)
            if found is not None:
                return found
    return None


def is_near_the_front(facts: Facts, ticket: Ticket) -> bool:
    """Whether one lease less would make a ticket's user and class the first ones, or as good."""
    may = [each for each in facts.tickets if not at_cap(facts, each)]
    reading, weight = facts.clock.reading, facts.policy.weight(ticket.group)
    length = ticket.lease_seconds or 0.0
    cost = ticket.request.count * (reading(facts.now + length) - reading(facts.now))
    of_class = amount(facts, lambda _user, group: group == ticket.group)
    return used(facts, ticket) - cost <= min(
        used(facts, each) for each in may if each.group == ticket.group
    ) and (of_class - cost) / weight <= min(class_key(facts, each.group) for each in may)


# -- the order -------------------------------------------------------------------------------


def in_order(facts: Facts) -> list[tuple[Ticket, bool]]:
    """Return who may be served, first of all first, and whether they waited too long."""
    may = [ticket for ticket in facts.tickets if not at_cap(facts, ticket)]
    late = [ticket for ticket in may if overdue(facts, ticket)]
    rest = [ticket for ticket in may if ticket not in late]
    late.sort(key=lambda t: (since(facts, t), t.arrived, t.seq, t.id))
    rest.sort(key=lambda t: (class_key(facts, t.group), used(facts, t), t.arrived, t.seq, t.id))
    return [(ticket, True) for ticket in late] + [(ticket, False) for ticket in rest]


def at_cap(facts: Facts, ticket: Ticket) -> bool:
    held = sum(
        len(grant.units)
        for grant in facts.leases
        if grant.ticket.user == ticket.user
        and (grant.ticket.request.kind == "seat") == (ticket.request.kind == "seat")
    )
    return ticket.cap is not None and held + ticket.request.count > ticket.cap


def since(facts: Facts, ticket: Ticket) -> float:
    return max([ticket.arrived, *facts.served.get(ticket.user, ())])


def overdue(facts: Facts, ticket: Ticket) -> bool:
    began = since(facts, ticket)
    return facts.now - began > facts.policy.max_wait and any(
        sum(at > began for at in times) >= 2
        for user, times in facts.served.items()
        if user != ticket.user
    )


def used(facts: Facts, ticket: Ticket) -> int:
    return amount(facts, lambda user, group: (user, group) == (ticket.user, ticket.group))


def class_key(facts: Facts, group: str) -> float:
    return amount(facts, lambda _user, of: of == group) / facts.policy.weight(group)


def amount(facts: Facts, counts) -> int:
    """Return the decayed use of those who count, in the clock's units."""
    ended = sum(value for key, value in facts.usage.items() if counts(*key))
    reading = facts.clock.reading
    return ended + sum(
        len(grant.units) * (reading(facts.now) - reading(grant.granted))
        for grant in facts.leases
        if counts(grant.ticket.user, grant.ticket.group)
    )


# -- which units -----------------------------------------------------------------------------


def leased_units(facts: Facts) -> set[str]:
    return {unit for grant in facts.leases for unit in grant.units}


def is_free(facts: Facts, unit: GPUUnit) -> bool:
    """A unit is free when it is well, has no lease, and neither its whole nor its parts have."""
    leased = leased_units(facts)
    parts = {part for part in leased if part != unit.uuid and card(facts, part) == unit.uuid}
    return unit.usable and not leased & {unit.uuid, unit.parent} and not parts


def card(facts: Facts, unit_id: str) -> str:
    parents = {unit.uuid: unit.parent or unit.uuid for unit in facts.units}
    return parents.get(unit_id, unit_id.split("/")[0])


def ability(unit: GPUUnit) -> tuple[int, str, str, str]:
    return (unit.memory_mib, unit.model, unit.kind, unit.mig_profile)


def failed_before(facts: Facts, unit: GPUUnit, ticket: Ticket) -> bool:
    """Whether the ticket's start failed on the unit, or on another seat of its GPU."""
    devices = {other.device for other in facts.units if other.uuid in ticket.avoid}
    return unit.uuid in ticket.avoid or unit.device in devices | ticket.avoid


def choose(facts: Facts, free: Sequence[GPUUnit], ticket: Ticket) -> Sequence[GPUUnit]:
    """Return the units that a ticket gets of those that are free for it, or none."""
    leased = leased_units(facts)

    def busy(unit: GPUUnit) -> int:
        if unit.kind != "seat":
            return 0
        return sum(card(facts, each) == unit.parent and each != unit.parent for each in leased)

    def failed(unit: GPUUnit) -> bool:
        return failed_before(facts, unit, ticket)

    def turn(unit: GPUUnit) -> tuple[object, ...]:
        return (failed(unit), busy(unit), unit.index, unit.uuid)

    if ticket.request.count == 1:
        by_able = sorted(free, key=lambda u: (failed(u), ability(u), u.host, *turn(u)))
        return by_able[:1]
    for allowed in ([unit for unit in free if not failed(unit)], free):
        for same in (*sorted({ability(unit) for unit in allowed}), None):
            of_hosts = [
                sorted(
                    (u for u in allowed if u.host == host and same in (None, ability(u))),
                    key=lambda u: (ability(u), *turn(u)),
                )
                for host in sorted({unit.host for unit in allowed})
            ]
            chosen = gather(of_hosts, ticket.request.count)
            if chosen:
                return chosen
    return ()


def gather(of_hosts: Iterable[Sequence[GPUUnit]], count: int) -> Sequence[GPUUnit]:
    enough = [units for units in of_hosts if len(units) >= count]
    for units in enough:
        large = [island for island in islands(units) if len(island) >= count]
        if large:
            return max(combinations(min(large, key=len), count), key=links)
    return enough[0][:count] if enough else ()


def links(units: Sequence[GPUUnit]) -> int:
    return sum(linked(a, b) for a, b in combinations(units, 2))


def linked(a: GPUUnit, b: GPUUnit) -> bool:
    return a.uuid in b.links or b.uuid in a.links


def islands(units: Sequence[GPUUnit]) -> list[list[GPUUnit]]:
    """Return the units by what reaches each other over fast links; a single one is no island."""
    found = [[unit] for unit in units]
    while True:
        touching = (
            (one, two)
            for one, two in combinations(found, 2)
            if any(linked(a, b) for a in one for b in two)
        )
        pair = next(touching, None)
        if pair is None:
            return [island for island in found if len(island) > 1]
        one, two = pair
        merged = [unit for unit in units if unit in one or unit in two]
        place = found.index(one)
        found = [merged if n == place else each for n, each in enumerate(found) if each != two]


def soonest(facts: Facts, request: GPURequest) -> tuple[float, frozenset[str]]:
    """Return when one host can have enough units of the kind, and which."""
    best: tuple[list[tuple[float, bool]], str, frozenset[str]] | None = None
    for host in sorted({unit.host for unit in facts.units}):
        coming = []
        for unit in facts.units:
            if unit.host == host and unit.usable and request.takes(unit):
                if is_free(facts, unit):
                    coming.append((facts.now, False, facts.now, unit.index, unit.uuid))
                else:
                    ends = max([g.ends for g in facts.leases if unit.uuid in g.units] or [NEVER])
                    coming.append((max(facts.now, ends), True, ends, unit.index, unit.uuid))
        first = sorted(coming)[: request.count]
        if len(first) == request.count:
            latest_first = [(entry[0], entry[1]) for entry in first[::-1]]
            entry = (latest_first, host, frozenset(unit[4] for unit in first))
            best = entry if best is None else min(best, entry, key=lambda each: each[:2])
    return (NEVER, frozenset()) if best is None else (best[0][0][0], best[2])
