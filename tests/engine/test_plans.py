"""Plans hold on a real engine: limits, servers and GPUs at once, whichever way a start came."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from console.app import make_app
from console.desk import Desk
from console.guard import SESSION
from console.render import Pages
from console.session import Session
from room.people import People
from room.plans.authority import Actor
from room.plans.book import Plans
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from room.store.usage_tables import lease_history, sessions
from room.usage import gpu_spans
from tests.engine.conftest import Room
from tests.utils.hub import Hub
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

MIB = 1024**2
PROFILES = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "Large", "slug": "large", "spawner_override": {"mem_limit": "512M"}},
    {"display_name": "One GPU", "slug": "gpu", "spawner_override": {"gpus": 1}},
    {"display_name": "A card", "slug": "t4", "spawner_override": {"gpus": 1, "gpu_model": "T4"}},
]
WRITTEN = [
    {"who": ["class/small"], "limits": {"memory": "128M", "cpu": 0.5, "pids": 64, "shm": "16M"}},
    {"who": ["class/two"], "limits": {"servers": 2, "gpus": 1}},
    {"who": ["class/cpu"], "limits": {"profiles": "cpu, large"}},
]


@pytest.fixture(scope="module")
def hub(lasting_room: Room) -> Hub:
    traits = {
        "profile_list": PROFILES,
        "plans": WRITTEN,
        "mem_limit": 256 * MIB,
        "shm_size": 32 * MIB,
    }
    # A start is answered when it is over, as in a room: a refusal is the answer itself.
    more = {"JupyterHub": {"tornado_settings": {"slow_spawn_timeout": 30}}}
    return lasting_room.open(gpus=4, traits=traits, more=more)


@pytest.fixture(scope="module")
def change(lasting_room: Room, hub: Hub) -> Callable[..., None]:
    """Set limits as ``room plan set`` does, in the database that the hub has open."""
    plans = Plans(lasting_room.store)

    def change(who: str, **limits: str | None) -> None:
        wanted = [Setting(subject(who), KEYS[key], text) for key, text in limits.items()]
        plans.set(wanted, Actor("ada"))

    return change


def enrol(hub: Hub, user: str, *classes: str) -> None:
    hub.add(user)
    for name in classes:
        hub.http.post(f"/groups/{name}")
        answer = hub.http.post(f"/groups/{name}/users", json={"users": [user]})
        assert answer.status_code == 200, answer.text


def given(room: Room, user: str, server: str = "") -> dict[str, Any]:
    host = room.container(user, server).attrs["HostConfig"]
    return {
        "memory": host["Memory"],
        "cpu": (host["CpuQuota"] / host["CpuPeriod"])
        if host["CpuQuota"]
        else host["NanoCpus"] / 1e9,
        "pids": host["PidsLimit"],
        "shm": host["ShmSize"],
    }


def lease(room: Room, hub: Hub, user: str) -> dict[str, Any]:
    """Ask what a server's own page asks of its lease, with the server's own token."""
    environment = room.container(user).attrs["Config"]["Env"]
    token = next(each for each in environment if each.startswith("JUPYTERHUB_API_TOKEN="))
    answer = hub.http.get(
        f"http://127.0.0.1:{hub.port}/hub/room/lease",
        headers={"Authorization": f"token {token.partition('=')[2]}"},
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_server_gets_what_its_class_has_and_the_next_one_what_was_changed(
    lasting_room: Room, hub: Hub, change: Callable[..., None]
) -> None:
    enrol(hub, "sara", "small")
    hub.start_server("sara", {"profile": "large"})
    small = {"memory": 128 * MIB, "cpu": 0.5, "pids": 64, "shm": 16 * MIB}
    assert given(lasting_room, "sara") == small
    change("sara", memory="192M", pids="128")
    # What runs is left as it is; what starts next has the new limits, and no more than those.
    assert given(lasting_room, "sara") == small
    hub.stop_server("sara")
    hub.start_server("sara", {"profile": "large"})
    assert given(lasting_room, "sara") == {**small, "memory": 192 * MIB, "pids": 128}
    hub.stop_server("sara")
    change("sara", memory=None, pids=None)
    change("class/small", memory="none")
    hub.start_server("sara", {"profile": "large"})
    assert given(lasting_room, "sara")["memory"] == 512 * MIB
    hub.stop_server("sara")
    # Where neither profile nor plan says anything it is the room's own.
    hub.start_server("sara", {"profile": "cpu"})
    assert given(lasting_room, "sara")["memory"] == 256 * MIB
    hub.stop_server("sara")


def test_a_limit_lowered_in_the_console_holds_from_the_next_start_on(
    lasting_room: Room, hub: Hub
) -> None:
    desk = Desk(lasting_room.store, Plans(lasting_room.store), FakeHub())  # type: ignore[arg-type]
    people = People(lasting_room.store)
    people.add("root", admin=True)
    enrol(hub, "lena", "lowered")
    app = make_app(desk, Pages("/services/console/", "Torchroom", "en", timezone.utc))
    with TestClient(app, follow_redirects=False) as client:
        session = Session("t-root")
        key = app.state.parts.guard.sessions.put(session)
        client.cookies.set(SESSION, key, path="/services/console/")
        for seen, memory in (("", "384M"), ("384M", "160M")):
            answer = client.post(
                "/services/console/admin/cell/class/lowered/memory",
                data={"value": memory, "until": "", "seen": seen},
                headers={"HX-Request": "true", "X-CSRF-Token": session.csrf},
            )
            assert answer.status_code == 200, answer.text
            if seen:
                # What runs is left as it is.
                assert given(lasting_room, "lena")["memory"] == 384 * MIB
                hub.stop_server("lena")
            hub.start_server("lena", {"profile": "large"})
            assert given(lasting_room, "lena")["memory"] == int(memory[:-1]) * MIB
    hub.stop_server("lena")


#: Forks until it may not, and says how often it could.
FORKS = """
import os, signal
forks = 0
try:
    while True:
        if os.fork() == 0:
            signal.pause()
        forks += 1
