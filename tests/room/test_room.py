"""The composed room: up, up again, the student's way, crashes of its services, down and up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import time
from collections.abc import Callable
from typing import Any

import pytest

from cli.student import Student
from tests.utils.room import ComposedRoom
from tests.utils.wait import wait_until

pytestmark = pytest.mark.room

SERVICES = ("front", "proxy", "hub", "agent", "console")
NO_INTERNALS = re.compile(r"Exception|Traceback|\b[45]\d\d\b")


def test_up_prints_the_address_and_a_login_link_for_the_admin(running_room: ComposedRoom) -> None:
    assert f"The room is open at {running_room.address}" in running_room.printed
    assert re.search(rf"{running_room.address}/hub/login#token=\S{{30,}}", running_room.printed)


def test_up_again_changes_nothing(running_room: ComposedRoom) -> None:
    state = running_room.data_root / "state"
    secrets = {path.name: path.read_text() for path in (state / "secrets").iterdir()}
    before = {name: running_room.service(name).id for name in SERVICES}
    running_room.up()
    assert {name: running_room.service(name).id for name in before} == before
    assert {path.name: path.read_text() for path in (state / "secrets").iterdir()} == secrets


def test_secrets_are_readable_by_the_rooms_own_user_alone(running_room: ComposedRoom) -> None:
    state = running_room.data_root / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for path in (state / "secrets").iterdir():
        status = path.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (1100, 0o600), path
        assert len(path.read_text().strip()) >= 64


def test_the_rooms_services_are_nobodies_on_the_host(running_room: ComposedRoom) -> None:
    for name in SERVICES:
        user = "0:0" if name == "agent" else "1100"
        host = running_room.service(name).attrs["HostConfig"]
        assert running_room.service(name).attrs["Config"]["User"].startswith(user), name
        assert host["CapDrop"] == ["ALL"], name
        assert host["Privileged"] is False, name
        assert "no-new-privileges" in str(host["SecurityOpt"]), name
    sockets = [
        name
        for name in SERVICES
        if any("docker.sock" in m["Source"] for m in running_room.service(name).attrs["Mounts"])
    ]
    # The agent reads the servers' labels and builds environments; the hub starts servers.
    assert sockets == ["hub", "agent"]


def test_the_console_sees_the_rooms_database_not_the_hubs_and_no_secret_but_its_own(
    running_room: ComposedRoom,
) -> None:
    state = running_room.data_root / "state"
    console = running_room.service("console")
    assert console.exec_run(["test", "-r", str(state / "torchroom.sqlite")]).exit_code == 0
    for hidden in (
        "secrets/hub_token",
        "secrets/crypt_key",
        "hub/jupyterhub.sqlite",
        "front/Caddyfile",
    ):
        assert (state / hidden).exists()
        for user in ("1100", "0"):
            assert console.exec_run(["cat", str(state / hidden)], user=user).exit_code != 0
    for own in ("console_token", "publisher_token"):
        _code, output = console.exec_run(["cat", f"/run/secrets/{own}"])
        assert output.decode() == (state / "secrets" / own).read_text()


def test_a_student_opens_the_console_through_the_front(running_room: ComposedRoom) -> None:
    async def ask() -> str:
        async with Student(running_room.address) as student:
            await student.log_in(running_room.token("clara"), "clara")
            page = await student.send("The console", "GET", "services/console/")
            return str(page.text)

    page = asyncio.run(ask())
    assert "My room" in page
    assert "clara" in page
    plans = running_room.run("plan", "set", "clara", "gpus=1")
    assert "not set → 1" in plans.stdout
    assert "clara (set by" in asyncio.run(ask())


def test_smoke_is_green_on_the_cpu(running_room: ComposedRoom) -> None:
    done = running_room.run("smoke", "--profile", "cpu")
    assert "The room works" in done.stdout
    assert running_room.containers("room-smoke") == []


def test_four_gpus_go_to_four_students_and_the_fifth_waits_for_one(
    running_room: ComposedRoom,
) -> None:
    done = running_room.run("smoke", "--gpus")
    assert "4 students, 4 different GPUs" in done.stdout
    assert re.search(r"who\s+wait\s+for\s+a\s+GPU", done.stdout)
    assert not NO_INTERNALS.search(done.stdout)
    wait_until(lambda: not running_room.leases(), timeout=30)


def test_students_cannot_reach_the_proxys_api_or_the_agent(running_room: ComposedRoom) -> None:
    probe = (
        "import socket, sys\n"
        "for host, port in ((sys.argv[1], 8001), ('proxy-api', 8001), ('agent', 8010)):\n"
        "    try:\n"
        "        socket.create_connection((host, port), 3).close(); print('open', host, port)\n"
        "    except OSError: pass\n"
    )

    async def ask() -> str:
        async with Student(running_room.address) as student:
            await student.log_in(running_room.token("prober"), "prober")
            await student.server().ready({"profile": "cpu"})
            proxy = running_room.service("proxy").attrs["NetworkSettings"]["Networks"]
            address = proxy[f"{running_room.name}-students"]["IPAddress"]
            (container,) = running_room.containers("prober")
            code, output = container.exec_run(["python3", "-c", probe, address])
            assert code == 0, output
            await student.server().stop()
            return str(output.decode())

    assert asyncio.run(ask()) == ""


def test_pip_install_in_a_notebook_works_and_stays(running_room: ComposedRoom) -> None:
    async def install() -> str:
        async with Student(running_room.address) as student:
            await student.log_in(running_room.token("installer"), "installer")
            server = student.server()
            await server.ready({"profile": "cpu"})
            async with server.kernel() as kernel:
                await kernel.execute("%pip install --quiet wheel==0.45.1")
            await server.stop()
            await server.ready()
            async with server.kernel() as kernel:
                look = "import wheel; print(wheel.__version__, wheel.__file__)"
                seen = await kernel.execute(look)
            await server.stop()
            return seen.stdout

    assert asyncio.run(install()).startswith("0.45.1 /home/jovyan/.local/")


def test_kernels_survive_a_crash_of_the_hub_and_of_the_proxy(running_room: ComposedRoom) -> None:
    async def live_through() -> None:
        async with Student(running_room.address) as student:
            await student.log_in(running_room.token("survivor"), "survivor")
            server = student.server()
            await server.ready({"profile": "gpu"})
            (container,) = running_room.containers("survivor")
            pid = container.attrs["State"]["Pid"]
            starts = {n: _started(running_room, n) for n in ("hub", "proxy")}
            held = [lease for lease in running_room.leases() if lease.owner.user == "survivor"]
            async with server.kernel() as kernel:
                before = (await kernel.execute("import os; print(os.getpid())")).stdout
                _crash(running_room, "hub")
                wait_until(_healthy("hub", starts["hub"]), timeout=60, explain=running_room.logs)
                assert (await kernel.execute("print(os.getpid())")).stdout == before
            _crash(running_room, "proxy")
            wait_until(_healthy("proxy", starts["proxy"]), timeout=60, explain=running_room.logs)
            await _routed(server)
            (same,) = running_room.containers("survivor")
            assert same.attrs["State"]["Pid"] == pid
            leases = [lease for lease in running_room.leases() if lease.owner.user == "survivor"]
            assert leases == held
            await server.stop()

    def _healthy(name: str, before: str) -> Callable[[], bool]:
        def again() -> bool:
            state = running_room.service(name).attrs["State"]
            return state["StartedAt"] != before and state["Health"]["Status"] == "healthy"

        return again

    async def _routed(server) -> None:  # type: ignore[no-untyped-def]
        for _ in range(300):
            if (await server.model() or {}).get("ready"):
                return
            await asyncio.sleep(0.2)
        raise AssertionError(running_room.logs())

    asyncio.run(live_through())


def _started(room: ComposedRoom, name: str) -> str:
    return str(room.service(name).attrs["State"]["StartedAt"])


def _crash(room: ComposedRoom, name: str) -> None:
    """End a service's first process from outside; `docker kill` would count as being stopped."""
    os.kill(room.service(name).attrs["State"]["Pid"], signal.SIGKILL)


