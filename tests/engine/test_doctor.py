"""``room doctor`` on this machine's own engine, ports and disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.doctor import examine
from cli.doctor_probe import gather
from room.settings import Settings

pytestmark = pytest.mark.engine

SOCKET = Path("/var/run/docker.sock")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_facts_are_what_the_engine_and_its_command_say():
    facts = gather(Settings(name="doctortest"))
    assert facts.engine.answer == "yes"
    assert facts.engine.version == docker("version", "--format", "{{.Server.Version}}")
    assert facts.engine.root == docker("info", "--format", "{{.DockerRootDir}}")
    assert facts.engine.compose == docker("compose", "version", "--short").lstrip("v")
    assert facts.engine.buildx.split("+")[0] in docker("buildx", "version")
    assert bool(facts.engine.cdi_directories) == ("/etc/cdi" in docker("info"))
    assert facts.data.images is not None
    assert facts.data.images.free > 0
    assert facts.machine.memory > 1024**3
    assert facts.machine.cores == len(os.sched_getaffinity(0))


def test_engine_that_is_not_there_hides_no_other_finding(tmp_path):
    found = {f.id: f.level for f in examine(Settings(engine_socket=tmp_path / "none.sock"))}
    assert found["engine-stopped"] == "fatal"
    assert "memory" in found
    assert "data" in found or "data-low" in found


def front(name: str, port: int) -> str:
    """Return a container that has a port of 127.0.0.1, as another program's would."""
    image = docker("image", "ls", "--quiet", "--filter=reference=torchroom/base").split()
    if not image:
        pytest.skip("torchroom/base is not built: room images build")
    return docker(
        "run", "--detach", "--rm", f"--name={name}", f"--publish=127.0.0.1:{port}:80",
        f"--label=com.docker.compose.project={name}", image[0], "sleep", "60",
    )  # fmt: skip


def test_port_of_another_room_is_taken_and_of_this_room_is_not():
    name = f"doctor{os.getpid()}"
    port = 20_000 + os.getpid() % 10_000
    container = front(name, port)
    try:
        address = f"http://127.0.0.1:{port}"
        other = {f.id: f for f in examine(Settings(name="another", address=address))}
        ours = {f.id: f for f in examine(Settings(name=name[:15], address=address))}
    finally:
        docker("rm", "--force", container)
    assert f"the container {name}" in other["port-taken"].title
    assert other["port-taken"].level == "fatal"
    assert "port-taken" not in ours
    assert "this room has it" in ours["port"].title


@pytest.fixture
def small_disk(tmp_path):
    """Return a directory on a disk of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"this user may not mount a small disk: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk_is_found_before_anything_is_written(small_disk):
    root = small_disk / "room"
    found = {f.id: f for f in examine(Settings(name="doctortest", data_root=root))}
    assert found["data-full"].level == "fatal"
    assert "0.0 GB are free" in found["data-full"].title
    assert found["data-inodes"].level == "fatal"
    assert found["data-memory"].level == "warning"
    assert not root.exists()


def test_disk_that_fills_while_a_command_writes_is_said_in_words(small_disk):
    (small_disk / "homes").mkdir()
    (small_disk / "state").mkdir()
    with (small_disk / "filler").open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(b"x" * 2_000_000)
    config = small_disk.parent / "room.yaml"
    config.write_text(f"name: doctortest\ndata_root: {small_disk}\n")
    said = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", "user", "add", "alice"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "ROOM_CONFIG": str(config)},
    )  # fmt: skip
    assert said.returncode == 2
    assert "Traceback" not in said.stderr
    assert "There is no space left for the room's database." in said.stderr


def test_command_prints_json_and_its_status(tmp_path):
    config = tmp_path / "room.yaml"
    config.write_text("name: doctortest\n")
    said = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", "doctor", "--json"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "ROOM_CONFIG": str(config)},
    )  # fmt: skip
    found = json.loads(said.stdout)
    assert found["status"] == said.returncode
    assert found["facts"]["engine"]["answer"] == "yes"
