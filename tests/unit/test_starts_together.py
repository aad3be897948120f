"""Whatever is set, granted and asked for at the same moment: no server starts over its plan.

The decision is RoomSpawner's own, on a real store; what it awaits is interleaved at will.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets.config import Config

from room.gpus.broker import Broker
from room.gpus.inventory import simulated
from room.models import Lease, Owner
from room.plans.authority import Actor
from room.plans.book import Plans
from room.plans.decide import matches
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from room.store import Store, migrate
from spawner.refusal import Refusal
from spawner.spawner import RoomSpawner

NOW = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)
#: What an example leaves behind.
TABLES = ("plan_limits", "plan_grants", "lease_units", "leases", "tickets", "audit")
USERS, SERVERS = ("alice", "bob"), ("", "b", "c")
PROFILES = [
    {"display_name": "Small", "slug": "small", "spawner_override": {"mem_limit": "1G"}},
    {
        "display_name": "Large",
        "slug": "large",
        "spawner_override": {"mem_limit": "64G", "cpu_limit": 16.0, "gpus": 2},
    },
]
VALUES = {
    "memory": ("512M", "2G", "16G", "none"),
    "cpu": ("1", "4", "none"),
    "servers": ("0", "1", "2", "none"),
    "gpus": ("0", "1", "2", "none"),
    "session": ("1h", "none"),
    "profiles": ("small", "small, large", "any"),
}
START = st.tuples(
    st.just("start"),
    st.sampled_from(USERS),
    st.sampled_from(SERVERS),
    st.sampled_from(("page", "rest")),
    st.sampled_from(("small", "large")),
    st.integers(0, 3),
)
WHO = st.sampled_from(("class/a", "user/alice", "user/bob", "room"))
SET = st.sampled_from([(key, value) for key, values in VALUES.items() for value in values])
EDIT = st.tuples(st.just("set"), WHO, SET, st.integers(0, 3))
GRANT = st.tuples(
    st.just("grant"), WHO, st.sampled_from(("memory", "cpu", "gpus")), st.integers(0, 3)
)
#: What happens at the same moment, twenty at most; then servers end, and it happens again.
MOMENT = st.lists(st.one_of(START, START, EDIT, GRANT), min_size=1, max_size=20)


class Spawner(RoomSpawner):
    """RoomSpawner with the services of this test, and a store that answers when it likes."""

    test_services: Any = None
    pause = 0
    asked = False

    def shared_services(self) -> Any:
        return self.test_services


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('starts') / 'room.sqlite'}")
    migrate.upgrade(made)
    yield made
    made.close()


class Room:
    def __init__(self, store: Store) -> None:
        with store.decide() as connection:
            for table in (
                "plan_limits",
                "plan_grants",
                "lease_units",
                "leases",
                "tickets",
                "audit",
            ):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        self.store = store
        self.plans = Plans(store, clock=lambda: NOW)
        self.broker = Broker(store, now=NOW.timestamp)
        self.broker.survey(simulated(4))
        self.spawners = {user: self._of(user) for user in USERS}

    def _of(self, name: str) -> dict[str, Spawner]:
        user = SimpleNamespace(name=name, groups=[SimpleNamespace(name="a")], spawners={})
        for server in SERVERS:
            made = Spawner(config=Config(RoomSpawner={"profile_list": PROFILES, "mem_limit": "4G"}))
            made.user, made.test_name = user, server
            made.test_services = SimpleNamespace(
                waiting=SimpleNamespace(weigh=lambda: None),
                store=SimpleNamespace(run=self._answering(made), read=self.store.read),
                plans=self.plans,
                broker=self.broker,
            )
            user.spawners[server] = made
        return user.spawners  # type: ignore[no-any-return]

    @staticmethod
    def _answering(spawner: Spawner) -> Callable[..., Any]:
        async def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            found = function(*args, **kwargs)
            for _ in range(spawner.pause):
                await asyncio.sleep(0)
            return found

        return run

    async def act(self, what: Any) -> None:
        kind, who, *more, pause = what
        if kind == "start":
            await self._start(self.spawners[who][more[0]], more[1], more[2], pause)
            return
        for _ in range(pause):
            await asyncio.sleep(0)
        if kind == "set":
            key, value = more[0]
            self.plans.set([Setting(subject(who), KEYS[key], value)], Actor("root"))
        else:
            limit = KEYS[more[0]]
            amount = limit.amount("+1G" if limit.name == "memory" else "+1")
            self.plans.grant(subject(who), limit, amount, NOW + timedelta(hours=1), Actor("root"))

    async def _start(self, spawner: Spawner, way: str, profile: str, pause: int) -> None:
        if spawner.asked:
            return  # it runs, or starts already: JupyterHub asks no second time
        spawner.asked, spawner.pause = True, pause
        chosen = {"profile": profile}
        if way == "page":
            chosen = spawner._options_from_form({"profile": [profile]})
        await spawner._apply_options(chosen)
        try:
            await spawner._admit()
        except Refusal:
            assert spawner.admitted is None
            spawner.asked = False
            return
        self._check(spawner, profile)
        self._lease(spawner)

    @staticmethod
    def _check(spawner: Spawner, profile: str) -> None:
        """A server has no more than the plan that its start has read."""
        plan = spawner._effective
        assert plan is not None
        others = [each for each in spawner.user.spawners.values() if each.admitted is not None]
        assert len(others) <= plan["servers"]
        assert matches(profile, plan["profiles"])
        for name, trait in (("memory", "mem_limit"), ("cpu", "cpu_limit"), ("session", "session")):
            # A default bounds nobody; what somebody set does.
            if plan.limits[name].origin.limits:
                assert (getattr(spawner, trait) or math.inf) <= plan[name], name

    def _lease(self, spawner: Spawner) -> None:
        """Ask for its GPUs as it does; what it gets keeps to the plan, too."""
        admit, plan, user = spawner.admitted, spawner._effective, spawner.user.name
        assert admit is not None
        assert plan is not None
        if admit.gpus is None:
            return
        owner = Owner(user, spawner.test_name)
        if isinstance(self.broker.submit(owner, admit.gpus, groups=["a"], cap=admit.cap), Lease):
            mine = [lease for lease in self.broker.leases() if lease.owner.user == user]
            assert sum(len(lease.units) for lease in mine) <= plan["gpus"]

    def end(self, spawner: Spawner) -> None:
        spawner.admitted, spawner.asked = None, False
        owner = Owner(spawner.user.name, spawner.test_name)
        for lease in self.broker.leases():
            if lease.owner == owner:
                self.broker.release(lease.id)
        for waiting in self.broker.waiting():
            if waiting.ticket.owner == owner:
                self.broker.leave(waiting.ticket.id)


@settings(max_examples=150, deadline=None)
@given(moments=st.lists(st.tuples(MOMENT, st.sets(st.sampled_from(SERVERS))), max_size=4))
def test_no_server_starts_over_its_plan(store: Store, moments: Any) -> None:
    room = Room(store)

    async def all_of_it() -> None:
        for happens, ends in moments:
            await asyncio.gather(*map(room.act, happens))
            for servers in room.spawners.values():
                for name in ends:
                    room.end(servers[name])

    asyncio.run(all_of_it())
