"""CPU seconds of containers, from control groups of both versions and of both drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import cgroups

ONE, TWO = "a" * 64, "b" * 64
V2 = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n"


@pytest.mark.parametrize(
    ("file", "text", "seconds"),
    [
        pytest.param(f"docker/{ONE}/cpu.stat", V2, 2.5, id="version-2-cgroupfs"),
        pytest.param(f"system.slice/docker-{ONE}.scope/cpu.stat", V2, 2.5, id="version-2-systemd"),
        pytest.param(f"cpuacct/docker/{ONE}/cpuacct.usage", "2500000000\n", 2.5, id="version-1"),
        pytest.param(
            f"cpuacct/system.slice/docker-{ONE}.scope/cpuacct.usage", "7\n", 7e-9,
            id="version-1-systemd",
        ),
        pytest.param(f"docker/{ONE}/cpu.stat", "nr_periods 0\n", None, id="without-the-figure"),
        pytest.param(f"docker/{TWO}/cpu.stat", V2, None, id="of-another"),
    ],
)  # fmt: skip
def test_cpu_seconds_are_read(tmp_path: Path, file: str, text: str, seconds: float | None) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert cgroups.cpu_seconds(ONE, tmp_path) == seconds
    expected = {} if seconds is None else {ONE: seconds}
    assert cgroups.reader(tmp_path)([ONE]) == expected


STAT = "anon 500\ninactive_file 300\nactive_file 7\n"


@pytest.mark.parametrize(
    ("files", "held"),
    [
        pytest.param(
            {f"docker/{ONE}/memory.current": "1000\n", f"docker/{ONE}/memory.stat": STAT},
            700,
            id="version-2",
        ),
        pytest.param(
            {
                f"memory/docker/{ONE}/memory.usage_in_bytes": "1000\n",
                f"memory/docker/{ONE}/memory.stat": "inactive_file 9\ntotal_inactive_file 400\n",
                f"cpuacct/docker/{ONE}/cpuacct.usage": "7\n",
            },
            600,
            id="version-1",
        ),
        pytest.param({f"docker/{ONE}/memory.current": "1000\n"}, 1000, id="without-files"),
        pytest.param(
            {f"docker/{ONE}/memory.current": "100\n", f"docker/{ONE}/memory.stat": STAT},
            0,
            id="read-at-two-moments",
        ),
        pytest.param({f"docker/{ONE}/cpu.stat": V2}, None, id="not-told"),
    ],
)
def test_memory_in_use_is_what_the_kernel_would_not_give_up(
    tmp_path: Path, files: dict[str, str], held: int | None
) -> None:
    write(tmp_path, files)
    (group,) = cgroups.groups(tmp_path)
    assert group.memory() == held


def test_the_groups_of_containers_are_found_and_no_others(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            f"docker/{ONE}/cpu.stat": V2,
            f"docker/{ONE}/docker/{TWO}/cpu.stat": V2,
            f"docker/{ONE}0/cpu.stat": V2,
            "docker/cgroup.procs": "",
            f"system.slice/docker-{TWO}.scope/cpu.stat": V2,
            "system.slice/ssh.service/cpu.stat": V2,
        },
    )
    found = {group.container: group for group in cgroups.groups(tmp_path)}
    assert found.keys() == {ONE, TWO}
    assert {group.cpu() for group in found.values()} == {2.5}
    assert len({group.number for group in found.values()}) == 2


def test_a_group_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    write(tmp_path, {f"docker/{ONE}/cpu.stat": V2})
    (group,) = cgroups.groups(tmp_path)
    (tmp_path / "docker" / ONE / "cpu.stat").unlink()
    (tmp_path / "docker" / ONE).rmdir()
    assert (group.cpu(), group.memory()) == (None, None)
    assert list(cgroups.groups(tmp_path / "nowhere")) == []


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


V1_STAT = "inactive_file 1\ntotal_inactive_file 300\ntotal_active_file 100\n"


@pytest.mark.parametrize(
    ("files", "charges"),
    [
        pytest.param(
            {
                "docker/x/memory.current": "1000\n",
                "docker/x/memory.peak": "2000\n",
                "docker/x/memory.stat": STAT,
                "docker/x/memory.events": "oom 3\noom_kill 2\n",
            },
            cgroups.Charges(1000, 307, 7, 2000, 2),
            id="version-2",
        ),
        pytest.param(
            {"docker/x/memory.current": "1000\n", "docker/x/memory.stat": STAT},
            cgroups.Charges(1000, 307, 7, None, 0),
            id="before-linux-5.19",
        ),
        pytest.param(
            {
                "memory/docker/x/memory.usage_in_bytes": "1000\n",
                "memory/docker/x/memory.max_usage_in_bytes": "1500\n",
                "memory/docker/x/memory.stat": V1_STAT,
                "memory/docker/x/memory.oom_control": "oom_kill_disable 0\noom_kill 1\n",
            },
            cgroups.Charges(1000, 400, 100, 1500, 1),
            id="version-1",
        ),
        pytest.param({}, None, id="gone"),
    ],
)
def test_what_is_charged_is_read(
    tmp_path: Path, files: dict[str, str], charges: cgroups.Charges | None
) -> None:
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert cgroups.Group("x", 1, "docker/x", tmp_path).charges() == charges


def test_files_that_the_kernel_can_drop_are_not_a_group_s_own() -> None:
    assert cgroups.Charges(1000, 400, 100, None, 0).own == 600
    # The two files are not read at one moment.
    assert cgroups.Charges(100, 400, 100, None, 0).own == 0
