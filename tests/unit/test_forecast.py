"""Places in the queue, when a turn comes, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from room.gpus import forecast
from room.gpus.events import Grant, Policy, Released, Submitted, Surveyed, Ticket
from room.gpus.forecast import Bid, chances, outlook
from room.gpus.queue import step
from room.gpus.requests import GPURequest
from room.gpus.state import Shape, State
from room.models import GPUUnit, Owner
from spawner.words import BASES

START = 1_795_000_020.0


def a_room(units: int) -> State:
    state = State(Policy(), START)
    cards = tuple(GPUUnit(f"G{n}", n, "A100", 40_000) for n in range(units))
    step(state, Surveyed(START, cards))
    return state


def ask(state: State, name: str, *, after: float = 0.0, count: int = 1, **more) -> list[Grant]:
    at = START + after
    ticket = Ticket(name, Owner(name), GPURequest(count), at, len(state.tickets), **more)
    return step(state, Submitted(at, ticket))[1]


def test_a_place_says_how_many_leases_end_before_it():
    state = a_room(2)
    for name, lease in (("ann", 600.0), ("bob", 1_200.0), ("cy", None), ("dee", None)):
        ask(state, name, lease_seconds=lease)
    places = outlook(state)
    assert (places["cy"].position, places["cy"].of, places["cy"].at) == (1, 2, START + 600)
    assert (places["dee"].position, places["dee"].at) == (2, START + 1_200)
    assert places["cy"].basis.startswith("1 lease ends before ")
    assert places["dee"].basis.startswith("2 leases end before ")


def test_nobody_can_tell_when_leases_have_no_end():
    state = a_room(1)
    for name in ("ann", "bob"):
        ask(state, name)
    assert (outlook(state)["bob"].at, outlook(state)["bob"].basis) == (None, "")
    assert chance_of(state, "cy") == (0, 1, None)


def chance_of(
    state: State,
    user: str,
    count: int = 1,
    *,
    lease: float | None = 600.0,
    groups: Sequence[str] = (),
    cap: int | None = None,
) -> tuple[int, int, float | None]:
    before = dict(state.tickets), dict(state.leases)
    bids = [Bid(Shape(GPURequest(count), lease), cap)]
    (found,) = chances(state, Owner(user, "new"), bids, groups=groups)
    assert (state.tickets, state.leases) == before, "a forecast changes nothing"
    return found.free, found.total, found.wait


def test_who_asks_while_a_unit_is_free_does_not_wait():
    assert chance_of(a_room(2), "ann") == (2, 2, 0.0)


@pytest.mark.parametrize(
    ("user", "more", "wait"),
    [
        pytest.param("new", {}, 600.0, id="who used nothing goes before who used much"),
        pytest.param("bob", {}, 1_200.0, id="of equal use, behind who came first"),
        pytest.param("ann", {}, 1_200.0, id="who holds the unit now, behind who used less"),
        pytest.param("new", {"groups": ["full"]}, 1_200.0, id="a class that used much comes later"),
        pytest.param("new", {"count": 2}, None, id="more than there is"),
        pytest.param("new", {"cap": 0}, None, id="at the cap, and holds nothing that ends"),
    ],
)
def test_who_asks_now_waits(user: str, more: dict[str, Any], wait: float | None):
    state = a_room(1)
    state.settle({("bob", ""): 10**6, ("cy", "full"): 10**10})
    for name in ("ann", "bob"):
        ask(state, name, lease_seconds=600.0)
    assert chance_of(state, user, **more) == (0, 1, wait)


def test_who_would_be_too_far_behind_to_be_tried_waits_by_the_rate(monkeypatch):
    monkeypatch.setattr(forecast, "TRIED", 2)
    state = a_room(1)
    state.settle({("new", ""): 10**12})
    for number in range(6):
        ask(state, f"u{number}", lease_seconds=1_800.0)
    assert chance_of(state, "new") == (0, 1, 6 * 1_800.0)


def test_classes_take_turns_in_the_forecast():
    state = a_room(1)
    ask(state, "eve", lease_seconds=600.0, group="c")
    for name, group in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")):
        ask(state, name, after=1.0, lease_seconds=600.0, group=group)
    places = outlook(state)
    assert sorted(places, key=lambda name: places[name].position) == ["a1", "b1", "a2", "b2"]


def test_who_is_too_far_behind_to_be_tried_has_a_time_by_the_rate(monkeypatch):
    monkeypatch.setattr(forecast, "TRIED", 2)
    state = a_room(1)
    for number in range(6):
        ask(state, f"u{number}", lease_seconds=1_800.0)
    last = outlook(state)["u5"]
    assert (last.position, last.at) == (5, START + 5 * 1_800.0)
    assert last.basis == "About 2 turns come in the next hour."
    assert "About %(count)s turns come in the next hour." in BASES


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.integers(1, 2),
            st.sampled_from((100.0, 350.0)),
            st.sampled_from(("x", "y")),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 3),
)
def test_positions_count_through_and_the_first_is_served_next(asked, units):
    state = a_room(units)
    for number, (user, count, lease, group) in enumerate(asked):
        ticket = Ticket(
            str(number), Owner(user, str(number)), GPURequest(count), START, number, group, lease
        )
        step(state, Submitted(START, ticket))
    waiting, leases = dict(state.tickets), dict(state.leases)
    places = outlook(state)
    assert (state.tickets, state.leases) == (waiting, leases)
    assert sorted(place.position for place in places.values()) == [*range(1, len(waiting) + 1)]
    granted: list[Grant] = []
    while state.leases and not granted:
        ends, first = min((grant.ends, grant.id) for grant in state.leases.values())
        granted = step(state, Released(ends, first))[1]
    assert [places[grant.id].position for grant in granted] == [*range(1, len(granted) + 1)]
