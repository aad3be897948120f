"""Sums of what servers have used are what their counters say, whoever crashes or comes late."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from room import usage, used
from room.accounting import Reading
from room.models import Owner
from room.store import Store, migrate
from room.store.usage_tables import use_readings
from room.usage import Ran
from room.used import Amounts
from tests.unit.broker_machine import CrashError, Faults

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY, TOMORROW = date(2026, 11, 27), date(2026, 11, 28)
OWNERS = {"c1": ("ann", "dl"), "c2": ("bob", "")}


def read(
    cpu: float,
    memory: float = 0.0,
    *,
    container: str = "c1",
    life: str = "1",
    epoch: str = "e1",
    hours: float = 0.0,
) -> Reading:
    at = NOON + timedelta(hours=hours, seconds=cpu)
    return Reading(container, life, epoch, at, cpu, memory, memory / 2)


def taken(*polls: list[Reading]) -> dict[used.Day, Amounts]:
    """Return what several answers of the agent add, one after the other."""
    known: dict[used.Key, Amounts] = {}
    total: dict[used.Day, Amounts] = {}
    for readings in polls:
        known, days = used.take(known, readings, OWNERS, SHANGHAI)
        for day, amounts in days.items():
            total[day] = total.get(day, Amounts()) + amounts
    return total


@pytest.mark.parametrize(
    ("polls", "cpu", "memory"),
    [
        pytest.param([[read(3, 10)]], 3, 10, id="first"),
        pytest.param([[read(3, 10)], [read(5, 12)]], 5, 12, id="grows"),
        pytest.param([[read(3, 10)], [read(3, 10)], [read(3, 10)]], 3, 10, id="repeated"),
        pytest.param([[read(5, 12)], [read(3, 10)], [read(6, 13)]], 6, 13, id="late"),
        pytest.param([[read(3), read(4), read(5)]], 5, 0, id="several-at-once"),
        pytest.param(
            [[read(3, 10)], [read(7, 2, epoch="e2")]], 7, 12, id="the-agent-was-started-again"
        ),
        pytest.param(
            [[read(3, 10)], [read(7, 2, epoch="e2")], [read(5, 11)]], 7, 13,
            id="an-answer-of-the-agent-before-comes-late",
        ),
        pytest.param(
            [[read(3, 10)], [read(1, 12, life="2")]], 4, 22, id="the-container-was-started-again"
        ),
        pytest.param(
            [[read(3, 10)], [read(9, 12), read(9, 1, life="2")]], 18, 13,
            id="started-again-while-the-hub-was-away",
        ),
        pytest.param([[read(3, 10, container="c9")]], 0, 0, id="nobodys"),
    ],
)  # fmt: skip
def test_what_answers_add(polls: list[list[Reading]], cpu: float, memory: float) -> None:
    whole = sum(taken(*polls).values(), Amounts())
    assert (whole.cpu, whole.memory, whole.seen) == (cpu, memory, memory / 2)


def test_each_owner_and_day_has_its_own() -> None:
    found = taken(
        [read(3), read(7, container="c2")],
        # 16:00 UTC is midnight in Shanghai.
        [read(5, hours=3.9), read(8, hours=4.1), read(9, container="c2", hours=3)],
    )
    assert {day: amounts.cpu for day, amounts in found.items()} == {
        ("ann", "dl", TODAY): 5,
        ("ann", "dl", TOMORROW): 3,
        ("bob", "", TODAY): 9,
    }


@given(st.data())
def test_in_whatever_order_answers_come_the_sum_is_what_was_used(data: st.DataObject) -> None:
    """Lives of containers, epochs of the agent, answers that are lost, repeated and mixed up."""
    truth: dict[tuple[str, str], float] = {}
    memory: dict[used.Key, float] = {}
    history: list[Reading] = []
    hours = 0.0
    for _ in range(data.draw(st.integers(1, 30))):
        hours += data.draw(st.floats(0, 9))
        key = (
            data.draw(st.sampled_from(sorted(OWNERS))),
            data.draw(st.sampled_from("12")),
            data.draw(st.sampled_from(["e1", "e2", "e3"])),
        )
        truth[key[:2]] = truth.get(key[:2], 0.0) + data.draw(st.integers(0, 1000))
        memory[key] = memory.get(key, 0.0) + data.draw(st.integers(0, 10**9))
        history.append(
            Reading(*key, NOON + timedelta(hours=hours), truth[key[:2]], memory[key], 0.0)
        )
    polls = data.draw(st.lists(st.lists(st.sampled_from(history), max_size=9), max_size=9))
    # The last answer tells of each counter as it is in the end; some of it may be told before.
    last = list({used.key_of(each): each for each in history}.values())
    newest = {
        container_life: next(
            r for r in reversed(history) if (r.container, r.life) == container_life
        )
        for container_life in truth
    }
    whole = sum(taken(*polls, [*last, *newest.values()], *polls).values(), Amounts())
    assert whole.cpu == sum(truth.values())
    assert whole.memory == sum(memory.values())


# -- in the database ---------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    migrate.upgrade(store)
    yield store
    store.close()


def runs(store: Store, container: str = "c1", user: str = "ann", group: str = "dl") -> None:
    with store.decide() as connection:
        usage.note(connection, Ran(container, Owner(user), group, "cpu", 2.0, 0, NOON))


def record(store: Store, *readings: Reading) -> None:
    with store.decide() as connection:
        used.record(connection, readings, SHANGHAI)


def days(store: Store, since: date | None = None) -> dict[used.Day, Amounts]:
    with store.read() as connection:
        return used.by_day(connection, since)


def test_answers_are_added_to_days_and_repeating_one_changes_nothing(store: Store) -> None:
    runs(store)
    runs(store, "c2", "ann")
    for _ in range(2):
        record(store, read(3, 10), read(4, 20, container="c2"))
    assert days(store) == {("ann", "dl", TODAY): Amounts(7, 30, 15)}
    record(store, read(5, 12), read(9, 20, container="c2", hours=5))
    assert days(store) == {
        ("ann", "dl", TODAY): Amounts(9, 32, 16),
        ("ann", "dl", TOMORROW): Amounts(5, 0, 0),
    }
    assert days(store, TOMORROW).keys() == {("ann", "dl", TOMORROW)}
    record(store)
    assert len(days(store)) == 2


def test_who_is_in_the_ledger_later_is_counted_whole(store: Store) -> None:
    record(store, read(3, 10))
    assert days(store) == {}
    runs(store)
    record(store, read(4, 11))
    assert days(store) == {("ann", "dl", TODAY): Amounts(4, 11, 5.5)}


def test_how_far_was_counted_is_forgotten_only_of_whom_nobody_tells(store: Store) -> None:
    runs(store)
    runs(store, "c2", "bob")
    record(store, read(3), read(4, container="c2"))
    later = replace(read(3), at=NOON + used.KEEP + timedelta(hours=1))
    record(store, later)
    record(store, replace(later, cpu=5))
    with store.read() as connection:
        kept = [row.container for row in connection.execute(select(use_readings))]
    assert kept == ["c1"]
    assert sum(days(store).values(), Amounts()).cpu == 9


def test_a_running_server_is_unseen_only_until_it_was_read_last(store: Store) -> None:
    runs(store)
    runs(store, "c2", "bob")
    record(store, read(100, 10))
    with store.read() as connection:
        ran = {span.user: span.end for span in usage.servers(connection).ran}
        assert [span.user for span in usage.servers(connection, user="bob").ran] == ["bob"]
    assert ran == {"ann": NOON + timedelta(seconds=100), "bob": None}


def test_each_cpu_second_counts_once_over_many_crashes(store: Store) -> None:
    """Hub and agent end at any point: the hub around any statement, the agent between answers."""
    chance = random.Random(7)
    faults, hours, epoch = Faults(store), 0.0, 0
    truth: dict[str, float] = {}
    memory: dict[used.Key, float] = {}
    living: list[str] = []
    ended: dict[str, Reading] = {}
    while faults.crashes < 500:
        hours += chance.uniform(0, 0.5)
        if len(living) < 4:
            living.append(f"c{len(truth) + 1}")
            runs(store, living[-1], chance.choice(["ann", "bob"]), chance.choice(["dl", ""]))
        if chance.random() < 0.1:
            # What it told of memory in this life it has told: the answer before was written.
            epoch += 1
        told = [*ended.values()]
        for container in living:
            truth[container] = truth.get(container, 0.0) + chance.uniform(0, 3000)
            key = (container, "1", f"e{epoch}")
            memory[key] = memory.get(key, 0.0) + chance.uniform(0, 1e12)
            at = NOON + timedelta(hours=hours)
            told.append(Reading(*key, at, truth[container], memory[key], 1.0))
        if chance.random() < 0.3:
            last = living.pop(0)
            ended[last] = next(each for each in told if each.container == last)
        while True:
            faults.left = chance.randint(1, 40)
            try:
                record(store, *told)
            except CrashError:
                continue  # the hub that comes back asks again
            finally:
                faults.left = 0
            break
    whole = sum(days(store).values(), Amounts())
    assert abs(whole.cpu - sum(truth.values())) < 0.001
    assert whole.memory == pytest.approx(sum(memory.values()), rel=1e-9)
    assert len({day for _user, _group, day in days(store)}) > 5
