"""Leases: one holder a unit whatever happens, and words for who gets none."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from room.gpus.broker import Broker
from room.gpus.inventory import dumps, file_reader, loads, simulated, simulated_uuid
from room.gpus.placement import place
from room.models import Inventory, Lease, Owner, Reject
from room.store import Store
from room.store.migrate import upgrade

ALICE, BOB = Owner("alice"), Owner("bob")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path / 'torchroom.sqlite'}")
    upgrade(store)
    yield store
    store.close()


def granted(verdict: Lease | Reject) -> Lease:
    assert isinstance(verdict, Lease), verdict
    return verdict


@pytest.mark.parametrize(
    ("units", "taken", "count", "reason", "words"),
    [
        pytest.param(0, (), 1, "gpu-none", "needs 1 GPU and this room has none", id="no-gpus"),
        pytest.param(2, (), 3, "gpu-too-many", "needs 3 GPUs and this room has 2", id="too-many"),
        pytest.param(1, (0,), 1, "gpu-taken", "The room's only GPU is taken", id="only-one"),
        pytest.param(4, (0, 1, 2, 3), 1, "gpu-taken", "All 4 GPUs are taken", id="all-taken"),
        pytest.param(4, (0, 1, 2), 2, "gpu-taken", "3 of 4 GPUs are taken, 1 free", id="one-left"),
    ],
)
def test_a_request_that_cannot_be_placed_says_the_numbers(
    units: int, taken: tuple[int, ...], count: int, reason: str, words: str
) -> None:
    verdict = place(simulated(units), {simulated_uuid(i) for i in taken}, count)
    assert isinstance(verdict, Reject)
    assert verdict.reason == reason
    assert words in verdict.message


def test_units_are_placed_lowest_index_first() -> None:
    placed = place(simulated(4), {simulated_uuid(0), simulated_uuid(2)}, 2)
    assert [unit.index for unit in placed] == [1, 3]


def test_four_owners_get_four_units_and_the_fifth_waits_for_one_to_leave(store: Store) -> None:
    broker = Broker(store, lambda: simulated(4))
    leases = [granted(broker.acquire(f"l{i}", Owner(f"u{i}"), 1)) for i in range(4)]
    assert len({unit for lease in leases for unit in lease.units}) == 4

    refused = broker.acquire("l5", Owner("u5"), 1)
    assert isinstance(refused, Reject)
    assert refused.message.startswith("All 4 GPUs are taken")

    assert broker.release("l2")
    assert granted(broker.acquire("l5", Owner("u5"), 1)).units == leases[2].units


def test_acquire_and_release_may_be_repeated(store: Store) -> None:
    broker = Broker(store, lambda: simulated(2))
    first = granted(broker.acquire("l1", ALICE, 1))
    assert broker.acquire("l1", ALICE, 1) == first
    assert broker.release("l1") is True
    assert broker.release("l1") is False


def test_an_owner_whose_last_lease_is_not_released_gets_no_second_one(store: Store) -> None:
    broker = Broker(store, lambda: simulated(2))
    broker.acquire("l1", ALICE, 1)
    refused = broker.acquire("l2", ALICE, 1)
    assert isinstance(refused, Reject)
    assert refused.reason == "gpu-still-held"


def test_a_lease_known_only_by_its_labels_is_adopted_unless_its_unit_is_taken(store: Store) -> None:
    broker = Broker(store, lambda: simulated(2))
    lease = granted(broker.acquire("l1", ALICE, 1))
    broker.release("l1")
    assert broker.adopt(lease) is True
    assert broker.adopt(lease) is True
    assert broker.leases() == (lease,)

    double = Lease("l9", BOB, lease.units, lease.granted_at)
    assert broker.adopt(double) is False


def test_two_processes_never_grant_one_unit_twice(tmp_path: Path) -> None:
    """Two stores on one file stand for two processes: nothing but the database is shared."""
    url = f"sqlite:///{tmp_path / 'torchroom.sqlite'}"
    stores = [Store(url), Store(url)]
    upgrade(stores[0])
    brokers = [Broker(store, lambda: simulated(4)) for store in stores]
    verdicts: list[Lease | Reject] = []

    def ask(number: int) -> None:
        verdicts.append(brokers[number % 2].acquire(f"l{number}", Owner(f"u{number}"), 1))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    held = [unit for v in verdicts if isinstance(v, Lease) for unit in v.units]
    assert len(held) == 4
    assert len(set(held)) == 4


def test_an_inventory_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    read = file_reader(path)
    assert read() == Inventory()
    path.write_text(dumps(simulated(3)))
    assert read() == simulated(3) == loads(dumps(simulated(3)))
    path.write_text(dumps(simulated(5)))
    assert len(read().units) == 5


@pytest.mark.parametrize("text", ['{"units": [{}]}', "[]", "{"], ids=["field", "shape", "json"])
def test_what_is_no_inventory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"inventory|Expecting"):
        loads(text)


class Leases(RuleBasedStateMachine):
    """Invariant 1 under any order of acquire, release, adopt and a changing inventory."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store("sqlite://")
        # One connection: an in-memory database is gone with it.
        upgrade(self.store)
        self.size = 3
        self.broker = Broker(self.store, lambda: simulated(self.size))
        self.model: dict[str, Lease] = {}
        self.released: list[Lease] = []
        self.number = 0

    @rule(user=st.sampled_from("abcdef"), count=st.integers(1, 3))
    def acquire(self, user: str, count: int) -> None:
        self.number += 1
        verdict = self.broker.acquire(f"l{self.number}", Owner(user), count)
        held = {unit for lease in self.model.values() for unit in lease.units}
        usable = {unit.uuid for unit in simulated(self.size).units} - held
        can = len(usable) >= count and all(x.owner.user != user for x in self.model.values())
        assert isinstance(verdict, Lease) == can
        if isinstance(verdict, Lease):
            assert set(verdict.units) <= usable
            assert len(verdict.units) == count
            self.model[verdict.id] = verdict

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.model:
            lease = self.model.pop(data.draw(st.sampled_from(sorted(self.model))))
            assert self.broker.release(lease.id)
            self.released.append(lease)

    @rule(data=st.data())
    def adopt_again(self, data: st.DataObject) -> None:
        if self.released:
            lease = data.draw(st.sampled_from(self.released))
            if self.broker.adopt(lease):
                self.model[lease.id] = lease

    @rule(size=st.integers(0, 4))
    def cards_come_and_go(self, size: int) -> None:
        self.size = size

    @invariant()
    def no_unit_has_two_leases_and_rows_are_what_was_granted(self) -> None:
        rows = {lease.id: lease for lease in self.broker.leases()}
        assert rows.keys() == self.model.keys()
        units = [unit for lease in rows.values() for unit in lease.units]
        assert len(units) == len(set(units))
        owners = [lease.owner for lease in rows.values()]
        assert len(owners) == len(set(owners))

    def teardown(self) -> None:
        self.store.close()


TestLeases = Leases.TestCase
TestLeases.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
