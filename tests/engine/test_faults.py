"""Whatever goes wrong in a start, at whatever stage: no container, no lease, no ghost server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import docker
import pytest

from spawner.reconcile import EVERY as RECONCILED_EVERY
from tests.engine.conftest import STUB, Room, opened, running_agent
from tests.utils.faulty_engine import FaultyEngine
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

#: The engine's requests in a start, in their order.
REQUESTS = {
    "volume": r"POST /volumes/create",
    "create": r"POST /containers/create",
    "start": r"POST /containers/[^/]+/start",
    "address": r"GET /containers/[0-9a-f]{64}/json",
}
STAGES = [pytest.param(pattern, id=stage) for stage, pattern in REQUESTS.items()]
NEVER_READY = ["sh", "-c", "sleep 600"]
_numbers = count()


@pytest.fixture(scope="module")
def faults(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, stub_image: str
) -> Iterator[tuple[Room, FaultyEngine]]:
    """A hub whose engine can be broken; a start that takes over 4 seconds times out."""
    directory = tmp_path_factory.mktemp("faults")
    engine = FaultyEngine(directory / "engine.sock")
    with opened(client, directory, stub_image) as room, running_agent(directory) as agent:
        room.open(gpus=1, traits={**agent, "gpus": 1, "start_timeout": 4}, engine=engine)
        yield room, engine
    engine.close()


@pytest.fixture
def broken(
    faults: tuple[Room, FaultyEngine],
) -> Iterator[tuple[Room, Hub, FaultyEngine, str]]:
    """Yield room, hub, engine and a new user; afterwards that user can start as if nothing was."""
    room, engine = faults
    assert room.hub is not None
    user = f"user{next(_numbers)}"
    room.hub.add(user)
    yield room, room.hub, engine, user
    engine.heal()
    room.wait_nothing_left()
    room.hub.wait_stopped(user)
    room.hub.start_server(user)
    room.hub.stop_server(user)
    room.wait_nothing_left()


@pytest.mark.parametrize("action", ["refuse", "drop", "lose"])
@pytest.mark.parametrize("request_", STAGES)
def test_a_failing_engine_leaves_nothing_and_is_told_in_words(
    broken: tuple[Room, Hub, FaultyEngine, str], request_: str, action: str
) -> None:
    _room, hub, engine, user = broken
    rule = engine.fault(request_, action)
    hub.request_start(user)
    # A start that has its GPU already and is refused something tries once more.
    tries = 2 if action == "refuse" else 1
    wait_until(lambda: rule.hits >= tries, timeout=20, explain=hub.tail)
    engine.heal()
    words = hub.wait_failed(user)
    assert words.endswith("the admin, whose log says why.")
    assert not any(sign in words for sign in ("Error", "Exception", "500", "test engine", "docker"))


@pytest.mark.parametrize("request_", STAGES)
def test_a_start_that_is_deleted_at_any_stage_is_undone(
    broken: tuple[Room, Hub, FaultyEngine, str], request_: str
) -> None:
    room, hub, engine, user = broken
    rule = engine.fault(request_, "hold")
    hub.request_start(user)
    assert rule.seen.wait(20)
    answer = hub.request_stop(user)
    assert answer.status_code in (202, 204), answer.text
    engine.heal()
    hub.wait_stopped(user)
    room.wait_nothing_left()


def test_a_server_that_is_cut_short_while_it_boots_is_nobodys_fault(room: Room) -> None:
    hub = room.open(traits={"cmd": NEVER_READY})
    hub.add("alice")
    hub.request_start("alice")
    wait_until(
        lambda: any(each.status == "running" for each in room.containers()),
        timeout=20,
        explain=hub.tail,
    )
    hub.request_stop("alice")
    hub.wait_stopped("alice")
    room.wait_nothing_left()
    ended = room.last_end("alice")
    assert ended is not None
    # The room killed it; nothing is said of memory or of a kill from outside.
    assert ended.asked
    assert "Server of alice ended" not in hub.log.read_text()


@pytest.mark.parametrize("request_", STAGES)
def test_a_start_that_times_out_at_any_stage_is_undone(
    broken: tuple[Room, Hub, FaultyEngine, str], request_: str
) -> None:
    room, hub, engine, user = broken
    rule = engine.fault(request_, "hold")
    hub.request_start(user)
    assert rule.seen.wait(20)
    wait_until(
        lambda: (hub.model(user) or {}).get("pending") != "spawn", timeout=30, explain=hub.tail
    )
    engine.heal()
    hub.wait_stopped(user)
    room.wait_nothing_left()


@pytest.mark.parametrize("went_through", [True, False], ids=["started", "only-created"])
def test_a_hub_killed_between_create_and_ready_leaves_no_orphan(
    room: Room, engine: FaultyEngine, went_through: bool
) -> None:
    """Whether the engine did what the dead hub asked for or not, the start goes on by itself."""
    hub = room.open(gpus=2, traits={"gpus": 1}, engine=engine)
    hub.add("alice", "bob")
    hub.start_server("bob")
    pid = room.container("bob").attrs["State"]["Pid"]

    rule = engine.fault(REQUESTS["start"], "hold")
    hub.request_start("alice")
    assert rule.seen.wait(20)
    assert len(room.containers()) == 2
    hub.kill()
    if went_through:
        engine.heal()
    else:
        engine.lose_held()
    hub.start()

    expected = {"alice", "bob"}
    hub.wait_ready("alice")
    wait_until(
        lambda: (
            {user for user in ("alice", "bob") if hub.model(user)}
            == {lease.owner.user for lease in room.leases()}
            == {c.labels["torchroom.user"] for c in room.containers()}
            == expected
        ),
        timeout=90,
        explain=hub.tail,
    )
    assert hub.model("bob")["ready"]
    assert room.container("bob").attrs["State"]["Pid"] == pid


def test_a_hub_killed_while_a_server_boots_finds_it_again(room: Room) -> None:
    slow = ["sh", "-c", "sleep 4; exec python3 -m http.server 8888"]
    hub = room.open(gpus=1, traits={"gpus": 1, "cmd": slow})
    hub.add("alice")
    hub.request_start("alice")
    wait_until(
        lambda: any(c.status == "running" for c in room.containers()), timeout=20, explain=hub.tail
    )
    pid = room.container("alice").attrs["State"]["Pid"]
    hub.kill()
    hub.start()
    wait_until(lambda: (hub.model("alice") or {}).get("ready"), timeout=40, explain=hub.tail)
    assert room.container("alice").attrs["State"]["Pid"] == pid
    wait_until(
        lambda: [lease.ready_at for lease in room.leases() if lease.ready_at],
        timeout=20,
        explain=hub.tail,
    )
    hub.stop_server("alice")
    # With the server, and not only when leases and containers are compared the next time.
    wait_until(lambda: not room.leases(), timeout=RECONCILED_EVERY / 3, explain=hub.tail)
    room.wait_nothing_left()


def test_a_container_that_appears_after_its_hub_was_killed_makes_no_second_one(
    room: Room, engine: FaultyEngine
) -> None:
    hub = room.open(gpus=1, traits={"gpus": 1}, engine=engine)
    hub.add("alice")
    rule = engine.fault(REQUESTS["create"], "hold")
    hub.request_start("alice")
    assert rule.seen.wait(20)
    hub.kill()
    engine.heal()
    hub.start()
    hub.wait_ready("alice")
    assert len(room.containers()) == len(room.leases()) == 1
    hub.stop_server("alice")
    room.wait_nothing_left()


def test_running_servers_are_not_forgotten_when_the_engine_is_down_at_the_hubs_start(
    room: Room, engine: FaultyEngine
) -> None:
    hub = room.open(gpus=1, traits={"gpus": 1}, engine=engine)
    hub.add("alice")
    hub.start_server("alice")
    pid = room.container("alice").attrs["State"]["Pid"]
    hub.kill()
    down = engine.fault(r".*", "drop")
    hub.start()
    assert down.seen.wait(20)
    wait_until(lambda: (hub.model("alice") or {}).get("ready"), timeout=30, explain=hub.tail)
    engine.heal()
    assert hub.model("alice")["ready"]
    assert room.container("alice").attrs["State"]["Pid"] == pid
    assert len(room.leases()) == 1


def test_a_hub_that_ends_cleanly_undoes_the_start_it_cuts_short(
    room: Room, engine: FaultyEngine
) -> None:
    hub = room.open(gpus=1, traits={"gpus": 1, "cmd": NEVER_READY}, engine=engine)
    hub.add("alice")
    hub.request_start("alice")
    wait_until(lambda: room.containers(), timeout=20, explain=hub.tail)
    hub.stop()
    wait_until(lambda: not room.containers(), timeout=30, explain=hub.tail)
    # The place is kept, and the start asked for again when the hub comes back.
    hub.start()
    wait_until(
        lambda: (hub.model("alice") or {}).get("pending") == "spawn", timeout=30, explain=hub.tail
    )
    hub.stop_server("alice")
    room.wait_nothing_left()


def test_a_server_that_never_listens_is_told_in_time_and_its_last_lines_are_the_admins(
    room: Room,
) -> None:
    silent = ["sh", "-c", "echo the disk of models is missing; exec sleep 600"]
    hub = room.open(
        gpus=1,
        traits={
            "cmd": silent,
            "boot_timeout": 2,
            "boot_slots": 1,
            "profile_list": [
                {"display_name": "GPU", "slug": "gpu", "spawner_override": {"gpus": 1}},
                {"display_name": "Well", "slug": "well", "spawner_override": {"cmd": STUB}},
            ],
        },
    )
    hub.add("alice", "bob")
    hub.request_start("alice", {"profile": "gpu"})
    began = time.monotonic()
    words = hub.wait_failed("alice")
    # A start with a GPU tries once more; nothing else may take long.
    assert time.monotonic() - began < 2 * 2 + 15
    assert "JupyterLab did not answer within 2 seconds" in words
    room.wait_nothing_left()
    log = hub.log.read_text()
    assert log.count("Server of alice does not answer") == 2
    assert log.count("    the disk of models is missing") == 2
    ended = room.last_end("alice")
    assert ended is not None
    assert ended.why in words
    assert ended.why
    # Unit and turn are free.
    hub.start_server("bob", {"profile": "well"})
    hub.stop_server("bob")
    room.wait_nothing_left()


def test_a_server_that_answers_once_and_dies_is_told_at_once(room: Room) -> None:
    once = (
        "import http.server as h; h.HTTPServer(('', 8888), h.SimpleHTTPRequestHandler)"
        ".handle_request(); raise SystemExit(3)"
    )
    # JupyterHub itself would go on asking for as long as this.
    more = {"Spawner": {"http_timeout": 300}}
    hub = room.open(gpus=1, traits={"gpus": 1, "cmd": ["python3", "-c", once]}, more=more)
    hub.add("alice")
    hub.request_start("alice")
    assert "It ended with exit code 3." in hub.wait_failed("alice")
    room.wait_nothing_left()


def test_a_lease_that_only_the_labels_remember_is_written_down_again(room: Room) -> None:
    hub = room.open(gpus=1, traits={"gpus": 1})
    hub.add("alice")
    hub.start_server("alice")
    (lease,) = room.leases()
    hub.kill()
    with room.store.decide() as connection:
        from room.store.tables import leases

        connection.execute(leases.delete())
    hub.start()
    wait_until(lambda: room.leases(), timeout=90, explain=hub.tail)
    assert [(found.id, found.units) for found in room.leases()] == [(lease.id, lease.units)]
