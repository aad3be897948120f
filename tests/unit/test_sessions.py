"""When a server has to end, how much longer a lease can be kept, and who is looked at for it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from room.models import LABEL_GPU_IDLE, LABEL_IDLE, LABEL_SESSION, Lease, Owner
from spawner import keeper, services, sessions
from spawner.leasing import Leasing
from spawner.sessions import End, Session, end_of, longer, why_not_longer

NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
HOUR = 3600.0


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def lease(hours: float | None, *, ready: bool = True) -> Lease:
    """Return a lease that was granted at noon and ends so many hours later."""
    ends = None if hours is None else at(hours)
    return Lease("l1", Owner("alice"), ("GPU-a",), NOON, ends, NOON if ready else None)


def session(hours: float, begins: float = 0.0) -> Session:
    return Session(at(begins), hours * HOUR)


def test_a_budget_ends_a_server_when_it_is_the_first_to() -> None:
    budget = End(at(2), "budget", 2 * HOUR)
    assert end_of(lease(4), session(3), budget) == budget
    assert end_of(lease(None), None, budget) == budget
    assert end_of(lease(1), session(3), budget) == End(at(1), "lease", HOUR)


@pytest.mark.parametrize(
    ("lease_", "session_", "expected"),
    [
        pytest.param(None, None, None, id="nothing-known"),
        pytest.param(None, session(0), None, id="without-a-limit"),
        pytest.param(None, session(12), End(at(12), "session", 12 * HOUR), id="on-the-cpu"),
        pytest.param(lease(None), session(0), None, id="lease-without-an-end"),
        pytest.param(lease(None), session(12), End(at(12), "session", 12 * HOUR), id="session"),
        pytest.param(lease(4), session(0), End(at(4), "lease", 4 * HOUR), id="lease"),
        pytest.param(lease(4), None, End(at(4), "lease", 4 * HOUR), id="engine-silent"),
        pytest.param(lease(4), session(12), End(at(4), "lease", 4 * HOUR), id="lease-first"),
        pytest.param(lease(4), session(3), End(at(3), "session", 3 * HOUR), id="session-first"),
        pytest.param(
            lease(4), session(3.5, begins=1), End(at(4), "lease", 4 * HOUR), id="began-later"
        ),
        pytest.param(lease(4), session(4), End(at(4), "lease", 4 * HOUR), id="both-at-once"),
        pytest.param(lease(4, ready=False), None, None, id="still-starting"),
    ],
)
def test_the_end_that_comes_first_counts(
    lease_: Lease | None, session_: Session | None, expected: End | None
) -> None:
    assert end_of(lease_, session_) == expected


DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("lease_", "session_", "step", "seconds", "words"),
    [
        pytest.param(lease(4), session(0), 4 * HOUR, 4 * HOUR, "", id="by-its-usual-length"),
        pytest.param(lease(3), None, 0.0, 3 * HOUR, "", id="by-its-own-length"),
        pytest.param(lease(22), None, 4 * HOUR, 2 * HOUR, "", id="up-to-the-longest-lease"),
        pytest.param(lease(24), None, HOUR, 0.0, "A GPU can be kept for 24 h", id="longest-lease"),
        pytest.param(lease(4), session(5), 4 * HOUR, HOUR, "", id="up-to-the-session"),
        pytest.param(
            lease(5), session(5), HOUR, 0.0, "This server can run for 5 h", id="session-too"
        ),
        pytest.param(
            lease(5), session(4), HOUR, 0.0, "This server can run for 4 h", id="session-before"
        ),
        pytest.param(
            lease(4), session(4 + 50 / HOUR), HOUR, 50.0, "can run for", id="not-worth-it"
        ),
        pytest.param(lease(24), session(30), HOUR, 0.0, "A GPU can be kept", id="lease-binds"),
        pytest.param(lease(None), session(12), HOUR, 0.0, "can run for 12 h", id="no-lease-end"),
        pytest.param(lease(None), session(0), HOUR, 0.0, "without an end", id="no-end-at-all"),
        pytest.param(None, session(12), HOUR, None, "can run for 12 h", id="on-the-cpu"),
    ],
)
def test_a_lease_is_kept_longer_up_to_the_rule_that_binds(
    lease_: Lease | None, session_: Session | None, step: float, seconds: float | None, words: str
) -> None:
    if lease_ is not None:
        assert longer(lease_, session_, step, DAY) == pytest.approx(seconds, abs=0.1)
    refused = why_not_longer(lease_, session_, step, DAY)
    assert (refused.message if refused else "").find(words) >= 0
    assert (refused is None) == (words == "")


@pytest.mark.parametrize(
    ("labels", "expected", "idle"),
    [
        pytest.param({LABEL_SESSION: "5400.0"}, at(1.5), 0.0, id="limited"),
        pytest.param({LABEL_SESSION: "0.0", LABEL_IDLE: "0.0"}, None, 0.0, id="not-limited"),
        pytest.param({LABEL_IDLE: "3600.0"}, None, HOUR, id="ends-when-idle"),
        pytest.param({}, None, 0.0, id="of-a-release-before"),
        pytest.param(None, None, 0.0, id="without-labels"),
    ],
)
def test_a_session_is_what_the_engine_tells_of_its_container(
    labels: dict[str, str] | None, expected: datetime | None, idle: float
) -> None:
    found = sessions.from_inspect(
        {
            "State": {"Running": True, "StartedAt": "2026-11-26T12:00:00.123456789Z"},
            "Config": {"Labels": labels},
        }
    )
    assert found.started_at == NOON
    assert found.ends_at == expected
    assert found.idle == idle


def test_a_session_knows_when_its_unused_gpu_is_offered_back() -> None:
    found = sessions.from_labels(NOON, {LABEL_GPU_IDLE: "1200.0"})
    assert (found.gpu_idle, found.idle, found.longest) == (1200.0, 0.0, 0.0)


class Server:
    """A spawner that counts how often the engine is asked."""

    def __init__(self, user: str, session_: Session | None, *, ready: bool = True) -> None:
        self.owner = Owner(user)
        self.ready = ready
        self.asked = 0
        self._told = session_
        self._known: Session | None = None

    def budget_end(self, _lease: Lease | None) -> End | None:
        return None

    async def running_session(self) -> Session | None:
        if self._known is None:
            self.asked += 1
            self._known = self._told
        return self._known


class Services(SimpleNamespace):
    """What the keeper needs of a hub's services, without a hub."""

    running, sessions = services.Services.running, services.Services.sessions

    def __init__(self, servers: list[Server], leases: list[Lease], moving: set[Owner]) -> None:
        async def run(call: Any) -> Any:
            return call()

        super().__init__(
            spawners={server.owner: server for server in servers},
            moving=lambda: moving,
            store=SimpleNamespace(run=run),
            broker=SimpleNamespace(leases=lambda: leases),
        )


