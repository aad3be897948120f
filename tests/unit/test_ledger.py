"""The ledger's sum is the leases' seconds, however often the process ends in between."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

from room.gpus.broker import Broker
from room.gpus.inventory import simulated
from room.gpus.requests import GPURequest
from room.models import Owner
from room.store import Store, migrate
from room.usage import gpu_spans, total
from tests.unit.broker_machine import CrashError, Faults

BEGAN = 1_800_000_000.0
CRASHES = 1000


def test_each_second_of_each_lease_counts_once_over_many_crashes(tmp_path: Path) -> None:
    chance = random.Random(5)
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    migrate.upgrade(store)
    faults, now, expected = Faults(store), BEGAN, 0.0

    def fresh() -> Broker:
        made = Broker(store, now=lambda: now)
        made.survey(simulated(3))
        return made

    def rates() -> int:
        return sum(len(lease.units) for lease in broker.leases())

    broker = fresh()
    while faults.crashes < CRASHES:
        owner = Owner(chance.choice("abc"))
        held = broker.held_by(owner)
        faults.left = chance.randint(1, 60)
        try:
            if held is None:
                broker.submit(owner, GPURequest(chance.randint(1, 2)))
            elif held.ready_at is None and chance.random() < 0.3:
                broker.requeue(held.id)
            elif held.ready_at is None:
                broker.ready(held.id)
            else:
                broker.release(held.id, chance.choice(("ended", "lost")))
        except CrashError:
            broker = fresh()
        finally:
            faults.left = 0
        # What is leased now is leased until the next step.
        passed = round(chance.uniform(0, 5000), 6)
        expected += rates() * passed
        now += passed
    moment = datetime.fromtimestamp(now, timezone.utc)
    with store.read() as connection:
        spans = gpu_spans(connection)
    ended = sum(span.end is not None for span in spans)
    found = total(spans, moment - timedelta(days=9999), moment, moment)
    store.close()
    assert ended > CRASHES / 10
    assert abs(found - expected) < 1.0, f"{found} s in the ledger, {expected} s of leases"
