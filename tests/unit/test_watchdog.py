"""Who uses more of a shared GPU's memory than the seat has: warned, then stopped, nobody else."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from room.gpus.seats import Sharing, split
from room.gpus.use import ServerUse, Use
from room.gpus.watchdog import (
    GAP,
    GRACE,
    PATIENCE,
    Sample,
    Times,
    Watch,
    lapse,
    sample_of,
    shares,
    step,
)
from room.models import GPUUnit, Owner

ALICE, BOB = Owner("alice"), Owner("bob", "two")
CARD = GPUUnit("GPU-a", 0, "Tesla T4", 16000)
SEATS = split((CARD,), (Sharing(4, model="T4"),))
HELD = {ALICE: shares(SEATS[:1]), BOB: shares(SEATS[1:2])}
EVERY = 2.0


def run(
    used: list[dict[Owner, int | None]], held: dict[Owner, dict[str, int]] | None = None
) -> list[tuple[float, str, Owner]]:
    """Feed one sample every two seconds; return what was done, and when."""
    watch, done = Watch(), []
    for number, each in enumerate(used):
        at = number * EVERY
        watch, actions = step(watch, Sample(at, {"GPU-a": each}), HELD if held is None else held)
        done += [(at, action.kind, action.owner) for action in actions]
    return done


LONG = int((PATIENCE + GRACE) / EVERY) + 1
OVER, WITHIN = 4500, 4000


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param([{ALICE: WITHIN}] * LONG, [], id="within"),
        pytest.param([{ALICE: 4200}] * LONG, [], id="within-the-tolerance"),
        pytest.param([{ALICE: OVER}] * 5, [], id="a-short-peak"),
        pytest.param([{ALICE: OVER}] * 6, [(10.0, "warn", ALICE)], id="warned"),
        pytest.param(
            [{ALICE: OVER}] * LONG, [(10.0, "warn", ALICE), (70.0, "stop", ALICE)], id="stopped"
        ),
        pytest.param(
            [{ALICE: OVER}] * 20 + [{ALICE: WITHIN}] * LONG, [(10.0, "warn", ALICE)], id="heeded"
        ),
        pytest.param(
            [{ALICE: OVER, BOB: WITHIN}] * LONG,
            [(10.0, "warn", ALICE), (70.0, "stop", ALICE)],
            id="never-the-neighbour",
        ),
        pytest.param([{ALICE: None}] * LONG, [], id="memory-is-not-told"),
        pytest.param(
            [{ALICE: OVER}] * 8 + [{ALICE: None}] * 20 + [{ALICE: OVER}] * 8,
            [(10.0, "warn", ALICE), (70.0, "stop", ALICE)],
            id="not-told-for-a-while",
        ),
        pytest.param([{Owner("eve"): 16000}] * LONG, [], id="who-holds-no-seat"),
        pytest.param([{}] * LONG, [], id="nobody"),
    ],
)
def test_only_who_is_over_the_share_is_warned_and_then_stopped(
    used: list[dict[Owner, int | None]], expected: list[tuple[float, str, Owner]]
) -> None:
    assert run(used) == expected


def test_two_seats_of_a_card_are_twice_the_memory() -> None:
    held = {ALICE: shares(SEATS[:2])}
    assert held == {ALICE: {"GPU-a": 8000}}
    assert run([{ALICE: 8000}] * LONG, held) == []
    assert len(run([{ALICE: 8500}] * LONG, held)) == 2


def test_a_card_of_ones_own_is_not_watched() -> None:
    assert shares((CARD,)) == {}
    assert run([{ALICE: 16000}] * LONG, {ALICE: shares((CARD,))}) == []


def test_who_was_stopped_begins_anew() -> None:
    done = run([{ALICE: OVER}] * (2 * LONG))
    assert [kind for _, kind, _ in done] == ["warn", "stop", "warn", "stop"]


@pytest.mark.parametrize(
    "jump", [pytest.param(GAP + 1, id="nobody-looked"), pytest.param(-5.0, id="another-clock")]
)
def test_nobody_is_stopped_for_what_nobody_saw(jump: float) -> None:
    sample = {"GPU-a": {ALICE: OVER}}
    watch = Watch()
    for at in range(0, 68, 2):
        watch, _ = step(watch, Sample(float(at), sample), HELD)
    watch, actions = step(watch, Sample(66.0 + jump, sample), HELD)
    assert actions == ()
    _, actions = step(watch, Sample(68.0 + jump, sample), HELD)
    assert actions == ()


@pytest.mark.parametrize(
    ("after", "counts"),
    [
        pytest.param(0.0, True, id="at-once"),
        pytest.param(GAP, True, id="just-in-time"),
        pytest.param(GAP + 0.1, False, id="too-long"),
        pytest.param(-0.1, False, id="another-clock"),
    ],
)
def test_what_was_counted_lapses_when_nobody_looks(after: float, counts: bool) -> None:
    watch, _ = step(Watch(), Sample(100.0, {"GPU-a": {ALICE: OVER}}), HELD)
    assert lapse(watch, 100.0 + after) == (watch if counts else Watch())


def test_a_site_may_be_more_patient() -> None:
    watch, done = Watch(), []
    for at in range(40):
        watch, actions = step(
            watch, Sample(float(at), {"GPU-a": {ALICE: OVER}}), HELD, Times(patience=5, grace=20)
        )
        done += [(at, action.kind) for action in actions]
        warned_only = 5 <= at < 25
        assert watch.warned == (frozenset({(ALICE, "GPU-a")}) if warned_only else frozenset())
        assert all("within 20 seconds" in each.message for each in actions if each.kind == "warn")
        if at == 25:
            break
    assert done == [(5, "warn"), (25, "stop")]


NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
USED = (
    ServerUse(ALICE, "a", 2, {"GPU-a": 4500, "GPU-b": None}),
    ServerUse(BOB, "b", 1, {"GPU-a": 10}),
)


@pytest.mark.parametrize(
    ("use", "used"),
    [
        pytest.param(
            Use(servers=USED, read_at=NOON),
            {"GPU-a": {ALICE: 4500, BOB: 10}, "GPU-b": {ALICE: None}},
            id="told",
        ),
        pytest.param(Use(read_at=NOON), {}, id="nobody-computes"),
        pytest.param(Use(servers=USED), None, id="nobody-has-looked"),
        pytest.param(Use(servers=USED, read_at=NOON, problem="no engine"), None, id="a-problem"),
    ],
)
def test_only_what_tells_servers_apart_is_a_sample(use: Use, used: object) -> None:
    found = sample_of(use, 7.0)
    assert (found and found.used) == used
    assert found is None or found.at == 7.0


def test_the_words_name_what_is_used_what_there_is_and_what_to_do() -> None:
    watch, said = Watch(), []
    for number in range(LONG):
        watch, actions = step(watch, Sample(number * EVERY, {"GPU-a": {ALICE: 9216}}), HELD)
        said += [action.message for action in actions]
    warning, stop = said
    assert "9.0 GiB" in warning
    assert "3.9 GiB" in warning
    assert "60 seconds" in warning
    assert "was stopped" in stop
    assert "files are safe" in stop
