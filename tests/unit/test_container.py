"""What is asked of docker create, and how an end is read back from docker inspect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from room.datasets.pinned import binds
from room.gpus.inventory import simulated
from room.gpus.seats import Sharing, split
from room.models import Exit, Limits, Owner, Pinned, SpawnPlan
from spawner import container, exits, stages

PLAN = SpawnPlan(
    owner=Owner("alice", "lab"),
    image="torchroom/pytorch:1",
    command=("serve",),
    environment={"A": "1", "NVIDIA_VISIBLE_DEVICES": "all"},
    limits=Limits(cpu=1.5, memory=2**30, shm=2**28, pids=100),
    network="room-students",
    port=8888,
    lease_id="l1",
    profile="gpu",
    mounts={"room-home-alice": ("/home/jovyan", "rw,nocopy")},
)
UNITS = simulated(2).units


@pytest.mark.parametrize(
    ("gpus", "driver", "expected"),
    [
        pytest.param((), "cdi", "void", id="cpu-takes-back-what-the-image-asks-for"),
        pytest.param(UNITS, "cdi", "void", id="cdi-devices-come-without-the-variable"),
        pytest.param(UNITS, "nvidia", None, id="legacy-engine-sets-it-itself"),
    ],
)
def test_the_gpu_variable_is_the_rooms_to_set(gpus: Any, driver: str, expected: str | None) -> None:
    found = container.environment(replace(PLAN, gpus=gpus, gpu_driver=driver))
    assert found.get("NVIDIA_VISIBLE_DEVICES") == expected
    assert found["A"] == "1"
    assert found["ROOM_GPU_UUIDS"] == ",".join(unit.uuid for unit in gpus)


def test_devices_are_asked_for_by_uuid_and_by_a_named_driver() -> None:
    (cdi,) = container.device_requests(UNITS, "cdi")
    assert cdi == {"Driver": "cdi", "DeviceIDs": [f"room.sim/gpu={unit.uuid}" for unit in UNITS]}
    (legacy,) = container.device_requests(UNITS, "nvidia")
    assert legacy["Driver"] == "nvidia"
    assert legacy["DeviceIDs"] == [unit.uuid for unit in UNITS]
    assert "Count" not in legacy
    assert container.device_requests((), "cdi") == []


def test_what_is_kept_in_memory_is_mounted_so() -> None:
    assert container.host_config(PLAN, 1, 1)["tmpfs"] == {}
    kept = replace(PLAN, tmpfs={"/tmp": "size=64m"})
    assert container.host_config(kept, 1, 1)["tmpfs"] == {"/tmp": "size=64m"}


SEATS = split(UNITS[:1], (Sharing(3, gpus=(0,)),))


@pytest.mark.parametrize(
    ("driver", "expected"),
    [("cdi", [UNITS[0].cdi_name]), ("nvidia", [UNITS[0].uuid])],
)
def test_two_seats_of_one_card_are_one_device(driver: str, expected: list[str]) -> None:
    (found,) = container.device_requests(SEATS[:2], driver)
    assert found["DeviceIDs"] == expected


def test_a_seats_lease_is_on_the_seat_and_not_on_its_card() -> None:
    found = container.labels("room", replace(PLAN, gpus=SEATS[1:2]))
    assert found["torchroom.gpus"] == f"{UNITS[0].uuid}/2"


@pytest.mark.parametrize(("cap", "expected"), [(None, None), (5461, "5461")])
def test_the_drivers_cap_is_asked_for_by_both_variables(
    cap: int | None, expected: str | None
) -> None:
    found = container.environment(replace(PLAN, gpus=SEATS[:1], gpu_memory_cap=cap))
    assert found.get("NVIDIA_GPU_MEMORY_REQUEST") == expected
    assert found.get("NVIDIA_GPU_MEMORY_LIMIT") == expected


def test_no_limit_is_written_as_none_and_a_limit_has_no_swap_on_top() -> None:
    limited = container.host_config(PLAN, 1000, 2)
    assert (limited["mem_limit"], limited["memswap_limit"]) == (2**30, 2**30)
    assert limited["cpu_quota"] / limited["cpu_period"] == 1.5
    free = container.host_config(
        replace(PLAN, limits=Limits(cpu=None, memory=None, shm=1, pids=1)), 1000, 2
    )
    assert not {"mem_limit", "memswap_limit", "cpu_quota"} & set(free)


def test_labels_say_whose_it_is_and_what_it_holds() -> None:
    found = container.labels("room", replace(PLAN, gpus=UNITS))
    assert found["torchroom.user"] == "alice"
    assert found["torchroom.server"] == "lab"
    assert found["torchroom.lease"] == "l1"
    assert found["torchroom.session"] == "0.0"
    assert found["torchroom.idle"] == "0.0"
    assert found["torchroom.gpu-idle"] == "0.0"
    assert found["torchroom.gpus"] == ",".join(unit.uuid for unit in UNITS)
    assert found["torchroom.datasets"] == ""


def test_datasets_are_mounted_named_in_the_environment_and_on_a_label() -> None:
    flowers = Pinned("flowers", 2, "d" * 64)
    plan = replace(PLAN, datasets=(flowers,), binds=binds("/data/datasets", [flowers]))
    files, page = container.host_config(plan, 1, 1)["mounts"]
    version = f"/data/datasets/versions/flowers/{'d' * 64}"
    assert (files["Source"], files["Target"]) == (f"{version}/tree", "/datasets/flowers")
    assert (page["Source"], page["Target"]) == (
        f"{version}/README.md",
        "/datasets/README/flowers.md",
    )
    assert {(each["Type"], each["ReadOnly"]) for each in (files, page)} == {("bind", True)}
    assert container.labels("room", plan)["torchroom.datasets"] == f"flowers={'d' * 64}"
    assert '"/datasets/flowers"' in container.environment(plan)["ROOM_DATASETS"]
    assert container.environment(PLAN)["ROOM_DATASETS"] == "{}"


@pytest.mark.parametrize(
    ("base", "extra", "expected"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="new-key"),
        pytest.param({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}, id="dicts-merge"),
        pytest.param({"a": [1]}, {"a": [2]}, {"a": [2]}, id="lists-replace"),
    ],
)
def test_an_admins_extra_lies_on_top(base: Any, extra: Any, expected: Any) -> None:
    before = repr(base)
    assert container.merge(base, extra) == expected
    assert repr(base) == before


def state(**fields: Any) -> dict[str, Any]:
    return {"State": {"Running": False, "Status": "exited", "FinishedAt": "", **fields}}


@pytest.mark.parametrize(
    ("inspected", "code", "oom"),
    [
        pytest.param(state(ExitCode=3), 3, False, id="code"),
        pytest.param(state(ExitCode=137, OOMKilled=True), 137, True, id="oom"),
    ],
)
def test_an_end_is_read_from_the_engine(inspected: Any, code: int, oom: bool) -> None:
    found = exits.from_inspect(Owner("a"), inspected)
    assert found is not None
    assert (found.code, found.oom_killed) == (code, oom)
    assert found.finished_at.tzinfo is not None


@pytest.mark.parametrize(
    "inspected",
    [
        pytest.param(state(Running=True, Status="running"), id="running"),
        pytest.param(state(Status="created"), id="never-started"),
    ],
)
def test_what_has_not_ended_has_no_end(inspected: Any) -> None:
    assert exits.from_inspect(Owner("a"), inspected) is None


def test_the_time_of_an_end_is_dockers() -> None:
    found = exits.from_inspect(Owner("a"), state(FinishedAt="2026-11-23T20:01:02.123456789Z"))
    assert found is not None
    assert found.finished_at.isoformat() == "2026-11-23T20:01:02+00:00"


@pytest.mark.parametrize(
    ("code", "oom", "words"),
    [
        pytest.param(137, True, "used all its memory of 4 GiB", id="oom"),
        pytest.param(137, False, "killed from outside", id="killed"),
        pytest.param(143, False, "asked to stop", id="term"),
        pytest.param(0, False, "ended by itself", id="clean"),
        pytest.param(1, False, "exit code 1", id="error"),
    ],
)
def test_why_a_server_ended_is_told_in_words(code: int, oom: bool, words: str) -> None:
    from datetime import datetime, timezone

    end = Exit(Owner("a"), code, oom, datetime.now(timezone.utc))
    assert words in stages.why_ended(end, 4 * 2**30)


def test_stages_go_forward() -> None:
    steps = [stage.progress for stage in stages.STAGES]
    assert steps == sorted(set(steps))
    assert all(0 < step < 100 for step in steps)
