"""Leases and tickets for good: one holder a unit whatever happens, and a place that is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, select, text

from room.gpus import ledger
from room.gpus.broker import Broker
from room.gpus.events import NEVER, Policy, Ticket
from room.gpus.inventory import simulated, simulated_uuid
from room.gpus.placement import refuse
from room.gpus.requests import GPURequest
from room.gpus.seats import Sharing, split
from room.models import GPUUnit, Inventory, Lease, Owner, Reject, Xid
from room.store import Store
from room.store.metadata import metadata
from room.store.migrate import _config, upgrade
from room.store.tables import audit

ALICE, BOB = Owner("alice"), Owner("bob")
ONE, TWO = GPURequest(1), GPURequest(2)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'torchroom.sqlite'}")
    upgrade(store)
    yield store
    store.close()


def broker_with(store: Store, units: int, clock: Clock | None = None) -> Broker:
    made = Broker(store, now=clock or Clock())
    made.survey(simulated(units))
    return made


def granted(verdict: object) -> Lease:
    assert isinstance(verdict, Lease), verdict
    return verdict


def waits(verdict: object) -> Ticket:
    assert isinstance(verdict, Ticket), verdict
    return verdict


@pytest.mark.parametrize(
    ("units", "request_", "cap", "reason", "words"),
    [
        pytest.param(0, ONE, None, "gpu-none", "needs 1 GPU and this room has none", id="none"),
        pytest.param(2, GPURequest(3), None, "gpu-too-many", "this room has 2", id="too-many"),
        pytest.param(2, TWO, 1, "gpu-cap", "you may hold 1 at once", id="cap"),
        pytest.param(2, GPURequest(1, "mig"), None, "gpu-none", "1 MIG instance", id="kind"),
        pytest.param(2, GPURequest(1, model="A100"), None, "gpu-none", "with A100", id="model"),
    ],
)
def test_what_can_never_be_served_is_refused_with_the_numbers(
    units: int, request_: GPURequest, cap: int | None, reason: str, words: str
) -> None:
    verdict = refuse(request_, simulated(units), cap)
    assert verdict is not None
    assert verdict.reason == reason
    assert words in verdict.message


def test_a_unit_that_is_ill_makes_people_wait_and_refuses_nobody() -> None:
    ill = tuple(replace(unit, health="unknown") for unit in simulated(1).units)
    assert refuse(ONE, Inventory(ill)) is None


def test_four_owners_get_four_units_and_the_fifth_waits_for_one_to_leave(store: Store) -> None:
    told: list[tuple[str, ...]] = []
    broker = broker_with(store, 4)
    leases = [granted(broker.submit(Owner(f"u{i}"), ONE)) for i in range(4)]
    assert len({unit for lease in leases for unit in lease.units}) == 4

    ticket = waits(broker.submit(Owner("u5"), ONE))
    assert [each.ticket for each in broker.waiting()] == [ticket]
    broker.on_grants = lambda ids: told.append(tuple(ids))
    assert broker.release(leases[2].id)
    assert told == [(ticket.id,)]
    assert granted(broker.lease(ticket.id)).units == leases[2].units
    assert broker.waiting() == ()


def test_asking_and_releasing_may_be_repeated(store: Store) -> None:
    broker = broker_with(store, 1)
    first = granted(broker.submit(ALICE, ONE))
    ticket = waits(broker.submit(BOB, ONE))
    assert waits(broker.submit(BOB, ONE)) == ticket
    assert granted(broker.submit(ALICE, ONE)) == first, "her start has not ended yet"
    assert broker.release(first.id) is True
    assert broker.release(first.id) is False
    assert broker.leave(ticket.id) is False, "it is a lease by now"


def test_who_asks_for_something_else_loses_the_place(store: Store) -> None:
    clock = Clock()
    broker = broker_with(store, 2, clock)
    for user in ("x", "y"):
        granted(broker.submit(Owner(user), ONE))
    first = waits(broker.submit(ALICE, ONE))
    clock.now += 1
    waits(broker.submit(BOB, ONE))
    clock.now += 1
    again = waits(broker.submit(ALICE, TWO))
    assert again.id != first.id
    assert [each.ticket.user for each in broker.waiting()] == ["bob", "alice"]


def test_a_server_whose_last_lease_is_not_released_gets_no_second_one(store: Store) -> None:
    broker = broker_with(store, 2)
    lease = granted(broker.submit(ALICE, ONE))
    broker.ready(lease.id)
    refused = broker.submit(ALICE, ONE)
    assert isinstance(refused, Reject)
    assert refused.reason == "gpu-still-held"


def test_a_start_that_failed_gets_its_place_back_and_another_unit(store: Store) -> None:
    clock = Clock()
    broker = broker_with(store, 2, clock)
    lease = granted(broker.submit(ALICE, ONE))
    clock.now += 5
    assert broker.requeue(lease.id, blame_units=True)
    again = granted(broker.lease(lease.id))
    assert again.units != lease.units
    assert again.owner == ALICE


def test_two_device_errors_take_a_unit_out_of_use_and_say_so(store: Store) -> None:
    broker = broker_with(store, 1)
    unit = simulated_uuid(0)
    assert broker.failed_on([unit], "no such device") == ()
    assert broker.failed_on([unit], "no such device") == (unit,)
    waits(broker.submit(ALICE, ONE))
    with store.read() as connection:
        rows = connection.execute(select(audit)).all()
    assert [(row.action, row.subject, row.detail) for row in rows] == [
        ("gpu-quarantined", unit, "no such device")
    ]
    broker.mark(unit, "", "", "root")
    assert broker.waiting() == ()


def test_what_is_said_of_a_gpu_holds_for_its_seats(store: Store) -> None:
    seats = tuple(GPUUnit(f"GPU-0/{n}", 0, "T4", 8192, kind="seat", parent="GPU-0") for n in (1, 2))
    broker = Broker(store, now=Clock())
    broker.survey(Inventory(seats))
    broker.mark("GPU-0", "drained", "new fan", "root")
    waits(broker.submit(ALICE, GPURequest(1, "seat")))


GPU = simulated_uuid(0)


def reporting(report: str | None, *, health: str = "sick") -> Inventory:
    """Return one GPU of which the agent says this report of an Xid 79, or none any more."""
    (unit,) = simulated(1).units
    if report is None:
        return Inventory((unit,))
    return Inventory((replace(unit, health=health, why="Xid 79: reboot", xid=Xid(79, report)),))


def standing(broker: Broker) -> tuple[str, str]:
    return broker.units()[0].health, broker.units()[0].why


def said_for_good(store: Store) -> list[tuple[str, str, str, str]]:
    with store.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.id)).all()
    return [(row.actor, row.action, row.subject, row.detail) for row in rows]


QUARANTINED = ("the room", "gpu-quarantined", GPU, "Xid 79: reboot")


def test_a_fatal_xid_quarantines_its_gpu_once_until_an_admin_says_otherwise(store: Store) -> None:
    broker = Broker(store, now=Clock())
    assert broker.survey(reporting("monday")) == (GPU,)
    assert standing(broker) == ("quarantined", "Xid 79: reboot")
    assert broker.survey(reporting("monday")) == ()
    assert Broker(store, now=Clock()).survey(reporting("monday")) == (), "nor a hub that is new"
    assert said_for_good(store) == [QUARANTINED]

    broker.survey(reporting(None))
    assert standing(broker) == ("quarantined", "Xid 79: reboot"), "the agent began anew"
    ticket = waits(broker.submit(ALICE, ONE))
    broker.mark(GPU, "", "", "root")
    assert granted(broker.lease(ticket.id)).units == (GPU,)


def test_an_admins_undrain_holds_while_the_same_report_is_said_and_not_for_another(
    store: Store,
) -> None:
    broker = Broker(store, now=Clock())
    broker.survey(reporting("monday"))
    broker.mark(GPU, "", "", "root")
    assert broker.survey(reporting("monday")) == ()
    assert standing(broker)[0] == "sick", "until the agent is restarted"
    broker.survey(reporting(None))
    assert standing(broker)[0] == "ok"
    assert broker.survey(reporting("tuesday")) == (GPU,)
    assert [action for _, action, *_ in said_for_good(store)] == [
        "gpu-quarantined",
        "gpu-back",
        "gpu-quarantined",
    ]


@pytest.mark.parametrize(
    ("mark", "gone", "standing_"),
    [
        pytest.param("drained", (GPU,), ("quarantined", "Xid 79: reboot"), id="drained"),
        pytest.param("quarantined", (), ("quarantined", "new fan"), id="quarantined-already"),
    ],
)
def test_what_an_admin_said_before_a_fatal_xid(
    store: Store, mark: str, gone: tuple[str, ...], standing_: tuple[str, str]
) -> None:
    broker = broker_with(store, 1)
    broker.mark(GPU, mark, "new fan", "root")
    assert broker.survey(reporting("monday")) == gone
    assert standing(broker) == standing_
    broker.mark(GPU, "", "", "root")
    assert broker.survey(reporting("monday")) == (), "it was answered"


def test_sickness_of_another_kind_ends_by_itself(store: Store) -> None:
    broker = Broker(store, now=Clock())
    (unit,) = simulated(1).units
    assert broker.survey(Inventory((replace(unit, health="sick", why="Xid 79, lost"),))) == ()
    broker.survey(reporting(None))
    assert standing(broker) == ("ok", "")
    assert said_for_good(store) == []


def test_who_has_a_gpu_with_a_fatal_xid_keeps_it_and_who_waits_gets_another(store: Store) -> None:
    broker = broker_with(store, 2)
    alice, bob = (granted(broker.submit(Owner(user), ONE)) for user in ("alice", "bob"))
    ticket = waits(broker.submit(Owner("cy"), ONE))
    units = {unit.uuid: unit for unit in simulated(2).units}
    ill = units[alice.units[0]]
    units[ill.uuid] = replace(ill, health="sick", why="Xid 79", xid=Xid(79, "monday"))
    assert broker.survey(Inventory(tuple(units.values()))) == alice.units
    assert [lease.id for lease in broker.leases()] == [alice.id, bob.id]
    broker.release(alice.id)
    assert [each.ticket.id for each in broker.waiting()] == [ticket.id], "nobody gets hers"
    broker.release(bob.id)
    assert granted(broker.lease(ticket.id)).units == bob.units


def test_all_parts_of_a_gpu_share_its_quarantine_also_when_they_are_others_later(
    store: Store,
) -> None:
    broker = Broker(store, now=Clock())
    seats = split(reporting("monday").units, (Sharing(4, gpus=(0,)),))
    assert broker.survey(Inventory(seats)) == (GPU,)
    assert said_for_good(store) == [QUARANTINED]
    broker.survey(Inventory(split(simulated(1).units, (Sharing(2, gpus=(0,)),))))
    assert {unit.health for unit in broker.units()} == {"quarantined"}


def test_a_lease_known_only_by_its_labels_is_adopted_unless_its_unit_is_taken(store: Store) -> None:
    broker = broker_with(store, 2)
    lease = granted(broker.submit(ALICE, ONE))
    broker.release(lease.id)
    assert broker.adopt(lease) is True
    assert broker.adopt(lease) is True
    assert [(each.id, each.units) for each in broker.leases()] == [(lease.id, lease.units)]
    assert broker.adopt(Lease("l9", BOB, lease.units, lease.granted_at)) is False


def test_a_lease_has_an_end_that_can_be_moved(store: Store) -> None:
    clock = Clock()
    broker = broker_with(store, 1, clock)
    lease = granted(broker.submit(ALICE, ONE, lease_seconds=60))
    assert lease.ends_at == ledger.moment(clock.now + 60)
    assert broker.extend(lease.id, clock.now + 120)
    assert granted(broker.lease(lease.id)).ends_at == ledger.moment(clock.now + 120)


def test_the_class_that_used_less_for_its_weight_is_served_first(store: Store) -> None:
    clock = Clock()
    broker = Broker(store, Policy(weights={"big": 4}), now=clock)
    broker.survey(simulated(1))
    held = granted(broker.submit(Owner("a1"), ONE, groups=["small"]))
    clock.now += 3600
    broker.release(held.id)
    held = granted(broker.submit(Owner("b1"), ONE, groups=["big"]))
    clock.now += 3600
    waits(broker.submit(Owner("a2"), ONE, groups=["small"]))
    clock.now += 1
    later = waits(broker.submit(Owner("b2"), ONE, groups=["big"]))
    broker.release(held.id)
    assert granted(broker.lease(later.id)).owner.user == "b2", "an hour for 4 counts as 15 minutes"


def test_a_class_s_share_can_be_changed_while_somebody_waits(store: Store) -> None:
    clock = Clock()
    broker = broker_with(store, 1, clock)
    held = granted(broker.submit(Owner("a1"), ONE, groups=["small"]))
    clock.now += 3600
    broker.release(held.id)
    held = granted(broker.submit(Owner("b1"), ONE, groups=["big"]))
    clock.now += 7200
    waits(broker.submit(Owner("a2"), ONE, groups=["small"]))
    later = waits(broker.submit(Owner("b2"), ONE, groups=["big"]))
    broker.weigh({"big": 4})
    broker.release(held.id)
    assert granted(broker.lease(later.id)).owner.user == "b2", "2 h for 4 count as 30 minutes"


def test_two_processes_never_grant_one_unit_twice_and_see_each_others_tickets(
    tmp_path: Path,
) -> None:
    """Two stores on one file stand for two processes: nothing but the database is shared."""
    url = f"sqlite:///{tmp_path / 'torchroom.sqlite'}"
    stores = [Store(url), Store(url)]
    upgrade(stores[0])
    brokers = [broker_with(each, 4) for each in stores]

    def ask(process: int) -> None:
        for number in range(8):
            brokers[process].submit(Owner(f"u{process}-{number}"), ONE)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [unit for lease in brokers[0].leases() for unit in lease.units]
    assert len(held) == len(set(held)) == 4
    assert len(brokers[1].waiting()) == 12
    for lease in brokers[0].leases():
        brokers[1].release(lease.id)
    assert len(brokers[0].waiting()) == 8
    for each in stores:
        each.close()


def test_a_decision_that_fails_half_way_leaves_nothing_and_the_next_one_is_right(
    store: Store,
) -> None:
    broker = broker_with(store, 1)

    def fail(_connection, _cursor, statement, *_more):  # type: ignore[no-untyped-def]
        if statement.startswith("INSERT INTO lease_units"):
            raise RuntimeError("the power went out")

    event.listen(store.engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        broker.submit(ALICE, ONE)
    event.remove(store.engine, "before_cursor_execute", fail)
    assert broker.leases() == ()
    assert broker.waiting() == ()
    assert granted(broker.submit(BOB, ONE)).owner == BOB


def test_a_start_that_failed_served_nobody_also_for_a_new_process(store: Store) -> None:
    clock = Clock()
    broker = broker_with(store, 1, clock)
    lease = granted(broker.submit(ALICE, ONE))
    broker.mark(simulated_uuid(0), "drained", "fan", "teacher")
    broker.requeue(lease.id)
    for each in (broker, broker_with(store, 1, clock)):
        never = each.look(lambda state: state.recent.get("alice", (-NEVER, -NEVER)))
        assert never == (-NEVER, -NEVER)


def test_a_look_sees_what_was_used_until_now_as_a_new_process_does(store: Store) -> None:
    clock = Clock()
    broker = broker_with(store, 1, clock)
    granted(broker.submit(ALICE, ONE, groups=["dl"]))
    clock.now += 100.0
    used = [
        each.look(lambda state: state.used("alice", "dl"))
        for each in (broker, broker_with(store, 1, clock))
    ]
    assert used[0] == used[1] == pytest.approx(100.0, rel=1e-2)


def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_queue_s_migration_goes_back_and_forth_with_rows_in_it(store: Store) -> None:
    broker = broker_with(store, 1)
    lease = granted(broker.submit(ALICE, ONE, lease_seconds=600.0))
    assert isinstance(broker.submit(BOB, ONE), Ticket)
    broker.mark(simulated_uuid(0), "drained", "fan", "teacher")

    command.downgrade(_config(store), "0001")
    with store.read() as connection:
        rows = connection.execute(text("SELECT * FROM leases")).mappings().all()
    assert [row["id"] for row in rows] == [lease.id]
    assert "ends_at" not in rows[0]

    upgrade(store)
    found = broker_with(store, 1)
    assert [(each.id, each.units) for each in found.leases()] == [(lease.id, lease.units)]
    assert found.leases()[0].ready_at is not None, "its server runs already"
    assert found.waiting() == ()
    assert found.release(lease.id)
