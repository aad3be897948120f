"""One GPU a student: what counts as shared, as free, and as a refusal in words."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

import pytest

from cli.errors import Problem
from cli.smokegpus import _together, free_units, judge_distinct, judge_waiting
from room.gpus.inventory import simulated, simulated_uuid
from room.models import Lease, Owner

UNITS = [simulated_uuid(index) for index in range(3)]


def lease(user, *units):
    return Lease(f"lease of {user}", Owner(user), units, datetime.now(timezone.utc))


def test_free_is_what_no_one_but_our_guests_holds():
    leases = [lease("alice", UNITS[0]), lease("room-smoke-1", UNITS[1])]

    assert free_units(simulated(3), leases, ["room-smoke-1"]) == UNITS[1:]


@pytest.mark.parametrize(
    ("got", "ok"),
    [
        pytest.param(UNITS, True, id="one each"),
        pytest.param(UNITS[::-1], True, id="in any order"),
        pytest.param([UNITS[0], UNITS[0], UNITS[1]], False, id="one shared"),
        pytest.param(UNITS[:2], False, id="one left over"),
        pytest.param([*UNITS[:2], "GPU-other"], False, id="one unheard of"),
    ],
)
def test_distinct(got, ok):
    assert judge_distinct(got, UNITS).ok is ok


@pytest.mark.parametrize(
    ("words", "ok"),
    [
        pytest.param("The start failed: all 4 GPUs are in use; choose CPU.", True, id="in words"),
        pytest.param("The start failed: no reason was given.", False, id="no reason"),
        pytest.param("SpawnException: no GPU", False, id="a class's name"),
        pytest.param("503: no GPU is free", False, id="a status"),
        pytest.param("<h1>no GPU</h1>", False, id="markup"),
    ],
)
def test_waiting(words, ok):
    assert judge_waiting(words).ok is ok


async def test_a_problem_waits_for_the_others_to_end():
    ended = []

    async def slow():
        await asyncio.sleep(0.02)
        ended.append("slow")

    async def broken():
        raise Problem("broken")

    with pytest.raises(Problem, match="broken"):
        await _together([broken(), slow()])
    assert ended == ["slow"]
