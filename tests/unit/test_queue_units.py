"""Which units a request gets of the queue: a table."""

from __future__ import annotations

import pytest

from room.gpus.events import Released, Submitted, Surveyed, Ticket
from room.gpus.queue import step
from room.models import GPUUnit
from tests.utils.queueing import ask, gpu, gpus, play, seats, ticket

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


def test_seats_and_other_units_have_caps_of_their_own() -> None:
    events = [
        ask("ann.seat", kind="seat", cap=1),
        ask("ann.card", cap=1),
        ask("ann.second", kind="seat", cap=1),
        ask("ann.third", cap=1),
    ]
    _state, granted = play((*seats("S", 2), *gpus("G3 G4")), events)
    assert granted == ["ann.seat: S/1", "ann.card: G3"]


def test_a_plan_s_kinds_are_the_only_ones_given() -> None:
    events = [
        ask("ann", only=("t4",)),
        ask("bob", only=("gpu",)),
        ask("eve", only=("1g.10gb",)),
        ask("max", only=("2g.20gb", "seat")),
    ]
    _state, granted = play((*gpus("A0"), *gpus("T1", model="T4"), MIG), events)
    assert granted == ["ann: T1", "bob: A0", "eve: M0"]
