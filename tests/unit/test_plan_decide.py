"""What a plan lets a server have, and what it refuses, in words."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.gpus.requests import GPURequest
from room.models import GPUUnit, Reject
from room.plans import combine
from room.plans.decide import OF_A_SERVER, Admit, Wish, decide
from room.plans.keys import KEYS
from room.plans.model import EffectivePlan, Limit, subject

NOW = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)
GIB = 1024**3
UNITS = (
    GPUUnit("GPU-t4", 0, "Tesla T4", 15360),
    GPUUnit("GPU-a100", 1, "NVIDIA A100-SXM4-40GB", 40960),
    GPUUnit("MIG-1", 2, "NVIDIA A100-SXM4-40GB", 9856, kind="mig", mig_profile="1g.10gb"),
    GPUUnit("GPU-t4/1", 3, "Tesla T4", 7680, kind="seat", parent="GPU-t4"),
)


def plan(**limits: Any) -> EffectivePlan:
    said = [
        Limit(subject("class/a"), KEYS[name], KEYS[name].parse(value), written=True)
        for name, value in limits.items()
    ]
    defaults = {"cpu": 2.0, "memory": 4 * GIB, "shm": GIB, "pids": 1024}
    return combine.effective("alice", ["a"], said, [], defaults, NOW)


def admitted(found: Admit | Reject) -> Admit:
    assert isinstance(found, Admit), found
    return found


@pytest.mark.parametrize(
    ("limits", "profile", "gets"),
    [
        pytest.param({}, {}, {"cpu": 2.0, "memory": 4 * GIB, "session": math.inf}, id="defaults"),
        pytest.param({"memory": "8G"}, {}, {"memory": 8 * GIB}, id="the plan where none is said"),
        pytest.param(
            {"memory": "8G"}, {"memory": 6 * GIB}, {"memory": 6 * GIB}, id="the profile within it"
        ),
        pytest.param(
            {"memory": "2G"}, {"memory": 6 * GIB}, {"memory": 2 * GIB}, id="the plan bounds it"
        ),
        pytest.param(
            {}, {"memory": 16 * GIB}, {"memory": 16 * GIB}, id="a default bounds no profile"
        ),
        pytest.param({"memory": "none"}, {"memory": 16 * GIB}, {"memory": 16 * GIB}, id="no bound"),
        pytest.param({"session": "2h"}, {"session": 3600}, {"session": 3600}, id="session"),
        pytest.param({"session": "2h"}, {}, {"session": 7200}, id="session of the plan"),
        pytest.param({}, {}, {"idle": math.inf}, id="idle as long as it likes"),
        pytest.param({"idle": "1h"}, {}, {"idle": 3600}, id="idle by the plan"),
        pytest.param({}, {}, {"gpu_idle": math.inf}, id="no gpu is offered back"),
        pytest.param({"gpu_idle": "20m"}, {}, {"gpu_idle": 1200}, id="gpu_idle by the plan"),
        pytest.param({"memory": "512M"}, {}, {"shm": GIB // 2}, id="shm is a part of memory"),
        pytest.param({"pids": "64"}, {"pids": 4096}, {"pids": 64}, id="pids"),
    ],
)
def test_what_a_server_gets(
    limits: dict[str, str], profile: dict[str, float], gets: dict[str, float]
) -> None:
    found = admitted(decide(Wish(said=profile), plan(**limits)))
    assert {name: getattr(found, name) for name in gets} == gets


@pytest.mark.parametrize(
    ("limits", "running", "refused"),
    [
        ({}, 99, False),
        ({"servers": 2}, 1, False),
        ({"servers": 2}, 2, True),
        ({"servers": 0}, 0, True),
    ],
)
def test_servers_at_the_same_time(limits: dict[str, Any], running: int, refused: bool) -> None:
    assert isinstance(decide(Wish(), plan(**limits), running=running), Reject) == refused


@pytest.mark.parametrize(
    ("kinds", "request_", "takes"),
    [
        ("any", GPURequest(), ["GPU-t4", "GPU-a100", "MIG-1"]),
        ("T4", GPURequest(), ["GPU-t4"]),
        ("t4, mig", GPURequest(), ["GPU-t4", "MIG-1"]),
        ("gpu", GPURequest(), ["GPU-t4", "GPU-a100"]),
        ("1g.10gb", GPURequest(kind="mig"), ["MIG-1"]),
        ("seat", GPURequest(kind="seat"), ["GPU-t4/1"]),
        ("a100", GPURequest(model="T4"), None),
        ("seat", GPURequest(), None),
        ("mig", GPURequest(kind="gpu"), None),
    ],
)
def test_which_units_may_be_had(kinds: str, request_: GPURequest, takes: list[str] | None) -> None:
    found = decide(Wish(gpus=request_), plan(gpu_kinds=kinds), units=UNITS)
    if takes is None:
        assert isinstance(found, Reject)
        assert "kinds of GPUs" in found.message
    else:
        gpus = admitted(found).gpus
        assert gpus is not None
        assert [unit.uuid for unit in UNITS if gpus.takes(unit)] == takes


def test_no_kind_at_all_is_not_every_kind() -> None:
    """An instructor's kinds that the class has none of leave nothing."""
    said = [
        Limit(subject("class/a"), KEYS["gpu_kinds"], frozenset({"T4"})),
        Limit(subject("alice"), KEYS["gpu_kinds"], frozenset({"A100"}), behalf="a"),
    ]
    none = combine.effective("alice", ["a"], said, [], {}, NOW)
    assert none["gpu_kinds"] == frozenset()
    assert isinstance(decide(Wish(gpus=GPURequest()), none, units=UNITS), Reject)
    assert isinstance(decide(Wish(gpus=GPURequest()), none), Reject)
    admitted(decide(Wish(), none, units=UNITS))


