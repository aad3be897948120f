"""The queue's rule, a table for each of its sentences: what happens, and who gets which unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

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
from room.gpus.queue import startable, step
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import GPUUnit, Owner

HOUR = 3600.0


def gpu(name: str, **more: Any) -> GPUUnit:
    fields = {"index": int(name[-1]), "model": "A100", "memory_mib": 40_000, **more}
    return GPUUnit(name, **fields)


def gpus(names: str, **more: Any) -> tuple[GPUUnit, ...]:
    return tuple(gpu(name, **more) for name in names.split())


def seats(card: str, count: int, index: int = 0) -> tuple[GPUUnit, ...]:
    return tuple(
        GPUUnit(f"{card}/{n}", index, "T4", 8_000, kind="seat", parent=card)
        for n in range(1, count + 1)
    )


def ticket(
    name: str,
    at: float = 0.0,
    count: int = 1,
    *,
    lease: float | None = None,
    group: str = "",
    cap: int | None = None,
    avoid: str = "",
    **request: Any,
) -> Ticket:
    """A ticket named ``user`` or ``user.server``."""
    user, _, server = name.partition(".")
    wants = GPURequest(count, **request)
    failed = frozenset(avoid.split())
    return Ticket(name, Owner(user, server), wants, at, 0, group, lease, cap, failed)


def ask(name: str, at: float = 0.0, count: int = 1, **more: Any) -> Submitted:
    return Submitted(at, ticket(name, at, count, **more))


def play(
    units: Sequence[GPUUnit], events: Sequence[Event], policy: Policy | None = None
) -> tuple[State, list[str]]:
    """Return the state after the events, and the grants as ``ticket: unit unit``."""
    state, granted = State(policy or Policy()), []
    for event in (Surveyed(0.0, tuple(units)), *events):
        state, grants = step(state, event)
        granted += [f"{grant.id}: {' '.join(grant.units)}" for grant in grants]
    return state, granted


def order(granted: Sequence[str]) -> str:
    return " ".join(line.partition(":")[0] for line in granted)


# -- who is next -----------------------------------------------------------------------------

ORDER = [
    pytest.param(
        [ask("ann"), ask("bob", 1), ask("cy", 2), Released(9, "ann"), Released(10, "bob")],
        Policy(),
        "ann bob cy",
        id="equal use: who came first",
    ),
    pytest.param(
        [ask("ann.1"), ask("ann.2", 1), ask("bob", 2), Released(100, "ann.1")],
        Policy(),
        "ann.1 bob",
        id="less use goes before arrival",
    ),
    pytest.param(
        [
            *(ask("ann.1", lease=HOUR), Released(HOUR, "ann.1")),
            *(ask("bob.1", 25 * HOUR), Released(25.6 * HOUR, "bob.1"), ask("cy", 26 * HOUR)),
            *(ask("bob.2", 26 * HOUR), ask("ann.2", 27 * HOUR), Released(28 * HOUR, "cy")),
        ],
        Policy(half_life=24 * HOUR),
        "ann.1 bob.1 cy ann.2",
        id="an hour of yesterday counts less than 36 minutes of today",
    ),
    pytest.param(
        [
            *(ask("ann.1", lease=HOUR), Released(HOUR, "ann.1")),
            *(ask("bob.1", 25 * HOUR), Released(25.6 * HOUR, "bob.1"), ask("cy", 26 * HOUR)),
            *(ask("bob.2", 26 * HOUR), ask("ann.2", 27 * HOUR), Released(28 * HOUR, "cy")),
        ],
        Policy(half_life=None),
        "ann.1 bob.1 cy bob.2",
        id="without a half-life an hour stays an hour",
    ),
    pytest.param(
        [
            *(ask("ann", group="a"), ask("bob.2", 1, group="b"), ask("amy", 2, group="a")),
            Released(100, "ann"),
        ],
        Policy(),
        "ann bob.2",
        id="a class that used less goes first, whoever in it",
    ),
    pytest.param(
        [
            *(ask("ann.1", group="a"), Released(200, "ann.1")),
            *(ask("bob.1", 200, group="b"), Released(300, "bob.1")),
            *(ask("cy", 300, group="c"), ask("bob.2", 301, group="b")),
            *(ask("amy", 302, group="a"), Released(303, "cy")),
        ],
        Policy(weights={"a": 3.0}),
        "ann.1 bob.1 cy amy",
        id="a class of weight 3 may use three times as much",
    ),
    pytest.param(
        [ask("ann"), ask("bob", 1), ask("cy", 2), Left(3, "bob"), Released(9, "ann")],
        Policy(),
        "ann cy",
        id="who left is not served",
    ),
    pytest.param(
        [ask("ann"), ask("bob", 5), ask("cy", 1), Released(9, "ann")],
        Policy(),
        "ann cy",
        id="a ticket that is told of late keeps its arrival",
    ),
]


@pytest.mark.parametrize(("events", "policy", "expected"), ORDER)
def test_one_unit_goes_to(events: list[Event], policy: Policy, expected: str):
    _state, granted = play(gpus("G0"), events, policy)
    assert order(granted) == expected


BOB_USED_A_LOT = [ask("bob.0"), Released(5_000, "bob.0")]
LATE = [
    pytest.param(60, ["cy.1", "cy.2"], "cy.1 cy.2 bob", id="after somebody else was served twice"),
    pytest.param(5_000, ["cy.1", "cy.2"], "cy.1 cy.2 cy.3", id="not before max_wait"),
    pytest.param(60, ["cy.1", "dee.1"], "cy.1 dee.1 cy.3", id="two who were served once each"),
]


@pytest.mark.parametrize(("max_wait", "others", "expected"), LATE)
def test_who_waited_too_long_goes_first(max_wait: float, others: list[str], expected: str):
    state, _granted = play(gpus("G0"), BOB_USED_A_LOT, Policy(None, max_wait))
    events: list[Event] = [ask("eve", 5_000), ask("bob", 5_001)]
    last, at = "eve", 5_100.0
    for name in [*others, "cy.3"]:
        events += [ask(name, at - 1), Released(at, last)]
        last, at = name, at + 100
    granted = []
    for event in events:
        state, grants = step(state, event)
        granted += [grant.id for grant in grants]
    assert " ".join(granted) == f"eve {expected}"


def test_who_was_served_meanwhile_has_not_waited_since_then():
    events = [
        *(ask("bob.1"), ask("bob.2", 1), Released(5_000, "bob.1")),
        *(ask("cy.1", 5_001), Released(5_002, "bob.2"), Released(5_003, "cy.1")),
        *(ask("cy.2", 5_003), ask("bob.3", 5_004), ask("cy.3", 5_005)),
        Released(5_006, "cy.2"),
    ]
    policy = Policy(None, 60.0)
    _state, granted = play(gpus("G0"), events, policy)
    assert order(granted) == "bob.1 bob.2 cy.1 cy.2 cy.3"


def test_a_start_that_failed_served_nobody():
    state = State(Policy(None, 60.0))
    state.note_served("cy", 90.0)
    state.note_served("cy", 95.0)
    bob = ticket("bob", 1.0)
    step(state, Submitted(100.0, bob))
    assert state.overdue(bob)
    _state, grants = step(state, Surveyed(100.0, gpus("G0")))
    assert [grant.id for grant in grants] == ["bob"]
    step(state, Surveyed(101.0, ()))
    step(state, Released(101.0, "bob", bob))
    assert state.overdue(bob)


def test_a_failed_start_of_others_does_not_make_them_served_twice():
    state = State(Policy(None, 60.0))
    bob, cy = ticket("bob", 1.0), ticket("cy", 1.0)
    step(state, Surveyed(2.0, gpus("G0")))
    for at in (2.0, 3.0, 4.0):
        step(state, Submitted(at, cy))
        step(state, Released(at + 0.5, "cy", cy))
        step(state, Left(at + 0.5, "cy"))
    step(state, Submitted(100.0, bob))
    assert not state.overdue(bob)


# -- caps ------------------------------------------------------------------------------------

CAPS = [
    pytest.param(
        ["G0", "G1"], [ask("ann.1", cap=1), ask("ann.2", cap=1)], "ann.1", id="at the cap"
    ),
    pytest.param(
        ["G0", "G1", "G2"],
        [ask("ann.1", cap=2), ask("ann.2", count=2, cap=2), ask("bob", 1)],
        "ann.1 bob",
        id="all units of a request count, and others pass",
    ),
    pytest.param(
        ["G0", "G1"],
        [ask("ann.1", cap=1), ask("ann.2", cap=1), Released(5, "ann.1")],
        "ann.1 ann.2",
        id="until one is given back",
    ),
    pytest.param(
        ["G0", "G1"],
        [ask("ann.1", cap=1, group="a"), ask("ann.2", cap=1, group="b")],
        "ann.1",
        id="over all classes of the user",
    ),
]


@pytest.mark.parametrize(("units", "events", "expected"), CAPS)
def test_a_cap_is_never_exceeded(units: list[str], events: list[Event], expected: str):
    _state, granted = play(gpus(" ".join(units)), events)
    assert order(granted) == expected


# -- who cannot start yet --------------------------------------------------------------------

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


def test_startable_is_what_nothing_waits_for():
    state, _granted = play(gpus("G0 G1"), PAIR)
    assert startable(state, [GPURequest(), GPURequest(2)]) == []
    step(state, Left(7.0, "ann"))
    assert startable(state, [GPURequest(), GPURequest(2)]) == [GPURequest()]


# -- which units -----------------------------------------------------------------------------

MIXED = (*gpus("A0"), *gpus("T1", model="T4", memory_mib=16_000))
MIG = gpu("M0", kind="mig", parent="M", mig_profile="1g.10gb", memory_mib=10_000)
WHICH = [
    pytest.param(MIXED, ticket("ann"), "T1", id="the least able"),
    pytest.param(MIXED, ticket("ann", memory_mib=20_000), "A0", id="that is able enough"),
    pytest.param(MIXED, ticket("ann", model="a100"), "A0", id="of the model"),
    pytest.param(gpus("G1 G0"), ticket("ann"), "G0", id="the lowest index"),
    pytest.param(gpus("G0 G1"), ticket("ann", avoid="G0"), "G1", id="failed on last"),
    pytest.param(gpus("G0"), ticket("ann", avoid="G0"), "G0", id="failed on if no other"),
    pytest.param(MIXED, ticket("ann", avoid="T1"), "A0", id="failed on after the more able"),
    pytest.param((*seats("S", 2), MIG), ticket("ann"), "M0", id="any is never a seat"),
    pytest.param((MIG,), ticket("ann", kind="mig", mig_profile="2g.20gb"), "", id="exact profile"),
    pytest.param((MIG,), ticket("ann", kind="gpu"), "", id="an instance is no whole GPU"),
    pytest.param(
        (gpu("A0", host="a"), *gpus("B1 B2", host="b")),
        ticket("ann", count=2),
        "B1 B2",
        id="several on one host",
    ),
    pytest.param(
        (gpu("A0", host="a"), gpu("B1", host="b")), ticket("ann", count=2), "", id="never on two"
    ),
    pytest.param(
        (gpu("G0"), gpu("G1"), gpu("G2", links=("G4",)), gpu("G4", links=("G2",))),
        ticket("ann", count=2),
        "G2 G4",
        id="linked ones together",
    ),
    pytest.param(
        (*gpus("A0 A1", host="a"), gpu("B0", host="b", links=("B1",)), gpu("B1", host="b")),
        ticket("ann", count=2),
        "B0 B1",
        id="linked on another host",
    ),
    pytest.param(
        (*gpus("T0 T1", model="T4", memory_mib=1), gpu("G2", links=("G3",)), gpu("G3")),
        ticket("ann", count=2),
        "T0 T1",
        id="less able ones before linked ones",
    ),
    pytest.param(
        (
            *(gpu(f"G{n}", links=tuple(f"G{m}" for m in range(3) if m != n)) for n in range(3)),
            *(gpu("G3", links=("G4",)), gpu("G4", links=("G3",))),
        ),
        ticket("ann", count=2),
        "G3 G4",
        id="the smallest island",
    ),
    pytest.param(
        # A chain 0-2-1: neither 0 and 1 are linked.
        (gpu("G0", links=("G2",)), gpu("G1", links=("G2",)), gpu("G2")),
        ticket("ann", count=2),
        "G0 G2",
        id="of an island those that are linked",
    ),
    pytest.param(
        (*gpus("A0"), *gpus("T1", model="T4", memory_mib=16_000)),
        ticket("ann", count=2),
        "T1 A0",
        id="mixed if there are no others",
    ),
    pytest.param(
        gpus("G0 G1 G2"), ticket("ann", count=2, avoid="G0"), "G1 G2", id="several, failed on last"
    ),
    pytest.param(
        gpus("G0 G1 G2"),
        ticket("ann", count=2, avoid="G0 G1"),
        "G2 G0",
        id="several, as few failed on as can be",
    ),
    pytest.param(
        (*seats("S", 2), *seats("R", 2, 1)),
        ticket("ann", kind="seat", avoid="S/1"),
        "R/1",
        id="a seat of another GPU than the one failed on",
    ),
]


@pytest.mark.parametrize(("units", "wanted", "expected"), WHICH)
def test_units_of_a_request_are(units: tuple[GPUUnit, ...], wanted: Ticket, expected: str):
    _state, granted = play(units, [Submitted(0.0, wanted)])
    assert granted == ([f"ann: {expected}"] if expected else [])


def test_seats_are_of_the_emptiest_gpu():
    units = (*seats("S", 3), *seats("R", 3, 1))
    events = [ask(name, kind="seat") for name in ("ann", "bob", "cy", "dee")]
    _state, granted = play(units, events)
    assert granted == ["ann: S/1", "bob: R/1", "cy: S/2", "dee: R/2"]


WHOLE, IN_SEATS = gpus("S0"), seats("S0", 2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(IN_SEATS, WHOLE, id="seats made whole"),
        pytest.param(WHOLE, IN_SEATS, id="a GPU made seats"),
    ],
)
def test_a_card_is_not_leased_as_a_whole_and_in_parts(
    before: tuple[GPUUnit, ...], after: tuple[GPUUnit, ...]
):
    state, granted = play(before, [ask("ann", kind=before[0].kind)])
    assert len(granted) == 1
    step(state, Surveyed(1.0, after))
    assert step(state, ask("bob", 2, kind=after[0].kind))[1] == []
    assert [grant.id for grant in step(state, Released(3.0, "ann"))[1]] == ["bob"]


# -- what happens to units and leases ----------------------------------------------------------


def test_a_unit_that_is_not_well_is_not_given_out_and_keeps_its_lease():
    state, granted = play(gpus("G0"), [ask("ann")])
    step(state, Surveyed(1.0, gpus("G0", health="sick")))
    assert list(state.leases) == ["ann"]
    assert step(state, ask("bob", 2))[1] == []
    assert step(state, Released(3.0, "ann"))[1] == []
    assert [grant.id for grant in step(state, Surveyed(4.0, gpus("G0")))[1]] == ["bob"]
    assert granted == ["ann: G0"]


def test_a_lost_unit_that_comes_back_is_still_leased():
    state, _granted = play(gpus("G0"), [ask("ann"), Surveyed(1.0, ())])
    assert step(state, Surveyed(2.0, gpus("G0")))[1] == []
    assert step(state, ask("bob", 3))[1] == []


def test_a_failed_start_costs_nothing_and_keeps_the_place():
    ann = ticket("ann")
    state, _granted = play(gpus("G0"), [Submitted(0.0, ann), ask("bob", 1)])
    again = replace(ann, avoid=frozenset({"G0"}))
    grants = step(state, Released(500.0, "ann", again))[1]
    assert [grant.ticket for grant in grants] == [again]
    assert state.used("ann", "") == 0.0


def test_an_adopted_lease_holds_its_units_and_ends_the_wait():
    state, _granted = play((), [ask("ann", 1)])
    step(state, Adopted(5.0, Grant(ticket("ann"), ("G0",), 2.0)))
    assert not state.tickets
    assert step(state, Surveyed(6.0, gpus("G0")))[1] == []
    other = Grant(ticket("bob"), ("G0",), 3.0)
    step(state, Adopted(7.0, other))
    assert "bob" not in state.leases


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Released(5.0, "none"), id="release"),
        pytest.param(Released(5.0, "none", ticket("none")), id="again"),
        pytest.param(Left(5.0, "none"), id="leave"),
        pytest.param(Prolonged(5.0, "none", 9.0), id="prolong"),
        pytest.param(Ticked(5.0), id="tick"),
        pytest.param(ask("ann", 5.0), id="ask for what is leased"),
        pytest.param(ask("bob", 5.0), id="ask for what waits"),
    ],
)
def test_what_is_said_twice_or_of_nobody_changes_nothing(event: Event):
    state, _granted = play(gpus("G0"), [ask("ann"), ask("bob", 1)])
    assert step(state, event)[1] == []
    assert (list(state.leases), list(state.tickets)) == (["ann"], ["bob"])


def test_time_never_goes_back():
    state, _granted = play(gpus("G0"), [ask("ann", 100.0), Released(50.0, "ann")])
    assert state.now == 100.0
    assert state.used("ann", "") == 0.0


def test_after_a_hundred_half_lives_what_was_used_is_forgotten_and_the_order_holds():
    events = [ask("ann.1"), Released(1_000, "ann.1"), ask("bob.1", 1_000), ask("cy", 1_001)]
    state, _granted = play(gpus("G0"), events, Policy(half_life=10.0))
    later = 3_000.0
    step(state, ask("ann.2", later))
    assert state.used("ann", "") == 0.0
    assert state.clock.ref == later
    assert [grant.id for grant in step(state, Released(later + 1, "bob.1"))[1]] == ["cy"]


def test_use_of_a_running_lease_counts_as_it_goes_on():
    events = [ask("ann.1"), ask("bob", 10.0), Released(11.0, "bob")]
    state, _granted = play(gpus("G0 G1"), events, Policy(half_life=None))
    assert step(state, Ticked(60.0))[0].used("ann", "") == 60.0
    step(state, ask("cy", 60.0))
    step(state, ask("ann.2", 60.0))
    assert [g.id for g in step(state, ask("bob.2", 61.0))[1]] == []
    assert [g.id for g in step(state, Released(62.0, "cy"))[1]] == ["bob.2"]


def test_who_waits_in_two_classes_is_in_each_of_them():
    events = [ask("eve", group="a"), ask("ann.1", 1, group="a"), ask("ann.2", 2, group="b")]
    _state, granted = play(gpus("G0"), [*events, Released(50, "eve")])
    assert order(granted) == "eve ann.2"
