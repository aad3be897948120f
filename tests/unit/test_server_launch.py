"""The launcher of a user's server: what it decides, and lessons given to real directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server import launch
from server.examples import give
from server.mounts import show

HOME, RUNTIME = Path("/home/jovyan"), Path("/run/jupyter")


def test_a_good_home_keeps_what_jupyterlab_keeps() -> None:
    found = launch.environment({}, HOME, RUNTIME, lambda path: True)
    assert found["JUPYTERLAB_SETTINGS_DIR"] == "/home/jovyan/.jupyter/lab/user-settings"
    assert found["JUPYTER_DATA_DIR"] == "/home/jovyan/.local/share/jupyter"
    assert found["JUPYTER_RUNTIME_DIR"] == "/run/jupyter"
    assert found["JUPYTER_CONFIG_DIR"].startswith("/opt/jupyter")
    assert "OMP_NUM_THREADS" not in found


def test_what_cannot_be_used_goes_to_the_runtime_directory() -> None:
    found = launch.environment({}, HOME, RUNTIME, lambda path: ".jupyter" not in path.parts)
    assert found["JUPYTERLAB_SETTINGS_DIR"] == "/run/jupyter/settings"
    assert found["JUPYTERLAB_WORKSPACES_DIR"] == "/run/jupyter/workspaces"
    assert found["JUPYTER_DATA_DIR"] == "/home/jovyan/.local/share/jupyter"


def test_a_start_to_tidy_up_writes_nothing_into_the_home() -> None:
    found = launch.environment({}, HOME, RUNTIME, lambda path: False)
    found |= launch.rescue_environment(RUNTIME)
    assert not [name for name, value in found.items() if value.startswith(str(HOME))]
    assert {"IPYTHONDIR", "HISTFILE", "JUPYTERLAB_SETTINGS_DIR"} <= found.keys()


@pytest.mark.parametrize(
    ("cores", "given", "threads"),
    [
        pytest.param(None, {}, None, id="no limit"),
        pytest.param(2.0, {}, "2", id="whole cores"),
        pytest.param(0.5, {}, "1", id="less than one"),
        pytest.param(2.5, {}, "3", id="rounded up"),
        pytest.param(2.0, {"OMP_NUM_THREADS": "8"}, None, id="said by the room"),
    ],
)
def test_threads_fit_the_cpu_limit(
    cores: float | None, given: dict[str, str], threads: str | None
) -> None:
    found = launch.environment(given, HOME, RUNTIME, lambda path: True, cores)
    assert found.get("OMP_NUM_THREADS") == threads


@pytest.mark.parametrize(
    ("told", "files", "cores"),
    [
        pytest.param("2.0", {}, 2.0, id="the hub says it"),
        pytest.param("", {"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5, id="cgroup v2"),
        pytest.param("", {"/sys/fs/cgroup/cpu.max": "max 100000\n"}, None, id="v2, no limit"),
        pytest.param(
            "",
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            4.0,
            id="cgroup v1",
        ),
        pytest.param(
            "",
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
            id="v1, no limit",
        ),
        pytest.param("many", {}, None, id="nonsense"),
        pytest.param("inf", {}, None, id="without end"),
    ],
)
def test_cpu_limit_is_the_hubs_else_the_containers(
    told: str, files: dict[str, str], cores: float | None
) -> None:
    assert launch.cpu_limit(told, lambda path: files.get(path, "")) == cores


def test_usable_makes_the_directory_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert launch.usable(wanted)
    assert list(wanted.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda home: (home / "a").write_text("x"), id="a file in the way"),
        pytest.param(lambda home: (home / "a").symlink_to("a"), id="a circle of links"),
        pytest.param(lambda home: (home / "a").symlink_to("/proc/nowhere"), id="a link to nowhere"),
    ],
)
def test_what_is_in_the_way_makes_a_directory_unusable(tmp_path: Path, spoil) -> None:
    spoil(tmp_path)
    assert not launch.usable(tmp_path / "a" / "b")


# --- lessons ------------------------------------------------------------------------------------


@pytest.fixture
def lessons(tmp_path: Path) -> Path:
    source = tmp_path / "lessons"
    (source / "data").mkdir(parents=True)
    (source / "01.ipynb").write_text("one")
    (source / "data" / "table.csv").write_text("a,b")
    return source


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def test_a_new_home_gets_every_lesson(lessons: Path, home: Path) -> None:
    assert give(lessons, home) == ["01.ipynb", "data/table.csv"]
    assert (home / "examples" / "data" / "table.csv").read_text() == "a,b"
    assert sorted(p.name for p in (home / "examples").iterdir()) == ["01.ipynb", "data"]


def test_a_changed_lesson_stays_and_a_deleted_one_stays_away(lessons: Path, home: Path) -> None:
    give(lessons, home)
    (home / "examples" / "01.ipynb").write_text("mine")
    (home / "examples" / "data" / "table.csv").unlink()
    assert give(lessons, home) == []
    assert (home / "examples" / "01.ipynb").read_text() == "mine"
    assert not (home / "examples" / "data" / "table.csv").exists()


def test_a_new_lesson_of_a_newer_image_is_given(lessons: Path, home: Path) -> None:
    give(lessons, home)
    (lessons / "02.ipynb").write_text("two")
    assert give(lessons, home) == ["02.ipynb"]


def test_a_file_of_the_same_name_is_not_touched(lessons: Path, home: Path) -> None:
    (home / "examples").mkdir()
    (home / "examples" / "01.ipynb").symlink_to("/nowhere")
    assert give(lessons, home) == ["data/table.csv"]
    assert str((home / "examples" / "01.ipynb").readlink()) == "/nowhere"


def test_a_home_that_takes_nothing_is_an_error_for_the_launcher_to_swallow(
    lessons: Path, home: Path
) -> None:
    (home / "examples").write_text("in the way")
    with pytest.raises(OSError, match="examples"):
        give(lessons, home)
    (home / "examples").unlink()
    assert give(lessons, home) == ["01.ipynb", "data/table.csv"]


# --- what is mounted beside the home ------------------------------------------------------------


def test_the_home_leads_to_what_is_mounted_while_there_is_something(
    tmp_path: Path, home: Path
) -> None:
    datasets, link = tmp_path / "datasets", home / "datasets"
    show(datasets, home)
    assert not os.path.lexists(link)
    datasets.mkdir()
    show(datasets, home)
    assert not os.path.lexists(link), "an image has the directory, and nothing in it"
    (datasets / "flowers").mkdir()
    for _ in range(2):
        show(datasets, home)
        assert link.readlink() == datasets
    (datasets / "flowers").rmdir()
    show(datasets, home)
    assert not os.path.lexists(link)


@pytest.mark.parametrize("kind", ["directory", "link"])
@pytest.mark.parametrize("mounted", [True, False])
def test_what_a_user_calls_so_stays(tmp_path: Path, home: Path, kind: str, mounted: bool) -> None:
    own, classes = home / "class", tmp_path / "class"
    if kind == "directory":
        own.mkdir()
    else:
        own.symlink_to("elsewhere")
    if mounted:
        (classes / "ml101").mkdir(parents=True)
    before = own.lstat()
    show(classes, home)
    assert own.lstat() == before


def test_a_home_leads_to_classes_and_to_datasets() -> None:
    assert [path.name for path in launch.BESIDE] == ["class", "datasets"]
