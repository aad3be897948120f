"""Who is idle is warned, the culler is asked only then, and its hook judges at that moment."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from room.gpus.use import UnitUse, Use
from room.models import GPUUnit, Inventory, Lease, Owner
from spawner import idlewatch
from spawner.app import RoomHub
from spawner.idlewatch import IdleWatch
from spawner.services import Services
from spawner.sessions import Session

NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
HOUR = 3600.0
ALICE, BOB = Owner("alice"), Owner("bob", "two")
CARD = GPUUnit("GPU-a", 0, "Tesla T4", 16000)


class Spawner:
    """A running server. ``idle``: seconds that it may be; 0: no limit."""

    def __init__(self, idle: float) -> None:
        self.known_session = Session(NOON, idle=idle)
        self.orm_spawner = SimpleNamespace(last_activity=None)
        self.ready, self.pending, self.culled = True, "", False
        self.ended: list[float] = []

    async def running_session(self) -> Session:
        return self.known_session

    def end_idle(self, limit: float) -> None:
        self.culled = True
        self.ended.append(limit)


class Room:
    """Two servers, and a clock that a test moves on."""

    def __init__(self, alice: float = HOUR, bob: float = 0.0) -> None:
        self.spawners = {ALICE: Spawner(alice), BOB: Spawner(bob)}
        self.leases: list[Lease] = []
        self.asked = 0
        self.seconds = NOON.timestamp()
        self.use = Use(cpu={ALICE: 1.0, BOB: 1.0})
        self.services: Any = SimpleNamespace(
            store=self,
            broker=SimpleNamespace(leases=lambda: self.leases, inventory=Inventory((CARD,))),
            spawners=self.spawners,
            moving=set,
            touched={},
            idle_notices={},
            log=logging.getLogger("test"),
            running=lambda: Services.running(self.services),
            sessions=lambda: Services.sessions(self.services),
            touched_at=lambda owner: Services.touched_at(self.services, owner),
        )
        self.watch = IdleWatch(self.services, self, "http://hub", "t", lambda: self.seconds)  # type: ignore[arg-type]

    async def run(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def latest(self) -> tuple[float, Use]:
        self.asked += 1
        return self.seconds, self.use

    async def look(self, minutes: float = 0.0) -> None:
        self.seconds += minutes * 60
        await self.watch.look()
        await asyncio.sleep(0)

    def touch(self, owner: Owner = ALICE) -> None:
        Services.touch(self.services, owner)
        self.services.touched[owner] = self.seconds

    def told(self, owner: Owner = ALICE) -> str:
        notice = self.services.idle_notices.get(owner)
        return notice.text if notice else ""

    def arbiter(self, inactive: float | None = None, owner: Owner = ALICE) -> bool:
        """Ask as the culler does; ``inactive`` in seconds, as JupyterHub has it."""
        return self.watch.arbiter(
            inactive=None if inactive is None else timedelta(seconds=inactive),
            inactive_limit=0,
            server={"name": owner.server, "full_name": f"{owner.user}/{owner.server}"},
        )


@pytest.fixture
def culls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the culler; return the hooks that it was given, a call each."""
    calls: list[Any] = []

    async def cull_idle(*_: Any, cull_arbiter: Any, **__: Any) -> None:
        calls.append(cull_arbiter)

    monkeypatch.setattr(idlewatch, "cull_idle", cull_idle)
    return calls


async def test_who_is_idle_is_warned_and_only_then_the_culler_goes_through(
    culls: list[Any],
) -> None:
    room = Room()
    await room.look()
    await room.look(54)
    assert (room.told(), culls) == ("", [])
    await room.look(1)
    warning = room.services.idle_notices[ALICE]
    assert warning.text == (
        "Nobody has worked in this server, and nothing has run in it, for 55 min. "
        "It stops in 5 min unless you say that you are there. Your files are kept."
    )
    assert warning.action == "stay"
    await room.look(4)
    assert room.services.idle_notices[ALICE] is warning, "it is one and the same on the page"
    assert culls == []
    await room.look(1)
    assert len(culls) == 1
    assert room.arbiter()
    assert room.spawners[ALICE].ended == [HOUR]


