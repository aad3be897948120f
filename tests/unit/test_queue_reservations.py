"""Who passes a request for several units that cannot start yet: tables."""

from __future__ import annotations

import pytest

from room.gpus.events import NEVER, Event, Left, Policy, Prolonged, Released, Submitted
from room.gpus.queue import step
from tests.utils.queueing import ask, gpus, order, play, ticket

#: Two units: one is leased until 100, one is free, and ann waits for both.
PAIR = [ask("eve", lease=100.0), ask("dee", lease=10.0), ask("ann", 1, 2), Released(5, "dee")]
PASS = [
    pytest.param([ask("bob", 6, lease=94.0)], "bob", id="whose lease ends by the reserved time"),
    pytest.param([ask("bob", 6, lease=95.0)], "", id="not whose lease ends later"),
    pytest.param([ask("bob", 6)], "", id="not who has no end"),
    pytest.param([ask("bob", 6, lease=95.0), Prolonged(7, "eve", 200.0)], "bob", id="time moves"),
    pytest.param([ask("bob", 6), Prolonged(7, "eve", NEVER)], "bob", id="a time nobody knows"),
    pytest.param([ask("bob", 6, lease=94.0), Released(7, "eve")], "bob", id="nobody is put off"),
    pytest.param([ask("bob", 6), Released(7, "eve")], "ann", id="both are free: it starts"),
    pytest.param([ask("bob", 150, lease=1.0)], "", id="a lease past its end ends any moment"),
    pytest.param([ask("bob", 6), Left(7, "ann")], "bob", id="who leaves reserves nothing"),
]


@pytest.mark.parametrize(("events", "expected"), PASS)
def test_small_requests_pass_a_large_one(events: list[Event], expected: str):
    _state, granted = play(gpus("G0 G1"), [*PAIR, *events])
    assert order(granted[2:]) == expected


def test_who_waited_too_long_is_passed_by_nobody_on_its_units():
    policy = Policy(None, 60.0)
    state, _granted = play(gpus("G0 G1"), PAIR, policy)
    state.note_served("cy", 20.0)
    state.note_served("cy", 30.0)
    assert step(state, Submitted(70.0, ticket("bob", 70.0, lease=1.0)))[1] == []
    assert [grant.id for grant in step(state, Released(80.0, "eve"))[1]] == ["ann"]


def test_who_waited_too_long_gathers_units_even_when_no_lease_has_an_end():
    policy = Policy(None, 60.0)
    events = [ask("eve"), ask("dee"), ask("ann", 1, 2)]
    state, _granted = play(gpus("G0 G1"), events, policy)
    state.note_served("cy", 20.0)
    state.note_served("cy", 30.0)
    step(state, Submitted(50.0, ticket("bob", 50.0, lease=1.0)))
    assert step(state, Released(70.0, "dee"))[1] == []
    assert [grant.id for grant in step(state, Released(80.0, "eve"))[1]] == ["ann"]


def test_of_two_large_requests_for_the_same_units_only_the_first_reserves():
    # eve's ends at 100 and dee's at 300: ann of 2 can start at 100, bob of 3 at 300.
    units = gpus("G0 G1 G2")
    before = [ask("eve", lease=100.0), ask("dee", lease=300.0), ask("fay", lease=10.0)]
    large = [ask("ann", 1, 2), ask("bob", 2, 3), Released(5, "fay")]
    _state, granted = play(units, [*before, *large, ask("cy", 6, lease=94.0)])
    assert order(granted[3:]) == "cy"
    _state, granted = play(units, [*before, *large, Released(7, "dee"), ask("cy", 8)])
    assert order(granted[3:]) == "ann"


def test_a_second_large_request_reserves_units_of_its_own():
    units = (*gpus("A0 A1"), *gpus("T0 T1", model="T4", memory_mib=16_000))
    before = [
        *(ask(f"a{n}", lease=100.0, model="a100") for n in range(2)),
        *(ask(f"t{n}", lease=50.0, model="t4") for n in range(2)),
        *(ask("ann", 1, 2, model="a100"), ask("bob", 2, 2, model="t4")),
        *(Released(5, "a0"), Released(5, "t0")),
    ]
    _state, granted = play(units, [*before, ask("cy", 6, lease=90.0), ask("dee", 7, lease=60.0)])
    # On A0 until 96 is soon enough for ann; on T0 bob would be late by either.
    assert granted[4:] == ["cy: A0"]


def test_a_large_request_that_cannot_reserve_keeps_nobody_from_what_it_waits_for():
    # bob of 3 would take T0 too, but A1 is ann's by 100: T0 is not kept for him alone.
    units = (*gpus("A0 A1"), *gpus("T0", model="T4", memory_mib=16_000))
    before = [
        *(ask("eve", lease=100.0, model="a100"), ask("fay", lease=10.0, model="a100")),
        *(ask("gus", lease=10.0, model="t4"), ask("ann", 1, 2, model="a100"), ask("bob", 2, 3)),
        *(Released(5, "fay"), Released(5, "gus")),
    ]
    _state, granted = play(units, [*before, ask("cy", 6)])
    assert granted[3:] == ["cy: T0"]


def test_a_large_request_whose_time_nobody_knows_leaves_the_reservation_to_the_next():
    # ann of 3 waits for eve, who has no end; bob of 2 can start when dee's ends, at 100.
    before = [
        *(ask("eve"), ask("dee", lease=100.0), ask("fay", lease=10.0)),
        *(ask("ann", 1, 3), ask("bob", 2, 2), Released(5, "fay")),
    ]
    _state, granted = play(gpus("G0 G1 G2"), [*before, ask("cy", 6, lease=95.0)])
    assert order(granted[3:]) == ""
    _state, granted = play(gpus("G0 G1 G2"), [*before, ask("cy", 6, lease=94.0)])
    assert order(granted[3:]) == "cy"


def test_who_waits_for_one_unit_keeps_no_large_request_from_reserving():
    units = (*gpus("A0 A1"), *gpus("T0", model="T4", memory_mib=16_000))
    before = [
        *(ask("eve", lease=50.0, model="t4"), ask("dee", lease=100.0, model="a100")),
        *(ask("fay", lease=10.0, model="a100"), ask("ann", 1, model="t4"), ask("bob", 2, 3)),
        Released(5, "fay"),
    ]
    _state, granted = play(units, [*before, ask("cy", 6)])
    assert order(granted[3:]) == ""
