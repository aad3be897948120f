"""A spawner's traits → what it asks for, and the cap of a seat's memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from traitlets.config import Config

from room.gpus.inventory import simulated
from room.gpus.requests import GPURequest
from room.gpus.seats import Sharing, split
from room.gpus.watchdog import Times
from room.models import GPUUnit
from spawner.spawner import RoomSpawner

CARDS = simulated(1).units
SEATS = split(CARDS, (Sharing(4, gpus=(0,)),))


class FakeEngine:
    """Says which cgroups it has, and counts how often it is asked."""

    def __init__(self, cgroup: str) -> None:
        self.cgroup = cgroup
        self.asked = 0

    @asynccontextmanager
    async def words(self, what: str) -> AsyncIterator[None]:
        yield

    async def call(self, method: str) -> dict[str, Any]:
        assert method == "info"
        self.asked += 1
        return {"CgroupVersion": self.cgroup}


def spawner(**traits: Any) -> RoomSpawner:
    return RoomSpawner(config=Config(RoomSpawner=traits))


@pytest.mark.parametrize(
    ("traits", "override", "expected"),
    [
        pytest.param({}, {}, None, id="no-gpu"),
        pytest.param({"gpus": 1}, {}, GPURequest(1), id="as-set"),
        pytest.param({}, {"gpus": 2, "gpu_kind": "gpu"}, GPURequest(2, "gpu"), id="by-a-profile"),
        pytest.param({"gpus": 1}, {"gpus": 0}, None, id="a-profile-without"),
        pytest.param(
            {"gpus": 1, "gpu_model": "T4"},
            {"gpu_model": "A100"},
            GPURequest(1, model="A100"),
            id="the-profile-holds",
        ),
        pytest.param(
            {"gpu_memory": "20G"}, {"gpus": 1}, GPURequest(1, memory_mib=20480), id="memory-as-text"
        ),
        pytest.param(
            {},
            {"gpus": 1, "mig_profile": "1g.10gb"},
            GPURequest(1, "mig", mig_profile="1g.10gb"),
            id="mig",
        ),
    ],
)
def test_traits_and_a_profile_become_a_request(
    traits: dict[str, Any], override: dict[str, Any], expected: GPURequest | None
) -> None:
    assert spawner(**traits).asked_gpus(override) == expected


@pytest.mark.parametrize(
    ("units", "driver", "toolkit", "cgroup", "cap"),
    [
        pytest.param(SEATS[:1], "615.10", "1.20.1", "2", 4096, id="a-seat"),
        pytest.param(SEATS[:2], "615.10", "1.20.1", "2", 8192, id="two-seats"),
        pytest.param(SEATS[:1], "580.65", "1.20.1", "2", None, id="old-driver"),
        pytest.param(SEATS[:1], "615.10", "", "2", None, id="toolkit-not-known"),
        pytest.param(SEATS[:1], "615.10", "1.20.1", "1", None, id="old-cgroups"),
        pytest.param(CARDS, "615.10", "1.20.1", "2", None, id="a-card-of-ones-own"),
        pytest.param((), "615.10", "1.20.1", "2", None, id="no-gpu"),
    ],
)
async def test_a_seats_memory_is_capped_where_the_driver_can(
    units: tuple[GPUUnit, ...], driver: str, toolkit: str, cgroup: str, cap: int | None
) -> None:
    engine: Any = FakeEngine(cgroup)
    assert await spawner(gpu_toolkit=toolkit).memory_cap(units, driver, engine) == cap
    # A start without a seat asks the engine nothing.
    assert engine.asked == int(any(unit.kind == "seat" for unit in units))


@pytest.mark.parametrize("cap", [pytest.param(4096, id="capped"), pytest.param(None, id="watched")])
def test_a_restarted_hub_knows_whom_the_driver_caps(cap: int | None) -> None:
    before, after = spawner(), spawner()
    before.gpu_memory_cap = cap
    after.load_state(before.get_state())
    assert after.gpu_memory_cap == cap
    assert after.shares_watched(SEATS[:1]) == ({} if cap else {CARDS[0].uuid: 4096})
    assert after.shares_watched(CARDS) == {}


def test_the_times_of_the_watchdog_are_settings() -> None:
    assert spawner().seat_times() == Times()
    assert spawner(seat_patience=5, seat_grace=120).seat_times() == Times(5, 120)