async def test_who_has_no_limit_is_never_asked_for_nor_ended(culls: list[Any]) -> None:
    room = Room(alice=0.0)
    await room.look()
    await room.look(10_000)
    assert (room.asked, culls, room.told()) == (0, [], "")
    assert not room.arbiter()
    room = Room()
    await room.look()
    await room.look(55)
    await room.look(5)
    assert not room.arbiter(owner=BOB)
    assert not room.arbiter(owner=Owner("nobody"))


async def test_still_here_takes_the_warning_back_before_the_next_look(culls: list[Any]) -> None:
    room = Room()
    await room.look()
    await room.look(55)
    assert room.told()
    room.touch()
    assert room.told() == ""
    await room.look(5)
    assert (room.told(), culls) == ("", [])


@pytest.mark.parametrize(
    ("inactive", "ends"),
    [
        pytest.param(None, True, id="never-heard-of"),
        pytest.param(4000.0, True, id="not-since"),
        pytest.param(2.0, False, id="a-moment-ago"),
    ],
)
async def test_the_hook_hears_what_jupyterhub_heard_since_the_last_look(
    culls: list[Any], inactive: float | None, ends: bool
) -> None:
    room = Room()
    await room.look()
    await room.look(55)
    await room.look(5)
    assert len(culls) == 1
    assert room.arbiter(inactive) == ends
    assert room.spawners[ALICE].culled == ends


async def test_who_says_so_while_the_culler_goes_through_stays(culls: list[Any]) -> None:
    room = Room()
    await room.look()
    await room.look(55)
    await room.look(5)
    room.touch()
    assert not room.arbiter()


async def test_what_a_server_reports_is_work(culls: list[Any]) -> None:
    room = Room()
    await room.look()
    # JupyterHub's own times are UTC and do not say so.
    told = (NOON + timedelta(minutes=30)).replace(tzinfo=None)
    room.spawners[ALICE].orm_spawner.last_activity = told
    await room.look(59)
    assert room.told() == ""
    await room.look(26)
    assert room.told()


async def test_a_training_on_the_gpu_is_work(culls: list[Any]) -> None:
    room = Room()
    room.leases = [Lease("l", ALICE, ("GPU-a",), NOON, ready_at=NOON)]
    room.use = Use((UnitUse("GPU-a", utilisation=97.0),), cpu={ALICE: 1.0})
    await room.look()
    await room.look(59)
    assert room.told() == ""


@pytest.mark.parametrize(
    ("use", "leased"),
    [
        pytest.param(Use(problem="the agent does not answer"), False, id="silent-agent"),
        pytest.param(Use(problem="NVML", cpu={ALICE: 1.0}), True, id="silent-cards"),
    ],
)
async def test_what_nobody_sees_does_not_end(culls: list[Any], use: Use, leased: bool) -> None:
    room = Room()
    if leased:
        room.leases = [Lease("l", ALICE, ("GPU-a",), NOON, ready_at=NOON)]
    room.use = use
    await room.look()
    await room.look(600)
    assert (room.told(), culls) == ("", [])


async def test_one_that_could_not_be_stopped_may_be_stopped_by_its_owner(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room()

    async def cull_idle(*_: Any, cull_arbiter: Any, **__: Any) -> None:
        assert room.arbiter()
        raise HTTPClientError(500)

    monkeypatch.setattr(idlewatch, "cull_idle", cull_idle)
    await room.look()
    await room.look(55)
    await room.look(5)
    assert room.spawners[ALICE].ended == [HOUR]
    assert not room.spawners[ALICE].culled
    assert "Could not end idle servers" in caplog.text


async def test_the_proxys_routes_are_looked_at_and_an_open_page_is_no_work() -> None:
    checked: list[Any] = []
    routes = {"/user/alice/": {"data": {"user": "alice", "last_activity": NOON.isoformat()}}}

    async def get_all_routes() -> Any:
        return routes

    async def check_routes(*said: Any) -> None:
        checked.append(said)

    proxy = SimpleNamespace(get_all_routes=get_all_routes, check_routes=check_routes)
    # It has no database: whoever wrote down when a route was used last would fail.
    hub: Any = SimpleNamespace(proxy=proxy, users={}, _service_map={})
    await RoomHub.update_last_activity(hub)
    assert checked == [({}, {}, routes)]
