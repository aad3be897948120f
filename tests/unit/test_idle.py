"""When a server with nothing to do is warned, and when it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room import idle as rule
from room.gpus.use import ServerUse, UnitUse, Use
from room.idle import BUSY_CORES, BUSY_GPU, Idle, Sample
from room.models import GPUUnit, Owner

HOUR = 3600.0
EVERY = 10.0
ALICE, BOB = Owner("alice"), Owner("bob", "two")


def run(*looks: tuple[float, dict[str, float | None]], limit: float = HOUR) -> Idle:
    """Return what is known after these looks: the second each, and what differs from rest."""
    known, used = Idle(0.0), 0.0
    for at, seen in looks:
        used += seen.pop("works", 0.0) or 0.0  # CPU seconds
        known = rule.step(known, Sample(at, **({"cpu": used} | seen)), limit)  # type: ignore[arg-type]
    return known


#: Seconds after the start of a server with an hour.
@pytest.mark.parametrize(
    ("looks", "since", "warned", "ends"),
    [
        pytest.param([(0, {}), (3299, {})], 0, False, None, id="before-the-warning"),
        pytest.param([(0, {}), (3300, {})], 0, True, 3600, id="warned-five-minutes-before"),
        pytest.param([(0, {}), (5000, {})], 0, True, 5300, id="warned-late-ends-later"),
        pytest.param([(0, {}), (3300, {"touched": 900})], 900, False, None, id="somebody-worked"),
        pytest.param(
            [(0, {}), (3300, {}), (3400, {"touched": 3350})], 3350, False, None, id="still-here"
        ),
        pytest.param(
            [(0, {}), (3300, {"touched": 9999})], 3300, False, None, id="a-clock-ahead-of-ours"
        ),
        pytest.param([(0, {}), (3300, {"works": 3300})], 3300, False, None, id="a-training"),
        pytest.param(
            [(0, {}), (3300, {"works": 3300 * BUSY_CORES})], 3300, False, None, id="just-works"
        ),
        pytest.param(
            [(0, {}), (3300, {"works": 3200 * BUSY_CORES})], 0, True, 3600, id="works-too-little"
        ),
        pytest.param([(0, {}), (3300, {"gpu": BUSY_GPU})], 3300, False, None, id="a-gpu-works"),
        pytest.param([(0, {}), (3300, {"gpu": 4.0})], 0, True, 3600, id="a-gpu-at-rest"),
        pytest.param([(0, {}), (3300, {"cpu": None})], 0, False, None, id="nobody-sees-it"),
        pytest.param(
            [(0, {}), (3300, {}), (3600, {"cpu": None})], 0, True, None, id="unseen-at-the-end"
        ),
        pytest.param(
            [(0, {}), (600, {"cpu": None}), (3300, {"works": 3000})], 3300, False, None,
            id="what-nobody-saw-was-counted",
        ),
    ],
)  # fmt: skip
def test_who_does_nothing_is_warned_and_ends(
    looks: list[tuple[float, dict[str, float | None]]],
    since: float,
    warned: bool,
    ends: float | None,
) -> None:
    known = run(*looks)
    assert (known.since, known.warned is not None) == (since, warned)
    for now in range(0, 9000, 50):
        assert rule.over(known, now, HOUR) == (ends is not None and now >= ends)


@pytest.mark.parametrize(("limit", "before"), [(HOUR, 300), (600, 300), (300, 150), (20, 10)])
def test_a_warning_stands_for_five_minutes_or_half_of_a_short_limit(
    limit: float, before: float
) -> None:
    assert rule.warning(limit) == before


def test_a_page_that_is_opened_is_no_training() -> None:
    """Two CPU seconds within a minute are work for that minute alone only when they are a share."""
    looks = [(at, {"works": 2.0 if at == 600 else 0.0}) for at in range(0, 3310, 10)]
    assert run(*looks).since == 0  # type: ignore[arg-type]


def test_another_containers_count_is_work() -> None:
    known = rule.step(run((0.0, {"works": 500.0})), Sample(600, cpu=1.0), HOUR)
    assert known.since == 600


looks = st.lists(
    st.fixed_dictionaries(
        {
            "idle": st.booleans(),
            "works": st.sampled_from([0.0, 0.0, 0.1, 10.0]),
            "seen": st.sampled_from([True, True, True, False]),
            "touched": st.sampled_from([False, False, False, False, True]),
            "gpu": st.sampled_from([None, 0.0, 0.0, 50.0]),
        }
    ),
    max_size=60,
)


@given(looks, st.sampled_from([30.0, 120.0, 300.0]))
def test_nothing_ends_that_was_not_idle_for_its_limit_and_warned_for_its_time(
    seen: list[dict[str, object]], limit: float
) -> None:
    known, at, used, touched, worked = Idle(0.0), 0.0, 0.0, 0.0, 0.0
    for look in seen:
        at += EVERY
        if not look["idle"]:
            used += look["works"]  # type: ignore[operator]
            touched = at if look["touched"] else touched
            if look["gpu"] == 50.0:
                worked = at
        gpu = 0.0 if look["idle"] else look["gpu"]
        before = known
        cpu = used if look["seen"] else None
        known = rule.step(known, Sample(at, touched or None, cpu, gpu), limit)  # type: ignore[arg-type]
        assert known.since >= max(before.since, touched, worked)
        if rule.over(known, at, limit):
            assert look["seen"]
            assert at - known.since >= limit - 1e-9
            assert known.warned is not None
            assert at - known.warned >= rule.warning(limit)
            # Whoever says so at this moment keeps it.
            assert not rule.over(rule.touch(known, at), at, limit)


@given(st.floats(30, 1e6), st.integers(1, 30))
def test_who_never_does_anything_ends_in_time(limit: float, every: int) -> None:
    known, at, end = Idle(0.0), 0.0, None
    step = limit / 10 / every
    while end is None:
        known = rule.step(known, Sample(at, cpu=1.0, gpu=0.0), limit)
        end = at if rule.over(known, at, limit) else None
        at += step
    assert limit - 1e-6 <= end <= limit + 2 * step + 1e-6


# --- whose GPU works ----------------------------------------------------------------------------

CARD = GPUUnit("GPU-a", 0, "T4", 16000)
SEAT = GPUUnit("GPU-a/1", 0, "T4", 8000, kind="seat", parent="GPU-a")
MIG = GPUUnit("MIG-b", 1, "A100", 5000, kind="mig", parent="GPU-b")


@pytest.mark.parametrize(
    ("units", "others", "expected"),
    [
        pytest.param([], [], None, id="none"),
        pytest.param([CARD], [], 70.0, id="its-own"),
        pytest.param([MIG], [], None, id="a-mig-instance-does-not-tell"),
        pytest.param([CARD, MIG], [], 70.0, id="the-busiest-that-tells"),
        pytest.param([SEAT], [], 70.0, id="alone-on-a-shared-card"),
        pytest.param([SEAT], [ServerUse(BOB, "b", 1, {"GPU-a": 5})], None, id="not-alone"),
        pytest.param([SEAT], [ServerUse(ALICE, "a", 1, {"GPU-a": 5})], 70.0, id="its-own-process"),
    ],
)
def test_a_gpus_work_is_whose_it_is(
    units: list[GPUUnit], others: list[ServerUse], expected: float | None
) -> None:
    use = Use((UnitUse("GPU-a", utilisation=70.0), UnitUse("MIG-b")), tuple(others))
    assert rule.utilisation(use, ALICE, units) == expected
    assert rule.utilisation(replace(use, units=()), ALICE, units) is None
