"""When a GPU that does nothing is offered back to who is there, and when it is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.gpus import unused as rule
from room.gpus.unused import GAP, Unused
from room.gpus.use import ServerUse, UnitUse, Use
from room.idle import BUSY_GPU
from room.models import GPUUnit, Owner

LIMIT = 1200.0
EVERY = 5
ALICE, BOB = Owner("alice"), Owner("bob", "two")


def run(until: int, *spans: tuple[int, int, bool | None], present: float | None = None) -> Unused:
    """Return what is known after looks every five seconds; a span is from, to and what it saw.

    In no span the GPU rests. ``present``: when somebody was there last; None: all the time.
    """
    known = rule.begin(0.0)
    for now in range(0, until + 1, EVERY):
        saw = next((saw for start, end, saw in spans if start <= now < end), False)
        known = rule.step(known, now, saw, now if present is None else present, LIMIT)
    return known


@pytest.mark.parametrize(
    ("until", "spans", "present", "offered"),
    [
        pytest.param(1195, [], None, False, id="before-its-time"),
        pytest.param(1200, [], None, True, id="as-long-as-the-limit"),
        pytest.param(9000, [], None, True, id="it-stands"),
        pytest.param(1795, [(600, 605, True)], None, False, id="it-worked-once"),
        pytest.param(1800, [(600, 605, True)], None, True, id="and-rested-again"),
        pytest.param(1300, [(1250, 1255, True)], None, False, id="withdrawn-when-it-works"),
        pytest.param(1300, [(1250, 1255, None)], None, False, id="withdrawn-when-unseen"),
        pytest.param(9000, [(0, 9001, None)], None, False, id="a-silent-agent"),
        pytest.param(1795, [(600, 605, None)], None, False, id="silent-for-a-moment"),
        pytest.param(1800, [(600, 605, None)], None, True, id="and-seen-for-long-enough"),
        pytest.param(1300, [], 0.0, False, id="nobody-is-there"),
        pytest.param(1200, [], 5.0, True, id="somebody-was-there"),
    ],
)
def test_an_unused_gpu_is_offered_back_to_who_is_there(
    until: int, spans: list[Any], present: float | None, offered: bool
) -> None:
    assert run(until, *spans, present=present).offered == offered


def test_who_was_never_there_is_not_asked() -> None:
    known = rule.begin(0.0)
    for now in range(0, 9000, EVERY):
        known = rule.step(known, now, False, None, LIMIT)
    assert not known.offered


@pytest.mark.parametrize("later", [pytest.param(GAP + 1, id="late"), pytest.param(-5, id="back")])
def test_what_nobody_looked_at_is_not_counted(later: float) -> None:
    known = rule.step(run(1195), 1195 + later, False, 1195 + later, LIMIT)
    assert (known.offered, known.since) == (False, 1195 + later)


def test_who_keeps_it_is_not_asked_again_until_it_has_worked() -> None:
    known = rule.keep(run(1200))
    assert not known.offered
    for saw, until in ((False, 9000), (None, 9100), (False, 19000)):
        for now in range(int(known.at) + EVERY, until, EVERY):
            known = rule.step(known, now, saw, now, LIMIT)
            assert not known.offered
    known = rule.step(known, known.at + EVERY, True, known.at, LIMIT)
    begun = int(known.at)
    for now in range(begun, begun + 1201, EVERY):
        known = rule.step(known, now, False, now, LIMIT)
    assert known.offered


@given(st.lists(st.sampled_from([True, False, None]), max_size=400))
def test_no_offer_without_a_whole_limit_of_seen_rest(saws: list[bool | None]) -> None:
    known, limit = rule.begin(0.0), 300.0
    for number, saw in enumerate(saws):
        known = rule.step(known, number * EVERY, saw, number * EVERY, limit)
        if known.offered:
            looks = int(limit) // EVERY
            assert set(saws[max(0, number - looks + 1) : number + 1]) == {False}


CARD = GPUUnit("GPU-a", 0, "A100", 40000)
MIG = GPUUnit("MIG-a", 0, "A100", 10000, kind="mig", parent="GPU-a")
SEAT = GPUUnit("GPU-a/1", 0, "A100", 20000, kind="seat", parent="GPU-a")
OTHER = GPUUnit("GPU-b", 1, "A100", 40000)


def on(owner: Owner, device: str) -> ServerUse:
    return ServerUse(owner, "c", 1, {device: 500})


def use(device: str, busy: float | None, *servers: ServerUse, strangers: int = 0) -> Use:
    return Use((UnitUse(device, utilisation=busy, strangers=strangers),), servers)


@pytest.mark.parametrize(
    ("use", "units", "works"),
    [
        pytest.param(use("GPU-a", 0.0), [CARD], False, id="no-process"),
        pytest.param(use("GPU-a", 4.0, on(ALICE, "GPU-a")), [CARD], False, id="a-process-at-rest"),
        pytest.param(use("GPU-a", BUSY_GPU, on(ALICE, "GPU-a")), [CARD], True, id="works"),
        pytest.param(use("GPU-a", 90.0), [CARD], True, id="works-unseen-by-whom"),
        pytest.param(use("GPU-b", 0.0), [CARD], None, id="not-told-of"),
        pytest.param(Use(problem="silent"), [CARD], None, id="a-silent-agent"),
        pytest.param(use("GPU-a", None), [CARD], False, id="no-figure-and-no-process"),
        pytest.param(use("GPU-a", None, on(ALICE, "GPU-a")), [CARD], None, id="no-figure"),
        pytest.param(use("MIG-a", None), [MIG], False, id="mig-without-a-process"),
        pytest.param(use("MIG-a", None, on(ALICE, "MIG-a")), [MIG], None, id="mig-with-one"),
        pytest.param(use("MIG-a", None, strangers=1), [MIG], None, id="mig-with-a-stranger"),
        pytest.param(use("GPU-a", 0.0, on(ALICE, "GPU-a")), [SEAT], False, id="alone-at-rest"),
        pytest.param(use("GPU-a", 90.0, on(ALICE, "GPU-a")), [SEAT], True, id="alone-at-work"),
        pytest.param(
            use("GPU-a", 90.0, on(BOB, "GPU-a")), [SEAT], False, id="only-the-neighbour-works"
        ),
        pytest.param(
            use("GPU-a", 90.0, on(ALICE, "GPU-a"), on(BOB, "GPU-a")), [SEAT], None, id="one-of-two"
        ),
        pytest.param(
            Use((UnitUse("GPU-a", 0.0), UnitUse("GPU-b", 50.0))), [CARD, OTHER], True,
            id="one-of-its-two-works",
        ),
        pytest.param(use("GPU-a", 0.0), [CARD, OTHER], None, id="one-of-its-two-is-not-told-of"),
        pytest.param(use("GPU-a", 0.0), [], None, id="none-that-is-known"),
    ],
)  # fmt: skip
def test_whether_a_servers_gpus_work(use: Use, units: list[GPUUnit], works: bool | None) -> None:
    assert rule.works(use, ALICE, units) is works
