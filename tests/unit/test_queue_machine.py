"""The queue against its rule said from scratch: whatever happens, both grant the same.

``ROOM_TEST_EXAMPLES`` and ``ROOM_TEST_STEPS`` let it run longer.
"""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from room.gpus.events import (
    NEVER,
    Adopted,
    Event,
    Grant,
    Left,
    Policy,
    Prolonged,
    Released,
    Submitted,
    Surveyed,
    Ticked,
    Ticket,
)
from room.gpus.queue import step
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.gpus.usage import Clock
from room.models import GPUUnit, Owner
from tests.utils import oracle

START = 1_000.0
#: Two hosts: small and large cards, two pairs with a fast link, a shared card and a split one.
UNITS = (
    GPUUnit("A0", 0, "T4", 16_000, host="a"),
    GPUUnit("A1", 1, "T4", 16_000, host="a"),
    GPUUnit("A2", 2, "A100", 40_000, host="a", links=("A3",)),
    GPUUnit("A3", 3, "A100", 40_000, host="a", links=("A2",)),
    GPUUnit("B0", 0, "A100", 40_000, host="b", links=("B2",)),
    GPUUnit("B1", 1, "A100", 40_000, host="b"),
    GPUUnit("B2", 2, "A100", 40_000, host="b", links=("B0",)),
    *(GPUUnit(f"S/{n}", 3, "T4", 8_000, kind="seat", parent="S", host="b") for n in (1, 2)),
    *(GPUUnit(f"R/{n}", 4, "T4", 8_000, kind="seat", parent="R", host="b") for n in (1, 2)),
    *(
        GPUUnit(f"M{n}", 5, "A100", 10_000, kind="mig", parent="M", mig_profile="1g.10gb", host="b")
        for n in (0, 1)
    ),
)
#: The shared card S as the settings may make it: whole, and in seats.
WHOLE = GPUUnit("S", 3, "T4", 16_000, host="b")

REQUESTS = (
    GPURequest(),
    GPURequest(2),
    GPURequest(3),
    GPURequest(1, kind="gpu", model="a100"),
    GPURequest(2, memory_mib=20_000),
    GPURequest(1, kind="seat"),
    GPURequest(2, kind="seat"),
    GPURequest(1, kind="mig", mig_profile="1g.10gb"),
)
#: Rooms in which a lot is alike, so that requests for several units get in each other's way.
ALIKE = tuple(GPUUnit(f"G{n}", n, "A100", 40_000) for n in range(4))
TWO_HOSTS = tuple(
    GPUUnit(f"H{n}", n, "A100", 40_000, host="aabbb"[n], links=(f"H{n ^ 1}",)) for n in range(5)
)
SEVERAL = (GPURequest(), GPURequest(2), GPURequest(3))
ROOMS = {
    "all kinds": (UNITS, REQUESTS),
    "few kinds": (UNITS[:6], REQUESTS),
    "one unit": (ALIKE[:1], REQUESTS[:1]),
    "two units": (ALIKE[:2], SEVERAL[:2]),
    "four units": (ALIKE, SEVERAL),
    "two hosts": (TWO_HOSTS, SEVERAL),
    "shared cards": (UNITS[7:11], (GPURequest(), *REQUESTS[5:7])),
}

USERS = ("ann", "bob", "cy", "dee")
CAPS = {"ann": None, "bob": 3, "cy": 2, "dee": 1}

#: Mostly forward a little, at times back, and now and then so far that amounts are rebased.
DELAYS = st.one_of(
    st.integers(0, 40).map(float),
    st.sampled_from((0.0, -30.0, 120.0, 1_000.0, 90_000.0)),
)


