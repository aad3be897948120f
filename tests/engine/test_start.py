"""A start on a real engine: leases, options, limits, homes, and how a server's end is told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from room.gpus.inventory import simulated_uuid
from room.models import Owner
from spawner.stages import why_ended
from tests.engine.conftest import Room
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

PROFILES = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "One GPU", "slug": "gpu", "spawner_override": {"gpus": 1}},
]
MIB = 1024**2


def device_paths(room: Room, user: str) -> set[str]:
    code, output = room.container(user).exec_run("ls /dev")
    assert code == 0
    return {name for name in output.decode().split() if name.startswith("nvidia")}


def test_four_students_get_four_gpus_and_the_fifth_waits_for_one_to_leave(room: Room) -> None:
    hub = room.open(gpus=4, traits={"profile_list": PROFILES})
    users = [f"student{i}" for i in range(5)]
    hub.add(*users)
    for user in users[:4]:
        hub.start_server(user, {"profile": "gpu"})

    seen = [device_paths(room, user) for user in users[:4]]
    assert sorted(map(sorted, seen)) == [[f"nvidia{i}"] for i in range(4)]
    uuids = {room.container(user).labels["torchroom.gpus"] for user in users[:4]}
    assert uuids == {simulated_uuid(i) for i in range(4)}

    hub.request_start("student4", {"profile": "gpu"})
    wait_until(lambda: [ticket.owner.user for ticket in room.tickets()] == ["student4"], timeout=20)
    freed = room.container("student1").labels["torchroom.gpus"]
    hub.stop_server("student1")
    hub.wait_ready("student4")
    assert room.container("student4").labels["torchroom.gpus"] == freed

    for user in ("student0", "student2", "student3", "student4"):
        hub.stop_server(user)
    room.wait_nothing_left()


def test_a_cpu_profile_sees_no_gpu_even_when_the_image_asks_for_all(room: Room) -> None:
    room.client.images.build(
        fileobj=_dockerfile(f"FROM {room.image}\nENV NVIDIA_VISIBLE_DEVICES=all\n"),
        tag=f"torchroom-test/{room.name}:greedy",
    )
    try:
        hub = room.open(
            gpus=2,
            traits={
                "profile_list": PROFILES,
                "image": f"torchroom-test/{room.name}:greedy",
            },
        )
        hub.add("alice")
        hub.start_server("alice", {"profile": "cpu"})
        assert device_paths(room, "alice") == set()
        _, printed = room.container("alice").exec_run("printenv NVIDIA_VISIBLE_DEVICES")
        assert printed.decode().strip() == "void"
        hub.stop_server("alice")
    finally:
        room.client.images.remove(f"torchroom-test/{room.name}:greedy", force=True)


def _dockerfile(text: str) -> Any:
    from io import BytesIO

    return BytesIO(text.encode())


@pytest.fixture(scope="module")
def profiles_hub(lasting_room: Room) -> Hub:
    return lasting_room.open(gpus=1, traits={"profile_list": PROFILES})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"mem_limit": "900G"}, "mem_limit", id="bigger-limit"),
        pytest.param({"profile": "cpu", "image": "evil"}, "image", id="another-image"),
        pytest.param({"volumes": "/:/host"}, "volumes", id="mount"),
        pytest.param({"environment": "A=1"}, "environment", id="environment"),
        pytest.param({"devices": "/dev/sda"}, "devices", id="device"),
        pytest.param({"profile": "giant"}, "giant", id="unknown-profile"),
        pytest.param({"profile": {"slug": "gpu"}}, "profile", id="not-a-text"),
        pytest.param(["gpu"], "object", id="not-an-object"),
    ],
)
def test_refused_options_create_nothing_and_leave_the_saved_ones(
    profiles_hub: Hub, lasting_room: Room, options: Any, named: str
) -> None:
    room, hub = lasting_room, profiles_hub
    hub.add("alice")
    hub.start_server("alice", {"profile": "gpu"})
    hub.stop_server("alice")

    answer = hub.request_start("alice", options)
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["message"]
    assert room.containers() == []
    assert room.leases() == ()
    assert hub.saved_options("alice") == {"profile": "gpu"}
    assert hub.model("alice") is None

    hub.start_server("alice")
    assert room.container("alice").labels["torchroom.profile"] == "gpu"
    hub.stop_server("alice")


def test_without_profiles_it_is_dockerspawner(room: Room) -> None:
    hub = room.open(traits={"allowed_images": {"stub": room.image}})
    hub.add("alice")
    refused = hub.request_start("alice", {"image": "evil/image"})
    assert refused.status_code == 400
    assert "evil/image" in refused.json()["message"]
    hub.start_server("alice", {"image": "stub"})
    assert room.container("alice").image.tags


def test_every_limit_and_hardening_setting_is_on_the_container(
    room: Room, agent: dict[str, str]
) -> None:
    hub = room.open(
        traits={
            **agent,
            "cpu_limit": 1.5,
            "mem_limit": "512M",
            "shm_size": "128M",
            "pids_limit": 200,
            "log_size": "2M",
            "log_files": 2,
            "remove": False,
        }
    )
    hub.add("alice")
    hub.start_server("alice")
    found = room.container("alice").attrs
    host = found["HostConfig"]
    assert host["CpuQuota"] / host["CpuPeriod"] == 1.5
    assert host["Memory"] == 512 * MIB
    assert host["MemorySwap"] == 512 * MIB  # no swap on top
    assert host["PidsLimit"] == 200
    assert host["ShmSize"] == 128 * MIB
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": str(2 * MIB), "max-file": "2"},
    }
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges"]  # and with it the default seccomp profile
    assert host["Privileged"] is False
    assert host["OomScoreAdj"] == 500
    assert host["AutoRemove"] is False
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["NetworkMode"] == room.network.name
    assert not host["PortBindings"]
    assert not host["Devices"]
    assert not host["DeviceRequests"]
    mounts = {mount["Destination"]: mount for mount in found["Mounts"]}
    assert mounts["/home/jovyan"]["RW"] is True
    assert set(mounts) == {"/home/jovyan"}
    status = room.container("alice").exec_run("cat /proc/1/status")[1].decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["CapBnd"] == "0" * 16
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


def test_a_home_is_its_owners_and_no_other_volume_is_mounted_in_its_place(
    room: Room, agent: dict[str, str], tmp_path: Path
) -> None:
    hub = room.open(traits=agent)
    hub.add("alice", "mallory")
    hub.start_server("alice")
    home = tmp_path / "data" / "homes" / "alice"
    status = home.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1000, 100, 0o700)

    stolen = room.client.volumes.create(
        f"{room.name}-home-mallory",
        driver="local",
        driver_opts={"type": "none", "o": "bind", "device": str(home)},
        labels={"torchroom.room": room.name, "torchroom.user": "alice"},
    )
    hub.request_start("mallory")
    words = hub.wait_failed("mallory")
    assert "Your home could not be opened" in words
    assert [c.name for c in room.containers()] == [f"{room.name}-alice"]
    assert stolen.name in hub.tail(200)


def test_a_dead_server_is_noticed_recorded_and_explained(room: Room) -> None:
    hog = (
        "import time, http.server, threading; b=[]\n"
        "threading.Thread(target=lambda: (time.sleep(4), [b.append(bytearray(8<<20)) "
        "for _ in range(100)])).start()\n"
        "http.server.HTTPServer(('', 8888), http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    began = time.time()
    hub = room.open(gpus=1, traits={"gpus": 1, "mem_limit": "128M", "cmd": ["python3", "-c", hog]})
    hub.add("alice")
    hub.start_server("alice")
    hub.wait_stopped("alice")
    room.wait_nothing_left()
    ended = room.last_end("alice")
    assert ended is not None
    # A busy engine can miss its kernel's word that memory ran out; then nobody knows more.
    told = list(
        room.client.events(
            since=began,
            until=time.time(),
            filters={"event": "oom", "label": f"torchroom.room={room.name}"},
            decode=True,
        )
    )
    assert (ended.exit.code, ended.exit.oom_killed, ended.asked) == (137, bool(told), False)
    words = why_ended(ended.exit, ended.memory_limit)
    assert ("all its memory of 128 MiB" if told else "128 MiB of memory") in words


def test_a_server_that_dies_while_booting_is_told_at_once(room: Room) -> None:
    command = ["python3", "-c", "print('no such notebook'); raise SystemExit(3)"]
    hub = room.open(gpus=1, traits={"gpus": 1, "cmd": command, "boot_timeout": 60})
    hub.add("alice")
    hub.request_start("alice")
    words = hub.wait_failed("alice")
    assert "exit code 3" in words
    assert "no such notebook" not in words  # the log is the admin's
    assert "no such notebook" in hub.tail(200)
    room.wait_nothing_left()


def test_progress_names_the_stages_in_their_order(room: Room) -> None:
    slow = ["sh", "-c", "sleep 1; exec python3 -m http.server 8888"]
    hub = room.open(gpus=1, traits={"profile_list": PROFILES, "cmd": slow})
    hub.add("alice")
    hub.request_start("alice", {"profile": "gpu"})
    events = [event for event in hub.events("alice") if "stage" in event]
    stages = list(dict.fromkeys(event["stage"] for event in events))
    assert stages[:6] == ["checking", "gpu", "home", "turn", "creating", "booting"]
    assert [e["progress"] for e in events] == sorted(e["progress"] for e in events)
    assert all(event["elapsed"] >= 0 for event in events)


def test_named_servers_of_one_user_have_a_container_and_a_lease_each(room: Room) -> None:
    hub = room.open(gpus=2, traits={"profile_list": PROFILES})
    hub.add("alice")
    hub.start_server("alice", {"profile": "gpu"})
    hub.start_server("alice", {"profile": "gpu"}, server="second")
    assert {lease.owner for lease in room.leases()} == {Owner("alice"), Owner("alice", "second")}
    hub.stop_server("alice", "second")
    wait_until(lambda: [lease.owner for lease in room.leases()] == [Owner("alice")], timeout=30)
    assert room.container("alice").status == "running"
