"""What may happen to two hubs' brokers on one database, and to containers beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from room.gpus import ledger
from room.gpus.broker import Broker
from room.gpus.events import Policy, Ticket
from room.gpus.inventory import simulated
from room.gpus.reconcile import Container, repairs
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import GPUUnit, Inventory, Lease, Owner, Reject, Xid
from room.store import Store
from room.store.tables import audit
from room.store.usage_tables import lease_history

POLICY = Policy(half_life=1000.0, max_wait=600.0, weights={"dl": 3.0})
UNITS = (
    *simulated(4).units,
    *(GPUUnit(f"S/{n}", 9, "T4", 8_000, kind="seat", parent="S") for n in (1, 2)),
)
IDS = [unit.uuid for unit in UNITS]
CARDS = sorted({unit.device for unit in UNITS})
REQUESTS = (GPURequest(), GPURequest(2), GPURequest(3), GPURequest(kind="seat"))
CAPS = {"ann": None, "bob": 3, "cy": 2, "dee": 1}


class CrashError(Exception):
    """The process ends here."""


class Faults:
    """Ends a process before or after any statement of its store, or around its COMMIT."""

    def __init__(self, store: Store) -> None:
        self.left = 0
        self.crashes = 0
        dialect: Any = store.engine.dialect
        for name in ("do_execute", "do_executemany", "do_commit"):
            self._wrap(dialect, name)

    def _wrap(self, dialect: Any, name: str) -> None:
        really = getattr(dialect, name)

        def wrapped(*arguments: Any, **named: Any) -> None:
            self._step()
            really(*arguments, **named)
            self._step()

        setattr(dialect, name, wrapped)

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.crashes += 1
            raise CrashError


class Brokers(RuleBasedStateMachine):
    """Two brokers with a store each. Subclasses open the stores on one migrated database."""

    def open_stores(self) -> tuple[Store, Store]:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.now = 1_800_000_000.0
        self.stores = self.open_stores()
        self.faults = [Faults(store) for store in self.stores]
        self.units: tuple[GPUUnit, ...] = UNITS
        #: By card: the fatal Xid that the agent says, until it begins anew.
        self.xids: dict[str, Xid] = {}
        self.reports = 0
        #: Cards that reported one since an admin last said that they are well.
        self.condemned: set[str] = set()
        #: By lease. Those in ``stubborn`` do not go when they are told to.
        self.containers: dict[str, Container] = {}
        self.stubborn: set[str] = set()
        #: Servers whose start a living process looks after, and that process.
        self.starting: dict[Owner, int] = {}
        #: What leases were seen to have, by id and time of grant: user, units; and of those that
        #: were over, the earliest and latest end that they can have had.
        self.seen: dict[tuple[str, float], tuple[str, int]] = {}
        self.ended: dict[tuple[str, float], tuple[float, float]] = {}
        #: The latest that any clock has said: a broker that lives on goes back behind none.
        self.latest = self.now
        self.brokers = [self.fresh(0), self.fresh(1)]

    def fresh(self, which: int) -> Broker:
        made = Broker(self.stores[which], POLICY, now=lambda: self.now)
        made.survey(Inventory(self.units))
        return made

    def restart(self, which: int) -> None:
        self.starting = {owner: by for owner, by in self.starting.items() if by != which}
        self.brokers[which] = self.fresh(which)

    def act(self, which: int, crash: int, call: Callable[[Broker], Any]) -> Any:
        """Call a broker, whose process may end at the ``crash``-th step of it; 0: it does not."""
        self.faults[which].left = crash
        try:
            return call(self.brokers[which])
        except CrashError:
            self.faults[which].left = 0
            self.restart(which)
            return None
        finally:
            self.faults[which].left = 0

    def some_lease(self, data: st.DataObject) -> Lease | None:
        # Not by their ids, which are chance: the same choices have to find the same lease again.
        found = sorted(self.brokers[0].leases(), key=lambda lease: _place(lease.owner))
        return data.draw(st.sampled_from(found)) if found else None

    def container_ids(self) -> list[str]:
        return sorted(self.containers, key=lambda id_: _place(self.containers[id_].owner))

    # -- what happens ------------------------------------------------------------------------

    which = st.integers(0, 1)
    crash = st.one_of(st.just(0), st.integers(1, 30))

    @rule(
        which=which,
        crash=crash,
        user=st.sampled_from(sorted(CAPS)),
        server=st.sampled_from(("", "b")),
        request=st.sampled_from(REQUESTS),
        groups=st.sampled_from(((), ("dl",), ("dl", "ml"))),
        lease=st.sampled_from((None, 300.0)),
    )
    def ask(
        self,
        which: int,
        crash: int,
        user: str,
        server: str,
        request: GPURequest,
        groups: tuple[str, ...],
        lease: float | None,
    ) -> None:
        owner = Owner(user, server)
        if owner in self.starting:
            return
        found = self.act(
            which,
            crash,
            lambda broker: broker.submit(
                owner, request, groups=groups, lease_seconds=lease, cap=CAPS[user]
            ),
        )
        if isinstance(found, (Lease, Ticket)):
            self.starting[owner] = which
        elif isinstance(found, Reject):
            told = {"gpu-none", "gpu-too-many", "gpu-cap", "gpu-still-held"}
            assert found.reason in told
            assert found.message

    @rule(which=which, crash=crash, data=st.data())
    def start(self, which: int, crash: int, data: st.DataObject) -> None:
        lease = self.some_lease(data)
        if lease is None or lease.id in self.containers or lease.owner not in self.starting:
            return
        made = datetime.fromtimestamp(self.now, timezone.utc)
        container = Container(lease.id, lease.owner, lease.id, lease.units, made)
        busy = {unit for other in self.containers.values() for unit in other.units}
        assert not busy & set(lease.units), "two containers have one unit"
        self.containers[lease.id] = container
        self.act(which, crash, lambda broker: broker.ready(lease.id))
        self.starting.pop(lease.owner, None)

    @rule(which=which, crash=crash, blame=st.booleans(), data=st.data())
    def fail_to_start(self, which: int, crash: int, blame: bool, data: st.DataObject) -> None:
        lease = self.some_lease(data)
        if lease is None or lease.id in self.containers or lease.owner not in self.starting:
            return
        if blame:
            self.act(which, crash, lambda broker: broker.failed_on(lease.units, "no device"))
        self.act(which, crash, lambda broker: broker.requeue(lease.id, blame_units=blame))

    @rule(which=which, crash=crash, data=st.data())
    def stop(self, which: int, crash: int, data: st.DataObject) -> None:
        lease = self.some_lease(data)
        if lease is None or lease.id in self.stubborn or lease.owner in self.starting:
            return
        self.containers.pop(lease.id, None)
        self.act(which, crash, lambda broker: broker.release(lease.id))

    @rule(which=which, crash=crash, data=st.data())
    def leave(self, which: int, crash: int, data: st.DataObject) -> None:
        waiting = self.brokers[which].waiting()
        if waiting:
            ticket = data.draw(st.sampled_from(waiting)).ticket
            if self.act(which, crash, lambda broker: broker.leave(ticket.id)):
                self.starting.pop(ticket.owner, None)

    @rule(which=which, crash=crash, data=st.data(), longer=st.sampled_from((-50.0, 500.0)))
    def extend(self, which: int, crash: int, data: st.DataObject, longer: float) -> None:
        lease = self.some_lease(data)
        if lease is not None:
            self.act(which, crash, lambda broker: broker.extend(lease.id, self.now + longer))

    @precondition(lambda self: self.containers)
    @rule(data=st.data(), refuses=st.booleans())
    def container_vanishes_or_refuses(self, data: st.DataObject, refuses: bool) -> None:
        lease_id = data.draw(st.sampled_from(self.container_ids()))
        if refuses:
            self.stubborn.add(lease_id)
        else:
            del self.containers[lease_id]
            self.stubborn.discard(lease_id)

    @rule(seconds=st.sampled_from((1.0, 50.0, 700.0, -3600.0, 90 * 86_400.0)))
    def time_jumps(self, seconds: float) -> None:
        self.now += seconds

    @rule(which=which, crash=crash)
    def tick(self, which: int, crash: int) -> None:
        self.act(which, crash, lambda broker: broker.tick())

    @rule(which=which)
    def process_restarts(self, which: int) -> None:
        self.restart(which)

    @rule(
        lost=st.sets(st.sampled_from(IDS), max_size=3),
        ill=st.sets(st.sampled_from(IDS), max_size=3),
    )
    def units_change(self, lost: set[str], ill: set[str]) -> None:
        self.see(
            tuple(
                replace(unit, health="unknown") if unit.uuid in ill else unit
                for unit in UNITS
                if unit.uuid not in lost
            )
        )

    @rule(which=which, crash=crash, card=st.sampled_from(CARDS), known=st.booleans())
    def a_card_reports_a_fatal_xid(self, which: int, crash: int, card: str, known: bool) -> None:
        if not any(unit.device == card for unit in self.units):
            return
        self.reports += 1
        self.xids[card] = Xid(79, str(self.reports))
        self.condemned.add(card)
        self.units = tuple(self.as_reported(unit) for unit in self.units)
        self.act(which, crash, lambda broker: broker.survey(Inventory(self.units)))
        if known:
            self.see(self.units)

    @rule()
    def the_agent_restarts(self) -> None:
        # What it says of a card that nobody heard in time is lost with it.
        self.see(self.units)
        self.xids.clear()
        self.see(UNITS)

    def as_reported(self, unit: GPUUnit) -> GPUUnit:
        xid = self.xids.get(unit.device)
        if xid is None:
            return unit
        return replace(unit, health="sick", why=f"Xid {xid.report}", xid=xid)

    def see(self, units: tuple[GPUUnit, ...]) -> None:
        self.units = tuple(self.as_reported(unit) for unit in units)
        for broker in self.brokers:
            broker.survey(Inventory(self.units))

    @rule(
        which=which,
        crash=crash,
        unit=st.sampled_from([*IDS, "S"]),
        mark=st.sampled_from(("drained", "quarantined", "")),
    )
    def mark(self, which: int, crash: int, unit: str, mark: str) -> None:
        self.act(which, crash, lambda broker: broker.mark(unit, mark, "why", "teacher"))
        if not mark:
            self.condemned.discard(unit)

    @rule(which=which, crash=crash)
    def reconcile(self, which: int, crash: int) -> None:
        served = {container.owner for container in self.containers.values()}
        rows = self.brokers[which].leases()
        found = repairs(rows, self.containers.values(), served, self.starting.keys())
        for lease in found.release:
            self.act(which, crash, lambda broker, id_=lease.id: broker.release(id_))
        for lease in found.adopt:
            self.act(which, crash, lambda broker, each=lease: broker.adopt(each))
        if not crash:
            for lease in self.brokers[which].leases():
                fresh = lease.id not in {row.id for row in rows}
                assert lease.id in self.containers or lease.owner in self.starting or fresh

    @precondition(lambda self: self.containers)
    @rule(which=which, data=st.data())
    def database_is_of_before_a_grant(self, which: int, data: st.DataObject) -> None:
        container = self.containers[data.draw(st.sampled_from(self.container_ids()))]
        broker = self.brokers[which]
        moving = container.owner in self.starting
        if broker.waiting() or moving or broker.lease(container.id) is None:
            return
        broker.release(container.id)
        self._mend(which)
        adopted = broker.lease(container.id)
        assert adopted is not None
        assert adopted.units == container.units

    def _mend(self, which: int) -> None:
        served = {container.owner for container in self.containers.values()}
        rows = self.brokers[which].leases()
        for lease in repairs(rows, self.containers.values(), served, self.starting.keys()).adopt:
            self.brokers[which].adopt(lease)

    # -- what always holds -------------------------------------------------------------------

    @invariant()
    def no_unit_has_two_leases_and_no_server_either(self) -> None:
        leases = self.brokers[0].leases()
        units = [unit for lease in leases for unit in lease.units]
        assert len(units) == len(set(units))
        owners = [lease.owner for lease in leases]
        owners += [each.ticket.owner for each in self.brokers[1].waiting()]
        assert len(owners) == len(set(owners))
        assert all(lease.units and lease.owner.user for lease in leases)

    @invariant()
    def history_has_each_second_of_each_lease_once(self) -> None:
        self.latest = max(self.latest, self.now)
        runs = {
            (lease.id, ledger.seconds(lease.granted_at)): (lease.owner.user, len(lease.units))
            for lease in self.brokers[0].leases()
        }
        for key in self.seen.keys() - runs.keys() - self.ended.keys():
            self.ended[key] = (max(key[1], self.now), max(key[1], self.latest))
        for key in runs.keys() & self.ended.keys():
            # Given back and had again in one instant.
            del self.ended[key]
        self.seen |= runs
        with self.stores[0].read() as connection:
            rows = connection.execute(select(lease_history)).all()
        written = {}
        for row in rows:
            key, end = (row.lease_id, ledger.seconds(row.from_at)), ledger.seconds(row.to_at)
            if end > key[1]:
                assert key not in written, "a lease has two ends"
                written[key] = end
                assert (row.user, row.units) == self.seen[key]
        for key, (earliest, latest) in self.ended.items():
            assert earliest <= written.pop(key, key[1]) <= latest, "a lease's end is not its own"
        assert not written, "what runs is in the history"

    @invariant()
    def caps_are_kept(self) -> None:
        held: dict[tuple[str, bool], int] = {}
        for lease in self.brokers[0].leases():
            pool = (lease.owner.user, "/" in lease.units[0])
            held[pool] = held.get(pool, 0) + len(lease.units)
        assert all(CAPS[user] is None or units <= CAPS[user] for (user, _), units in held.items())

    @invariant()
    def memory_and_database_agree(self) -> None:
        for broker, store in zip(self.brokers, self.stores, strict=True):
            memory = broker.look(_facts)
            with store.read() as connection:
                rows = _facts(ledger.load(connection, POLICY))
            for known, written in zip(memory, rows, strict=True):
                assert known == written, f"in memory {known}, in the database {written}"

    @invariant()
    def a_fatal_xid_keeps_its_card_out_of_use_and_is_answered_once(self) -> None:
        for broker in self.brokers:
            for unit in broker.units():
                assert not (unit.usable and unit.device in self.condemned), unit
        with self.stores[0].read() as connection:
            whys = connection.execute(select(audit.c.detail).where(audit.c.detail.like("Xid%")))
            answered = [row.detail for row in whys]
        assert len(answered) == len(set(answered))

    def teardown(self) -> None:
        """Nothing goes wrong any more: everyone who waits is served as the others leave."""
        if not hasattr(self, "brokers"):
            return
        try:
            self.drain()
        finally:
            for store in self.stores:
                store.close()

    def drain(self) -> None:
        broker = self.brokers[0]
        for unit in [*IDS, "S"]:
            broker.mark(unit, "", "", "teacher")
        self.xids.clear()
        self.see(UNITS)
        waiting = {each.ticket.id for each in broker.waiting()}
        for _turn in range(len(waiting) + 1):
            leases = broker.leases()
            waiting -= {lease.id for lease in leases}
            for lease in leases:
                broker.release(lease.id)
        assert not waiting
        assert broker.waiting() == ()


def _place(owner: Owner) -> tuple[str, str]:
    return owner.user, owner.server


def _facts(state: State) -> Any:
    """What two states have to agree on; accounts that were never used do not count."""
    return (
        state.tickets,
        # The order of a lease's units says nothing, and rows have another.
        {
            grant.id: replace(grant, units=tuple(sorted(grant.units)))
            for grant in state.leases.values()
        },
        state.lease_of,
        state.held,
        {user: times for user, times in state.recent.items() if times[0] > -float("inf")},
        {
            key: (account.settled, account.units, account.opened)
            for key, account in state.users.items()
            if account.settled or account.units
        },
        state.clock.ref,
    )
