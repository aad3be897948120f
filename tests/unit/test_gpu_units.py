"""Units: seats by settings, labels, memory caps, what a profile asks for, and the JSON of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from room.gpus import inventory, labels, memorycap
from room.gpus.asking import request
from room.gpus.requests import GPURequest
from room.gpus.seats import Sharing, split
from room.models import GPUUnit, Inventory, Xid

T4 = GPUUnit("GPU-t4", 0, "Tesla T4", 15360, "7.5", "nvidia.com/gpu=GPU-t4", links=("GPU-x",))
A100 = GPUUnit("GPU-a100", 1, "NVIDIA A100-SXM4-40GB", 40960, "8.0")
PART = replace(
    A100, uuid="MIG-1", kind="mig", parent="GPU-a100", mig_profile="1g.5gb", memory_mib=4864
)


# --- seats ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param((), ["GPU-t4", "GPU-a100"], id="nothing-shared"),
        pytest.param(
            (Sharing(2, model="t4"),), ["GPU-t4/1", "GPU-t4/2", "GPU-a100"], id="by-model"
        ),
        pytest.param(
            (Sharing(2, gpus=("GPU-a100",)),), ["GPU-t4", "GPU-a100/1", "GPU-a100/2"], id="by-uuid"
        ),
        pytest.param((Sharing(2, gpus=(0,)),), ["GPU-t4/1", "GPU-t4/2", "GPU-a100"], id="by-index"),
        pytest.param(
            (Sharing(2, gpus=(0,)), Sharing(3, model="T4")),
            ["GPU-t4/1", "GPU-t4/2", "GPU-a100"],
            id="the-first-rule-holds",
        ),
        pytest.param((Sharing(4, model="H100"),), ["GPU-t4", "GPU-a100"], id="no-such-model"),
        pytest.param((Sharing(4),), ["GPU-t4", "GPU-a100"], id="a-rule-about-nothing"),
    ],
)
def test_shared_gpus_become_seats(rules: tuple[Sharing, ...], expected: list[str]) -> None:
    assert [unit.uuid for unit in split((T4, A100), rules)] == expected


def test_a_seat_is_a_part_of_its_gpu() -> None:
    seat = split((replace(T4, health="sick", why="Xid 79"),), (Sharing(4, model="T4"),))[3]
    assert (seat.uuid, seat.kind, seat.parent) == ("GPU-t4/4", "seat", "GPU-t4")
    assert (seat.memory_mib, seat.index, seat.links) == (3840, 0, ())
    assert (seat.cdi_name, seat.device) == ("nvidia.com/gpu=GPU-t4", "GPU-t4")
    assert (seat.health, seat.why) == ("sick", "Xid 79")


def test_a_mig_instance_is_never_shared() -> None:
    assert split((PART,), (Sharing(2, model="A100"), Sharing(2, gpus=(1,)))) == (PART,)


# --- labels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        pytest.param(A100, "NVIDIA A100-SXM4-40GB", id="gpu"),
        pytest.param(PART, "NVIDIA A100-SXM4-40GB MIG 1g.5gb", id="mig"),
        pytest.param(
            split((T4,), (Sharing(2, model="T4"),))[0],
            "Tesla T4, seat of a shared GPU (cooperative)",
            id="seat",
        ),
    ],
)
def test_a_unit_has_a_name_for_people_and_a_seat_is_cooperative(
    unit: GPUUnit, expected: str
) -> None:
    assert labels.label(unit) == expected


# --- JSON -------------------------------------------------------------------------------------


def test_every_kind_of_unit_survives_its_own_json() -> None:
    ill = replace(T4, health="sick", why="Xid 79", xid=Xid(79, "monday"))
    units = (*split((T4,), (Sharing(2, model="T4"),)), A100, PART, ill)
    told = Inventory(units, "570.86.10", "12.8")
    found = inventory.loads(inventory.dumps(told))
    assert found == told
    assert dict.fromkeys(found.units, 1)  # hashable, as placement needs them
    said = json.loads(inventory.dumps(told))["units"]
    assert [unit["cooperative"] for unit in said] == [True, True, False, False, False]


def test_a_file_of_the_first_release_is_still_read() -> None:
    old = {
        "uuid": "GPU-a",
        "index": 0,
        "model": "NVIDIA A10",
        "memory_mib": 23028,
        "compute_capability": "8.6",
        "cdi_name": "nvidia.com/gpu=GPU-a",
        "simulated": False,
    }
    text = json.dumps({"units": [old], "driver_version": "", "cuda_version": "", "read_at": None})
    (unit,) = inventory.loads(text).units
    assert (unit.kind, unit.health, unit.links, unit.usable) == ("gpu", "ok", (), True)
    assert unit.xid is None


@pytest.mark.parametrize("text", ["[]", "3", '{"units": [3]}', '{"units": [{"uuid": "x"}]}', "{"])
def test_what_is_no_inventory_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own words are as good
        inventory.loads(text)


def test_unknown_units_stay_and_what_is_sick_for_sure_stays_sick() -> None:
    found = inventory.unknown(Inventory((T4, replace(A100, health="sick", why="lost"))), "silent")
    assert [(unit.health, unit.why) for unit in found.units] == [
        ("unknown", "silent"),
        ("sick", "lost"),
    ]


# --- memory caps --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "toolkit", "cgroup", "said"),
    [
        pytest.param("615.10.01", "1.20.1", "2", "", id="all-there"),
        pytest.param("620.05", "1.21.0", "2", "", id="newer"),
        pytest.param("580.95.05", "1.20.1", "2", "the driver is 580.95.05", id="old-driver"),
        pytest.param("", "1.20.1", "2", "the driver is not known", id="no-driver"),
        pytest.param("615.10", "1.20.0", "2", "Toolkit is 1.20.0", id="old-toolkit"),
        pytest.param("615.10", "1.9.9", "2", "Toolkit is 1.9.9", id="nine-is-less-than-twenty"),
        pytest.param("615.10", "", "2", "Toolkit is not known", id="no-toolkit"),
        pytest.param("615.10", "1.20.1", "1", "cgroups are version 1", id="cgroups-1"),
        pytest.param("615.10", "1.20.1", "", "version not known", id="cgroups-unknown"),
    ],
)
def test_memory_is_capped_only_where_all_three_can(
    driver: str, toolkit: str, cgroup: str, said: str
) -> None:
    found = memorycap.preflight(driver, toolkit, cgroup)
    assert found.binds == (not said)
    assert said in found.why


SEATS = split((T4,), (Sharing(4, model="T4"),))


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        pytest.param((), None, id="no-gpu"),
        pytest.param((A100, PART), None, id="nothing-shared"),
        pytest.param(SEATS[:1], 3840, id="a-seat"),
        pytest.param(SEATS[:2], 7680, id="two-seats-of-one-card"),
        pytest.param(
            (*SEATS[:2], *split((A100,), (Sharing(10, gpus=(1,)),))[:1]), 4096, id="the-smallest"
        ),
    ],
)
def test_the_cap_is_the_seats_share(units: tuple[GPUUnit, ...], expected: int | None) -> None:
    assert memorycap.cap(units) == expected


# --- what a profile asks for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"count": 0}, None, id="no-gpu"),
        pytest.param({"count": 0, "kind": "seat", "model": "T4"}, None, id="none-of-a-kind"),
        pytest.param({"count": 2}, GPURequest(2), id="any"),
        pytest.param({"count": 1, "kind": "seat"}, GPURequest(1, "seat"), id="seat"),
        pytest.param({"count": 1, "model": "A100"}, GPURequest(1, model="A100"), id="model"),
        pytest.param(
            {"count": 1, "memory": 20 * 1024**3}, GPURequest(1, memory_mib=20480), id="memory"
        ),
        pytest.param(
            {"count": 1, "memory": 1024**2 + 1}, GPURequest(1, memory_mib=2), id="rounded-up"
        ),
        pytest.param({"count": 1, "memory": None}, GPURequest(1), id="no-memory"),
        pytest.param(
            {"count": 1, "mig_profile": "1g.5gb"},
            GPURequest(1, "mig", mig_profile="1g.5gb"),
            id="a-mig-profile-is-mig",
        ),
    ],
)
def test_settings_become_a_request(said: dict[str, object], expected: GPURequest | None) -> None:
    assert request(**said) == expected  # type: ignore[arg-type]
