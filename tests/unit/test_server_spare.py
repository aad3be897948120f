"""When the kernel that was started early is the one that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import spare


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        pytest.param("HOME", True, id="where a user's packages are"),
        pytest.param("PYTHONPATH", True, id="where Python looks"),
        pytest.param("PYTHONNOUSERSITE", True, id="where it does not"),
        pytest.param("LD_LIBRARY_PATH", True, id="where libraries are"),
        pytest.param("PATH", False, id="what a kernel reads when it runs a command"),
        pytest.param("JPY_SESSION_NAME", False, id="the notebook"),
        pytest.param("OMP_NUM_THREADS", False, id="what NumPy reads when it is imported"),
    ],
)
def test_only_what_python_reads_at_its_start_decides(name: str, matters: bool) -> None:
    before = {"HOME": "/home/jovyan", "PATH": "/bin"}
    after = {**before, name: "another"}
    changed = spare.decides_imports(before) != spare.decides_imports(after)
    assert changed is matters


def test_an_installed_package_is_seen_and_a_folder_that_is_not_there_is_none(
    tmp_path: Path,
) -> None:
    packages = tmp_path / "site-packages"
    assert spare.changed(packages) == 0
    packages.mkdir()
    before = spare.changed(packages)
    assert before > 0
    (packages / "new").mkdir()
    assert spare.changed(packages) >= before