class Queue(RuleBasedStateMachine):
    """Steps the queue, and keeps by its side plainly what the rule is asked with."""

    @initialize(
        half_life=st.sampled_from((None, 100.0, 1_000.0)),
        max_wait=st.sampled_from((0.0, 60.0, 500.0)),
        room=st.sampled_from(sorted(ROOMS)),
    )
    def begin(self, half_life: float | None, max_wait: float, room: str) -> None:
        self.policy = Policy(half_life, max_wait, {"dl": 3.0})
        self.state = State(self.policy, START)
        self.now = START
        self.clock = Clock(half_life, START)
        self.units: tuple[GPUUnit, ...] = ()
        self.tickets: dict[str, Ticket] = {}
        self.leases: dict[str, Grant] = {}
        self.settled: dict[tuple[str, str], int] = {}
        self.served: dict[str, list[float]] = {}
        self.number = 0
        self.there, self.requests = ROOMS[room]
        self.survey(self.there)

    # -- what happens ------------------------------------------------------------------------

    @rule(
        delay=DELAYS,
        user=st.sampled_from(USERS),
        group=st.sampled_from(("", "dl")),
        which=st.integers(0, len(REQUESTS) - 1),
        lease=st.sampled_from((None, 50.0, 200.0)),
        late=st.sampled_from((0.0, 0.0, 70.0)),
    )
    def submit(
        self,
        delay: float,
        user: str,
        group: str,
        which: int,
        lease: float | None,
        late: float,
    ) -> None:
        self.number += 1
        at = self.now + delay
        ticket = Ticket(
            id=f"t{self.number}",
            owner=Owner(user, str(self.number)),
            request=self.requests[which % len(self.requests)],
            arrived=at - late,
            seq=self.number,
            group=group,
            lease_seconds=lease,
            cap=CAPS[user],
        )
        self.tickets[ticket.id] = ticket
        self.happen(Submitted(at, ticket))

    @precondition(lambda self: self.tickets)
    @rule(delay=DELAYS, data=st.data())
    def leave(self, delay: float, data: st.DataObject) -> None:
        ticket_id = data.draw(st.sampled_from(sorted(self.tickets)))
        del self.tickets[ticket_id]
        self.happen(Left(self.now + delay, ticket_id))

    @precondition(lambda self: self.leases)
    @rule(delay=DELAYS, data=st.data())
    def end(self, delay: float, data: st.DataObject) -> None:
        grant = self.leases.pop(data.draw(st.sampled_from(sorted(self.leases))))
        self.happen(Released(self.now + delay, grant.id), ended=grant)

    @precondition(lambda self: self.leases)
    @rule(delay=DELAYS, blame=st.booleans(), data=st.data())
    def fail(self, delay: float, blame: bool, data: st.DataObject) -> None:
        grant = self.leases.pop(data.draw(st.sampled_from(sorted(self.leases))))
        ticket = grant.ticket
        times = self.served.get(ticket.user, [])
        if grant.granted in times:
            times.remove(grant.granted)
        again = replace(ticket, avoid=ticket.avoid | set(grant.units)) if blame else ticket
        self.tickets[again.id] = again
        self.happen(Released(self.now + delay, grant.id, again))

    @precondition(lambda self: self.leases)
    @rule(delay=DELAYS, longer=st.sampled_from((-20.0, 30.0, 400.0, NEVER)), data=st.data())
    def prolong(self, delay: float, longer: float, data: st.DataObject) -> None:
        lease_id = data.draw(st.sampled_from(sorted(self.leases)))
        ends = self.now + longer
        self.leases[lease_id] = replace(self.leases[lease_id], ends=ends)
        self.happen(Prolonged(self.now + delay, lease_id, ends))

    @rule(delay=DELAYS, data=st.data())
    def adopt(self, delay: float, data: st.DataObject) -> None:
        taken = {unit for grant in self.leases.values() for unit in grant.units}
        unit = data.draw(st.sampled_from([unit.uuid for unit in self.there]))
        if unit in taken:
            return
        self.number += 1
        owner = Owner(data.draw(st.sampled_from(USERS)), str(self.number))
        ticket = Ticket(f"t{self.number}", owner, GPURequest(), self.now, self.number)
        grant = Grant(ticket, (unit,), self.now - 10.0)
        self.leases[grant.id] = grant
        self.happen(Adopted(self.now + delay, grant))

    @rule(delay=DELAYS)
    def wait(self, delay: float) -> None:
        self.happen(Ticked(self.now + delay))

    @rule(
        delay=DELAYS,
        lost=st.sets(st.integers(0, len(UNITS) - 1), max_size=2),
        sick=st.sets(st.integers(0, len(UNITS) - 1), max_size=2),
        whole=st.booleans(),
    )
    def look_at_units(self, delay: float, lost: set[int], sick: set[int], whole: bool) -> None:
        seen = tuple(
            replace(unit, health="sick") if number in sick else unit
            for number, unit in enumerate(self.there)
            if number not in lost and not (whole and unit.parent == "S")
        )
        shared = any(unit.parent == "S" for unit in self.there)
        self.survey((*seen, WHOLE) if whole and shared else seen, delay)

    def survey(self, units: tuple[GPUUnit, ...], delay: float = 0.0) -> None:
        self.units = units
        self.happen(Surveyed(self.now + delay, units))

    def happen(self, event: Event, ended: Grant | None = None) -> None:
        self.now = max(self.now, event.at)
        halvings = self.clock.halvings_due(self.now)
        if halvings:
            self.clock.ref += halvings * self.clock.half_life
            self.settled = {key: value >> halvings for key, value in self.settled.items()}
        if ended is not None:
            key = (ended.ticket.user, ended.ticket.group)
            ran = self.clock.reading(self.now) - self.clock.reading(ended.granted)
            self.settled[key] = self.settled.get(key, 0) + len(ended.units) * ran
        expected = oracle.grants(
            oracle.Facts(
                self.units,
                list(self.leases.values()),
                list(self.tickets.values()),
                self.settled,
                self.served,
                self.policy,
                self.clock,
                self.now,
            )
        )
        _state, granted = step(self.state, event)
        assert granted == expected
        for grant in granted:
            self.check_cap(grant)
            del self.tickets[grant.id]
            self.leases[grant.id] = grant
            self.served.setdefault(grant.ticket.user, []).append(self.now)

    # -- what always holds -------------------------------------------------------------------

    def check_cap(self, grant: Grant) -> None:
        user, cap = grant.ticket.user, grant.ticket.cap
        held = sum(
            len(g.units)
            for g in self.leases.values()
            if g.ticket.user == user and g.ticket.request.pool == grant.ticket.request.pool
        )
        assert cap is None or held + len(grant.units) <= cap

    @invariant()
    def no_unit_is_leased_twice(self) -> None:
        leased = [unit for grant in self.state.leases.values() for unit in grant.units]
        assert len(leased) == len(set(leased))
        assert self.state.lease_of.keys() == set(leased)

    @invariant()
    def the_same_tickets_wait_and_the_same_leases_run(self) -> None:
        assert self.state.tickets == self.tickets
        assert self.state.leases == self.leases

    @invariant()
    def nobody_waits_while_a_unit_that_fits_is_free(self) -> None:
        # With a request for several units about, what is free may be reserved for it.
        if any(ticket.request.count > 1 for ticket in self.tickets.values()):
            return
        leased = {unit for grant in self.leases.values() for unit in grant.units}
        # What is shared or split is left to the comparison above.
        free = [u for u in self.units if u.usable and u.uuid not in leased and u.kind == "gpu"]
        for ticket in self.tickets.values():
            fits = any(ticket.request.takes(unit) and unit.uuid != "S" for unit in free)
            assert not fits or self.state.at_cap(ticket)

    @invariant()
    def accounts_are_the_sums_made_anew(self) -> None:
        reading = self.clock.reading(self.now)
        keys = {*self.settled, *((g.ticket.user, g.ticket.group) for g in self.leases.values())}
        anew = {}
        for key in keys:
            running = sum(
                len(grant.units) * (reading - self.clock.reading(grant.granted))
                for grant in self.leases.values()
                if (grant.ticket.user, grant.ticket.group) == key
            )
            anew[key] = self.settled.get(key, 0) + running
        for (user, group), amount in anew.items():
            assert self.state.account(user, group).amount(reading) == amount
        for group in ("", "dl"):
            total = sum(amount for (_user, of), amount in anew.items() if of == group)
            assert self.state.group_account(group).amount(reading) == total


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=int(os.environ.get("ROOM_TEST_EXAMPLES", "40")),
    stateful_step_count=int(os.environ.get("ROOM_TEST_STEPS", "25")),
    deadline=None,
    # What lands is judged by the same examples each time.
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