except OSError:
    print(forks)
"""


def test_a_bomb_stays_in_its_box_and_its_owner_is_told(lasting_room: Room, hub: Hub) -> None:
    for user in ("bert", "nina"):
        enrol(hub, user, "small")
        hub.start_server(user, {"profile": "cpu"})
    bert, nina = lasting_room.container("bert"), lasting_room.container("nina")

    code, output = bert.exec_run(["python3", "-c", FORKS])
    assert code == 0
    assert 0 < int(output.split()[-1]) < 64
    assert nina.exec_run(["python3", "-c", "print(1)"]).exit_code == 0

    # It is ended by the kernel, alone: the server goes on, and the neighbour knows nothing.
    code, _output = nina.exec_run(["python3", "-c", "bytearray(300 * 1024 * 1024)"])
    assert code == 137
    told = wait_until(lambda: lease(lasting_room, hub, "nina")["notices"], timeout=20)
    assert "needed more memory than its" in told[0]["text"]
    assert "Use smaller batches" in told[0]["text"]
    assert lease(lasting_room, hub, "bert")["notices"] == []
    for user in ("bert", "nina"):
        assert (hub.model(user) or {})["ready"]
        hub.stop_server(user)


def test_of_twenty_starts_at_the_same_moment_as_many_run_as_the_plan_has(
    lasting_room: Room, hub: Hub
) -> None:
    enrol(hub, "tom", "two")
    names = ["", *(f"s{n}" for n in range(19))]

    def ask(name: str) -> int:
        return hub.request_start("tom", {"profile": "cpu"}, name).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(ask, names)) == [201] * 2 + [403] * 18
    running = [name for name in names if hub.model("tom", name)]
    assert len(running) == 2
    mine = [c for c in lasting_room.containers() if c.labels["torchroom.user"] == "tom"]
    assert len(mine) == 2
    refused = [name for name in names if name not in running]
    told = hub.request_start("tom", {"profile": "cpu"}, refused[0])
    assert told.status_code == 403
    assert "Your plan allows 2 servers at the same time, and you have 2" in told.text
    # One that is stopped makes room for another.
    hub.stop_server("tom", running[0])
    hub.start_server("tom", {"profile": "cpu"}, refused[0])
    for name in (running[1], refused[0]):
        hub.stop_server("tom", name)


def test_units_at_once_are_the_plan_s_and_who_has_them_waits_for_their_own(
    lasting_room: Room, hub: Hub, change: Callable[..., None]
) -> None:
    enrol(hub, "gus", "two")
    hub.start_server("gus", {"profile": "gpu"})
    with ThreadPoolExecutor(1) as pool:
        more = pool.submit(hub.request_start, "gus", {"profile": "gpu"}, "more")
        wait_until(lambda: [t.owner.server for t in lasting_room.tickets()] == ["more"], timeout=20)
        hub.stop_server("gus")
        assert more.result().status_code == 201
    hub.stop_server("gus", "more")
    change("gus", gpus="0")
    told = hub.request_start("gus", {"profile": "gpu"})
    assert "you may hold 0 at once" in told.text
    change("gus", gpus="1", gpu_kinds="A100")
    told = hub.request_start("gus", {"profile": "gpu"})
    assert told.status_code == 403
    assert "Your plan has these kinds of GPUs: A100" in told.text


def test_a_profile_that_the_plan_does_not_have_is_refused_and_its_card_says_so(
    hub: Hub, change: Callable[..., None]
) -> None:
    enrol(hub, "cleo", "cpu")
    told = hub.request_start("cleo", {"profile": "gpu"})
    assert told.status_code == 403
    assert "Your plan does not have the profile gpu; it has: cpu, large" in told.text
    with hub.browser("cleo") as browser:
        page = browser.page("/hub/spawn/cleo")
        assert page.count("Your plan does not have the profile") == 2
        change("cleo", profiles="any", memory="96M")
        page = browser.page("/hub/spawn/cleo")
        assert "Your plan does not have" not in page
        assert "96 MiB memory" in page or "96 MB memory" in page


def used(room: Room, user: str, hours: float) -> None:
    """Write that a user had a GPU, as a lease that ended does."""
    now = datetime.now(timezone.utc)
    with room.store.decide() as connection:
        row = insert(lease_history).values(
            lease_id=str(uuid.uuid4()),
            user=user,
            server="",
            class_name="",
            units=1,
            rate=1.0,
            from_at=now - timedelta(hours=hours),
            to_at=now,
            why="ended",
        )
        connection.execute(row)


def test_a_budget_says_how_long_a_start_can_run_warns_and_ends_it(
    lasting_room: Room, hub: Hub, change: Callable[..., None]
) -> None:
    hub.add("hal")
    change("hal", gpu_hours="10")
    used(lasting_room, "hal", 9.97)
    told = hub.request_start("hal", {"profile": "gpu"})
    assert told.status_code == 403
    assert "You have used 10.0 of your 10 GPU-hours. No new ones" in told.text

    # Nine minutes are left: it starts, and who works in it is warned.
    change("hal", gpu_hours="10.12")
    began = datetime.now(timezone.utc)
    hub.start_server("hal", {"profile": "gpu"})
    said = lease(lasting_room, hub, "hal")
    left = (datetime.fromisoformat(said["ends"]) - began).total_seconds()
    assert 480 < left <= 560
    assert [each["id"].rsplit("-", 4)[0] for each in said["notices"]] == ["gpu-hours-10"]
    assert "Your 10.12 GPU-hours last until" in said["notices"][0]["text"]
    assert "are used up by then" in said["why"]

    # A second one would use them up twice as fast: it is refused, and the first goes on.
    told = hub.request_start("hal", {"profile": "gpu"}, "more")
    assert told.status_code == 403
    assert (hub.model("hal") or {})["ready"]

    # They are used up: it is ended, its end is in words, and all its seconds are kept.
    container = lasting_room.container("hal").id
    used(lasting_room, "hal", 0.2)
    hub.request_start("hal", {"profile": "gpu"}, "more")
    wait_until(lambda: hub.model("hal") is None, timeout=40)
    end = lasting_room.last_end("hal")
    assert end is not None
    assert end.why.startswith("Your 10.12 GPU-hours are used up.")
    with lasting_room.store.read() as connection:
        spans = gpu_spans(connection, began, "hal", charged=True)
        row = connection.execute(select(sessions).where(sessions.c.container == container)).one()
    (mine,) = (span for span in spans if span.begin >= began)
    assert mine.end is not None
    assert row.to_at is not None
    assert mine.begin <= row.from_at + timedelta(seconds=1)
    assert row.to_at <= mine.end
    assert (row.memory, row.profile) == (256 * MIB, "gpu")


def test_a_lowered_plan_ends_what_has_more_only_when_asked_to(
    lasting_room: Room, hub: Hub, change: Callable[..., None]
) -> None:
    for name in ("", "other"):
        hub.add("lena")
        hub.start_server("lena", {"profile": "cpu"}, name)
    change("lena", servers="1")
    hub.add("paul")
    hub.start_server("paul", {"profile": "cpu"})
    assert hub.admin("plans", {"users": ["paul"]})["ended"] == []
    # The one that came last goes, and the other has no more than is allowed then.
    assert hub.admin("plans", {"users": ["lena"]})["ended"] == ["lena/other"]
    assert (hub.model("lena") or {})["ready"]
    hub.wait_stopped("lena", "other")
    assert hub.admin("plans", {})["ended"] == []
    change("lena", memory="96M")
    assert (hub.model("lena") or {})["ready"]
    assert hub.admin("plans", {"users": ["lena"]})["ended"] == ["lena"]
    hub.wait_stopped("lena")
    ended = lasting_room.last_end("lena")
    assert ended is not None
    assert "An admin lowered what you may have" in ended.why
    hub.start_server("lena", {"profile": "cpu"})
    assert given(lasting_room, "lena")["memory"] == 96 * MIB
    assert hub.admin("plans", {})["ended"] == []
    for user in ("lena", "paul"):
        hub.stop_server(user)