def test_the_cap_is_of_what_is_asked_for() -> None:
    found = plan(gpus=2, seats=1)
    assert admitted(decide(Wish(gpus=GPURequest()), found, units=UNITS)).cap == 2
    assert admitted(decide(Wish(gpus=GPURequest(kind="seat")), found, units=UNITS)).cap == 1
    assert admitted(decide(Wish(gpus=GPURequest()), plan(), units=UNITS)).cap is None


@pytest.mark.parametrize(
    ("limits", "wish", "words"),
    [
        (
            {"profiles": "cpu"},
            Wish("gpu"),
            "Your plan does not have the profile gpu; it has: cpu. The limit is that of class a; "
            "ask your instructor or the admin for more.",
        ),
        (
            {"images": "room/pytorch:*"},
            Wish("gpu", "evil/image:1"),
            "Your plan does not have the image evil/image:1; it has: room/pytorch:*. The limit "
            "is that of class a; ask your instructor or the admin for more.",
        ),
        (
            {"servers": 1},
            Wish(),
            "Your plan allows 1 server at the same time, and you have 1. Stop one first. "
            "The limit is that of class a; ask your instructor or the admin for more.",
        ),
        (
            {"servers": 0},
            Wish(),
            "Your plan allows no server at the moment. The limit is that of class a; "
            "ask your instructor or the admin for more.",
        ),
        (
            {"gpu_kinds": "T4"},
            Wish("gpu", "", GPURequest(model="A100")),
            "Your plan has these kinds of GPUs: T4; and this profile needs 1 GPU with A100. "
            "The limit is that of class a; ask your instructor or the admin for more.",
        ),
    ],
)
def test_a_refusal_names_the_rule_the_number_and_what_to_do(
    limits: dict[str, Any], wish: Wish, words: str
) -> None:
    found = decide(wish, plan(**limits), running=1, units=UNITS)
    assert isinstance(found, Reject)
    assert found.message == words


def test_a_star_stands_for_anything() -> None:
    found = plan(profiles="gpu-*", images="room/*")
    admitted(decide(Wish("gpu-large", "room/pytorch:1"), found))
    assert isinstance(decide(Wish("cpu"), found), Reject)
    assert isinstance(decide(Wish("gpu-large", "Room/pytorch:1"), found), Reject)


_SIZES = st.integers(64 * 1024**2, 64 * GIB)


@given(
    st.dictionaries(st.sampled_from(["cpu", "pids", "servers", "gpus"]), st.integers(16, 900)),
    st.dictionaries(st.sampled_from(["memory", "shm"]), _SIZES),
    st.dictionaries(st.sampled_from(OF_A_SERVER), st.floats(16, 1e12)),
    st.integers(0, 1000),
)
def test_nothing_is_admitted_over_the_plan(
    numbers: dict[str, int], sizes: dict[str, int], said: dict[str, float], running: int
) -> None:
    here = plan(**numbers, **sizes)
    found = decide(Wish(gpus=GPURequest(), said=said), here, running=running, units=UNITS)
    if isinstance(found, Reject):
        assert running >= here["servers"]
        return
    assert running < here["servers"]
    for name in OF_A_SERVER:
        bound = here[name] if here.limits[name].origin.limits else math.inf
        assert getattr(found, name) <= bound
        if name in said and name != "shm":
            assert getattr(found, name) == min(said[name], bound)
    assert found.shm <= found.memory
    assert found.cap is None or found.cap <= here["gpus"]
