"""The queue's rule, a table for each of its sentences. Which units, and who passes
whom: ``test_queue_units`` and ``test_queue_reservations``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from room.gpus.events import (
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
)
from room.gpus.queue import step
from room.gpus.state import State
from tests.utils.queueing import HOUR, ask, gpus, order, play, ticket

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


@pytest.mark.parametrize(
    ("now", "first", "expected"),
    [
        pytest.param(61.0, 2.0, False, id="max_wait itself"),
        pytest.param(61.5, 2.0, True, id="longer"),
        pytest.param(61.5, 1.0, False, id="another one served in the moment of arrival"),
    ],
)
def test_too_long_is(now: float, first: float, expected: bool):
    state = State(Policy(None, 60.0))
    state.note_served("cy", first)
    state.note_served("cy", 3.0)
    bob = ticket("bob", 1.0)
    step(state, Submitted(now, bob))
    assert state.overdue(bob) is expected
    assert bool(state.first_overdue()) is expected


def test_who_was_served_before_starts_that_fail_was_served_twice_still():
    state, _granted = play(gpus("G0"), [], Policy(None, 60.0))
    for at in (10.0, 20.0):
        step(state, ask("cy", at))
        step(state, Released(at + 1, "cy"))
    bob = ticket("bob", 1.0, cap=0)
    step(state, Submitted(30.0, bob))
    step(state, Surveyed(30.0, gpus("G0 G1 G2")))
    failing = [ticket(f"cy.{n}", 30.0) for n in range(3)]
    for each in failing:
        step(state, Submitted(100.0, each))
    for each in failing:
        step(state, Released(101.0, each.id, replace(each, cap=0)))
    assert state.recent["cy"] == (20.0, 10.0)
    assert state.overdue(bob)


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


def test_two_starts_at_once_that_both_fail_served_nobody():
    state, _granted = play(gpus("G0 G1"), [ask("cy.1", 10.0), ask("cy.2", 11.0)], Policy(None, 60))
    bob = ticket("bob", 5.0)
    assert state.recent["cy"] == (11.0, 10.0)
    for name in ("cy.1", "cy.2"):
        step(state, Released(12.0, name, ticket(name, cap=0)))
    step(state, Surveyed(13.0, ()))
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


@pytest.mark.parametrize(
    ("used", "asks_for"),
    [
        pytest.param({"ml101": 10, "thesis": 10}, "thesis", id="as much: twice the share is hers"),
        pytest.param({"ml101": 10, "thesis": 19}, "thesis", id="not yet twice as much"),
        pytest.param({"ml101": 10, "thesis": 21}, "ml101", id="more than twice: with all others"),
    ],
)
def test_a_class_of_one_s_own_is_a_share_of_one_s_own(used: dict[str, int], asks_for: str):
    events: list[Event] = []
    for at, (group, seconds) in enumerate(used.items()):
        begins = 100.0 * at
        events += [ask(group, begins, group=group), Released(begins + seconds, group)]
    state, _granted = play(gpus("G0"), events, Policy(None, weights={"thesis": 2.0}))
    assert state.first_group(["ml101", "thesis"]) == asks_for
