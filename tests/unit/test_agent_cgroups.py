"""CPU seconds of containers, from control groups of both versions and of both drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import cgroups

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