def test_only_running_servers_whose_time_is_over_end_and_each_is_asked_for_once() -> None:
    cpu, gpu, young = Server("bob", session(2)), Server("alice", session(0)), Server("cy", None)
    waits = Server("dee", session(1), ready=False)
    tidied = Server("eve", session(1))
    services: Any = Services([cpu, gpu, young, waits, tidied], [lease(3)], {tidied.owner})

    async def looks() -> list[list[tuple[str, str]]]:
        found = [await keeper.over(services, at(hours)) for hours in (1.9, 2, 3, 99)]
        return [[(server.owner.user, end.rule) for server, end in each] for each in found]

    both = [("bob", "session"), ("alice", "lease")]
    assert asyncio.run(looks()) == [[], [("bob", "session")], both, both]
    assert [server.asked for server in (cpu, gpu, waits, tidied)] == [1, 1, 0, 0]
    assert young.asked == 4, "of whom nothing is known yet it is asked again"


def test_of_each_user_who_holds_gpus_one_server_looks_at_the_budget() -> None:
    looked: list[Owner] = []

    class Holder(Server):
        async def look_at_budget(self) -> None:
            looked.append(self.owner)

    holds, rests = Holder("alice", None), Holder("bob", None)
    services: Any = Services([holds, rests], [lease(3)], set())
    services.outlooks = {"alice": "kept", "bob": "of a server that is gone"}
    asyncio.run(keeper.look_at_budgets(services))
    assert looked == [holds.owner]
    assert services.outlooks == {"alice": "kept"}


@pytest.mark.parametrize(
    ("ledger", "told", "runs", "looks", "notes"),
    [
        pytest.param({"c1": NOON}, None, True, 0, 0, id="the ledger knows since when"),
        pytest.param({}, None, True, 1, 0, id="not in the ledger yet, and nobody heard the start"),
        pytest.param({}, NOON, True, 0, 1, id="not in the ledger yet, and the start was heard"),
        pytest.param({"c1": NOON}, None, False, 1, 0, id="nobody can tell that it runs"),
        pytest.param({"c0": NOON}, None, True, 1, 0, id="only an earlier container is"),
    ],
)
def test_the_engine_is_asked_only_for_sessions_that_nobody_else_knows(
    ledger: dict[str, datetime], told: datetime | None, runs: bool, looks: int, notes: int
) -> None:
    class Watch:
        async def runs(self, container: str, _owner: Owner) -> bool:
            return runs and container == "c1"

        def started(self, _container: str) -> datetime | None:
            return told

        def labels(self, _container: str) -> dict[str, str]:
            return {LABEL_SESSION: "3600"}

    class Spawner(SimpleNamespace):
        looks = 0
        notes = 0

        async def note_start(self, began: datetime) -> None:
            assert began == told
            self.notes += 1

        async def look(self) -> None:
            self.looks += 1
            self._session = session(1)

    services = SimpleNamespace(running_since=ledger, watch=Watch())
    spawner: Any = Spawner(services=services, object_id="c1", owner=Owner("alice"), _session=None)

    async def twice() -> list[Session | None]:
        return [await Leasing.running_session(spawner) for _ in range(2)]

    assert asyncio.run(twice()) == [session(1), session(1)]
    assert (spawner.looks, spawner.notes) == (looks, notes)