def test_a_server_that_comes_back_with_another_address_is_found_at_once(
    running_room: ComposedRoom,
) -> None:
    students = running_room.client.networks.get(f"{running_room.name}-students")

    async def move() -> None:
        async with Student(running_room.address) as student:
            await student.log_in(running_room.token("mover"), "mover")
            await student.server().ready()
            (container,) = running_room.containers("mover")
            image, before = container.attrs["Image"], _address(container, students.name)
            await student.server().stop()
            squatters = []
            try:
                while before not in [_address(each, students.name) for each in squatters]:
                    assert len(squatters) < 20, "nobody else gets the address"
                    made = running_room.client.containers.run(
                        image, ["sleep", "600"], network=students.name, detach=True
                    )
                    made.reload()
                    squatters.append(made)
                await asyncio.wait_for(student.server().ready(), 60)
                (container,) = running_room.containers("mover")
                assert _address(container, students.name) != before
                assert await student.server().read("examples")
            finally:
                for each in squatters:
                    each.remove(force=True)
            await student.server().stop()

    asyncio.run(move())


def _address(container: Any, network: str) -> str:
    return str(container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])


def test_down_stops_the_students_servers_and_keeps_their_files(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    room = ComposedRoom(tmp_path_factory.mktemp("second"), gpus=0)

    async def write() -> None:
        async with Student(room.address) as student:
            await student.log_in(room.token("alice"), "alice")
            await student.server().ready()
            await student.server().write("kept.txt", "still here")

    async def read() -> str:
        async with Student(room.address) as student:
            await student.log_in(room.token("alice"), "alice")
            # The hub serves at once, and looks meanwhile at what it remembers.
            deadline = time.monotonic() + 30
            while await student.server().model() is not None:
                assert time.monotonic() < deadline, "the hub still has the server that was stopped"
                await asyncio.sleep(0.2)
            await student.server().ready()
            return str((await student.server().read("kept.txt"))["content"])

    try:
        room.up()
        asyncio.run(write())
        assert "1 stopped" in room.run("down").stdout
        assert room.containers() == []
        assert (
            room.client.containers.list(
                all=True, filters={"label": f"com.docker.compose.project={room.name}"}
            )
            == []
        )
        assert (room.data_root / "homes" / "alice" / "kept.txt").read_text() == "still here"
        room.up()
        assert asyncio.run(read()) == "still here"
    finally:
        room.close()
