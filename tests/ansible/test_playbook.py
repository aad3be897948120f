"""The playbook run for real, with the roles that can be run beside whatever is on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import host
from room.gpus import inventory
from tests.utils.modules import ROOT

BIN = Path(sys.executable).parent


def playbook(*arguments: str, **values: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run site.yml on this machine; return its status and the events that it wrote."""
    local = {"ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3"}
    ran = subprocess.run(
        [
            str(BIN / "ansible-playbook"),
            "--inventory=localhost,",
            "--connection=local",
            f"--extra-vars={json.dumps({**local, **values})}",
            *arguments,
            str(ROOT / "ansible" / "site.yml"),
        ],
        env=host.environment(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith('{"event"')]
    return ran.returncode, [json.loads(line) for line in lines]


def changed(events: list[dict[str, Any]]) -> list[str]:
    return [event["task"] for event in events if event["event"] == "changed"]


def told(events: list[dict[str, Any]]) -> str:
    return " ".join(str(e.get("msg")) for e in events if e["event"] in ("failed", "item"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may pass. pytest closes its own, and keeps closing them."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="torchroom-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="preparing a machine needs root")


@pytest.mark.skipif(not shutil.which("git"), reason="ansible-lint asks git which files there are")
def test_the_roles_pass_ansible_lint_in_its_strictest_profile():
    ran = subprocess.run(
        [str(BIN / "ansible-lint"), "--offline", "--nocolor", "--profile=production", "--strict"],
        cwd=ROOT / "ansible",
        env={**host.environment(os.environ), "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_playbook_and_the_example_inventory_are_understood():
    ran = subprocess.run(
        [
            str(BIN / "ansible-playbook"),
            "--syntax-check",
            "--inventory=inventory.example.yml",
            "site.yml",
        ],
        cwd=ROOT / "ansible",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert "gpu-server" not in ran.stderr


@needs_root
def test_a_data_root_is_made_once_and_then_left_alone(open_folder):
    root = open_folder / "room"
    values = {"room_data_root": str(root), "room_data_bootstrap": False}
    status, events = playbook("--tags=room_data", **values)
    assert status == 0, told(events)
    assert "Make the directories of the data root" in str(changed(events))

    modes = {
        path.name: (path.stat().st_uid, oct(path.stat().st_mode & 0o777))
        for path in (root, *root.iterdir())
    }
    assert modes == {
        "room": (0, "0o755"),
        "homes": (0, "0o700"),
        "classes": (0, "0o700"),
        "datasets": (0, "0o755"),
        "state": (1100, "0o700"),
    }

    (root / "homes" / "thesis").write_text("three years")
    status, events = playbook("--tags=room_data", **values)
    assert (status, changed(events)) == (0, []), told(events)
    assert (root / "homes" / "thesis").read_text() == "three years"


@needs_root
def test_a_data_root_that_is_a_file_is_refused_in_words(tmp_path):
    file = tmp_path / "room"
    file.write_text("")
    status, events = playbook(
        "--tags=room_data", room_data_root=str(file), room_data_bootstrap=False
    )
    assert status != 0
    assert "is no directory. Name another one in room.yaml" in told(events)
    assert changed(events) == []


@needs_root
def test_a_name_that_has_another_number_is_refused_before_anything_is_made(tmp_path):
    status, events = playbook(
        "--tags=room_data",
        room_data_root=str(tmp_path / "room"),
        room_data_user="daemon",
        room_data_bootstrap=False,
    )
    assert status != 0
    assert "this machine has" in told(events)
    assert "daemon=1" in told(events)
    assert not (tmp_path / "room").exists()


@needs_root
@pytest.mark.engine
def test_an_engine_that_is_there_is_left_alone():
    before = Path("/etc/docker/daemon.json")
    content = before.read_bytes() if before.exists() else None
    status, events = playbook("--tags=room_engine")
    assert (status, changed(events)) == (0, []), told(events)
    assert (before.read_bytes() if before.exists() else None) == content


@needs_root
def test_an_engine_of_the_sites_own_that_does_not_answer_is_not_replaced(tmp_path):
    status, events = playbook(
        "--tags=room_engine",
        room_engine_socket=str(tmp_path / "engine.sock"),
        room_engine_start_timeout=1,
        # As on a machine whose engine is somewhere else: no program of one is found.
        _room_engine_programs=[str(tmp_path / "dockerd")],
    )
    assert status != 0
    assert "remove engine_socket from room.yaml" in told(events)
    assert changed(events) == []


@needs_root
def test_simulated_gpus_are_the_ones_that_the_room_knows(tmp_path):
    spec = tmp_path / "cdi" / "room-sim.json"
    values = {"room_sim_gpu_count": 12, "_room_sim_gpu_spec": str(spec)}
    status, events = playbook("--tags=room_sim_gpu", **values)
    assert status == 0, told(events)
    made = json.loads(spec.read_text())
    names = [f"{made['kind']}={device['name']}" for device in made["devices"]]
    assert names == [unit.cdi_name for unit in inventory.simulated(12).units]
    assert made["devices"][11]["containerEdits"]["deviceNodes"] == [
        {"path": "/dev/nvidia11", "hostPath": "/dev/null"}
    ]

    status, events = playbook("--tags=room_sim_gpu", **values)
    assert (status, changed(events)) == (0, [])

    # Another room of this machine asks for fewer.
    status, events = playbook("--tags=room_sim_gpu", **{**values, "room_sim_gpu_count": 4})
    assert (status, changed(events)) == (0, [])
    assert json.loads(spec.read_text()) == made

    status, events = playbook("--tags=room_sim_gpu", **{**values, "room_sim_gpu_count": 0})
    assert (status, changed(events)) == (0, [])
    assert spec.exists(), "0 leaves them alone"

    removed = {"_room_sim_gpu_spec": str(spec), "room_sim_gpu_remove": True}
    assert playbook("--tags=room_sim_gpu", **removed)[0] == 0
    assert not spec.exists()


@needs_root
def test_more_simulated_gpus_than_make_sense_are_refused_with_the_number(tmp_path):
    status, events = playbook(
        "--tags=room_sim_gpu", room_sim_gpu_count=65, _room_sim_gpu_spec=str(tmp_path / "x.json")
    )
    assert status != 0
    assert "0 to 64" in told(events)
    assert not (tmp_path / "x.json").exists()
