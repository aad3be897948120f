"""Who needs several units may go before their turn when as many are free together: tables."""

from __future__ import annotations

import pytest

from room.gpus.events import Event, Left, Policy, Released
from room.gpus.queue import step
from tests.utils.queueing import ask, gpus, order, play

#: eve has two units until 10. ann, who came first, waits for one, and bob for two.
TOGETHER = [ask("eve", 0, 2, lease=60.0), ask("ann", 1, lease=60.0), ask("bob", 2, 2, lease=60.0)]
END = Released(10, "eve")
BY_FREE_UNITS = [
    pytest.param("G0 G1", [END], "bob", id="two are free together"),
    pytest.param("G0 G1", [END, Released(20, "bob")], "bob ann", id="one passes, then it is over"),
    pytest.param("G0 G1", [ask("cy", 3), END], "bob", id="but only who needs several"),
    pytest.param("G0 G1", [ask("cy", 3, 3), END], "bob", id="but only who can start"),
    pytest.param("G0 G1", [Left(9, "bob"), ask("cy", 3), END], "ann cy", id="nobody needs two"),
    pytest.param("G0 G1", [Left(9, "ann"), ask("cy", 3), END], "bob", id="whose turn it is anyway"),
]


@pytest.mark.parametrize(("units", "events", "expected"), BY_FREE_UNITS)
def test_units_that_are_free_together_go_to_who_needs_several(
    units: str, events: list[Event], expected: str
):
    _state, granted = play(gpus(units), [*TOGETHER, *events])
    assert order(granted[1:]) == expected


def used_by_bob(seconds: float, group: str = "") -> list[Event]:
    """Let bob use one of two units for so long; then dee has both."""
    return [
        *(ask("bob.0", group=group), Released(seconds, "bob.0")),
        ask("dee", 900, 2, group="x"),
    ]


BY_USE = [
    pytest.param(120.0, 60.0, "bob", id="as much as the lease costs"),
    pytest.param(121.0, 60.0, "ann", id="more than that"),
    pytest.param(121.0, 61.0, "bob", id="a longer lease costs more"),
    pytest.param(1.0, None, "ann", id="one without an end buys nothing"),
    pytest.param(0.0, None, "bob", id="who has used no more needs none"),
]


@pytest.mark.parametrize("group", ["", "dl"], ids=["one class", "two classes"])
@pytest.mark.parametrize(("used", "lease", "expected"), BY_USE)
def test_who_goes_early_is_ahead_by_one_lease_at_most(
    used: float, lease: float | None, expected: str, group: str
):
    events = [
        *used_by_bob(used, group),
        *(ask("ann", 901, lease=60.0), ask("bob", 902, 2, lease=lease, group=group)),
        Released(1_000, "dee"),
    ]
    _state, granted = play(gpus("G0 G1"), events, Policy(None, 3_600.0))
    assert order(granted[2:3]) == expected


def test_who_is_ahead_in_their_class_does_not_go_early_though_the_class_is_behind():
    events = [
        *used_by_bob(500.0, "dl"),
        *(ask("ann", 901, group="dl"), ask("bob", 902, 2, lease=60.0, group="dl")),
        *(ask("cy", 903, group="x"), Released(1_000, "dee")),
    ]
    _state, granted = play(gpus("G0 G1"), events, Policy(None, 3_600.0, {"dl": 1_000.0}))
    assert order(granted[2:]) == "ann cy"


@pytest.mark.parametrize(("served", "expected"), [(60.0, "bob"), (61.0, "ann")])
def test_who_waited_too_long_is_not_passed_by_who_was_served_since_then(
    served: float, expected: str
):
    before = [ask("eve", 0, 2), ask("ann"), ask("bob", 0, 2)]
    state, _granted = play(gpus("G0 G1"), before, Policy(None, 60.0))
    for user, at in (("cy", 20.0), ("cy", 30.0), ("bob", served)):
        state.note_served(user, at)
    assert [grant.id for grant in step(state, Released(100.0, "eve"))[1]] == [expected]


def test_nobody_passes_twice_who_waited_too_long():
    before = [ask("eve", 0, 2), ask("ann"), ask("bob", 0, 2), ask("bob.2", 0, 2)]
    state, _granted = play(gpus("G0 G1"), before, Policy(None, 60.0))
    for at in (20.0, 30.0):
        state.note_served("cy", at)
    assert [grant.id for grant in step(state, Released(100.0, "eve"))[1]] == ["bob"]
    assert [grant.id for grant in step(state, Released(101.0, "bob"))[1]] == ["ann"]
