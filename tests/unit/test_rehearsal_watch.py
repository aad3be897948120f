"""Who watches a rehearsal: peaks by looks and by the kernel, limits, and the host's counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.rehearsal import watch
from cli.rehearsal.watch import HostCounters, Seen, Watch
from engine.cgroups import Charges, Group
from room.rehearsal.model import Limits, Look, Peaks
from room.settings import Settings

GROUP = Group("c" * 64, 1, "docker/c")


def seen(*looks: Charges) -> Peaks:
    made = Seen(GROUP, 1)
    for each in looks:
        made.take(each, 5, 1.0)
    return made.peaks()


@pytest.mark.parametrize(
    ("looks", "memory", "charged"),
    [
        pytest.param([Charges(100, 0, 0, 100, 0)], 100, 100, id="all-was-seen"),
        pytest.param([Charges(100, 40, 9, 100, 0)], 60, 100, id="files-are-not-its-own"),
        pytest.param([Charges(100, 40, 9, 150, 0)], 110, 150, id="between-two-looks"),
        pytest.param(
            [Charges(100, 40, 9, 100, 0), Charges(70, 0, 0, 100, 0)], 70, 100, id="files-went"
        ),
        pytest.param(
            [Charges(90, 90, 9, 90, 0), Charges(95, 0, 0, 100, 0)], 100, 100, id="both-at-most"
        ),
        pytest.param([Charges(100, 40, 9, None, 0)], 60, 100, id="a-kernel-that-keeps-no-peak"),
        pytest.param(
            [Charges(80, 0, 0, 200, 0), Charges(200, 190, 0, 200, 0)], 80, 200, id="files-came"
        ),
    ],
)
def test_peaks(looks: list[Charges], memory: int, charged: int) -> None:
    found = seen(*looks)
    assert (found.memory, found.charged, found.shm) == (memory, charged, 5)


def test_a_program_that_was_ended_stays_counted_when_the_group_is_gone() -> None:
    assert seen(Charges(10, 0, 0, 10, 0), Charges(9, 0, 0, 10, 2)).killed == 2


def test_of_whom_nothing_was_seen_nothing_is_told() -> None:
    made = Watch(Settings(), ["room-rehearse-0a1b2c-1"])
    assert made.peaks("room-rehearse-0a1b2c-1") == Peaks()
    assert made.cpu("room-rehearse-0a1b2c-1") is None


def unit(user: str, held: int | None) -> dict[str, object]:
    return {"lease": {"user": user}, "use": None if held is None else {"held_mib": held}}


def test_gpu_memory_is_the_most_at_once_of_all_units_of_a_guest_alone() -> None:
    made = Watch(Settings(), ["room-rehearse-0a1b2c-1"])
    guest = "room-rehearse-0a1b2c-1"
    made.note_gpus([unit(guest, 100), unit(guest, 200), unit("anna", 900)])
    made.note_gpus([unit(guest, 250), unit(guest, None), {"lease": None, "use": None}])
    assert made.peaks(guest).gpu == 300 * 1024**2
    assert made.peaks("anna").gpu is None


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        pytest.param(
            {"CpuPeriod": 100_000, "CpuQuota": 150_000, "Memory": 9, "ShmSize": 7},
            Limits(1.5, 9, 7),
            id="all",
        ),
        pytest.param({}, Limits(), id="none"),
        pytest.param({"CpuPeriod": 100_000, "CpuQuota": 0, "Memory": 0}, Limits(), id="zero"),
    ],
)
def test_limits_are_the_containers_own(told: dict[str, int], limits: Limits) -> None:
    assert watch.limits(told) == limits


@pytest.mark.parametrize(("count", "kept"), [(0, 0), (1, 1), (240, 240), (241, 121), (5000, 239)])
def test_of_many_looks_those_with_most_memory_are_kept(count: int, kept: int) -> None:
    looks = [Look(float(place), place % 7, 0, 0, 0.0, 0) for place in range(count)]
    found = watch.thinned(looks, 240)
    assert len(found) == kept
    assert max((look.students for look in found), default=0) == min(6, max(0, count - 1))


def proc(place: Path, busy: int, idle: int, read: int) -> None:
    (place / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n")
    (place / "vmstat").write_text(f"pgpgout 7\npgpgin {read}\n")
    (place / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable: 60 kB\n")


def test_the_host_is_told_of_from_one_look_to_the_next(tmp_path: Path) -> None:
    proc(tmp_path, 100, 100, 10)
    host = HostCounters(tmp_path)
    proc(tmp_path, 130, 110, 10)
    found = host.look(1.0, 5, 3)
    assert (found.busy, found.read, found.available) == (0.75, 0, 60 * 1024)
    proc(tmp_path, 130, 110, 20)
    assert host.look(2.0, 5, 3).read > 0
