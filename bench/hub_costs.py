"""What a hub costs by itself: its restart, its memory, its CPU and engine calls while all idle.

Ours and stock run at the same time, each with as many stub servers (``stub_hubs``), and take
turns where seconds count. CPU is the hub's container's own, which other work on the machine
changes little; seconds are the machine's.

    python -m bench hub_costs
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx

from bench.harness import OURS, PEER, Result, machine, summarize, turns
from bench.stub_hubs import StubHub
from cli.errors import Problem
from tests.utils.hub import Browser

NAME = "hub_costs"
#: Servers of each hub; restarts of each, with and without them; people on the admin's page.
SERVERS, RESTARTS, PEOPLE, PAGES = 300, 3, 1000, 7
#: Started at once, fewer than stock refuses.
BATCH = 20
#: Seconds in which nothing is asked of the hubs, with and without servers: of stock's looks, which
#: come every 30 seconds, ten, and of ours, which come every 300, one.
IDLE = 300.0
#: Seconds after the last start in which what follows it is still counted as its own.
SETTLE = 15.0
#: What ours should stay below: engine calls of a start, growth of a restart, shares of stock's.
CALLS, GROWTH, CPU_SHARE, MEMORY_SHARE = 3, 1.2, 0.2, 1.1
#: Seconds until the first byte of a page.
PAGE = 0.3
MIB = 1024**2


@dataclass(slots=True)
class Costs:
    """What one contender cost; ``none`` and ``all``: without servers, and with all of them."""

    #: Seconds, and the hub's own CPU-seconds, until a restarted hub serves a request.
    restart_none: list[float] = field(default_factory=list)
    restart_all: list[float] = field(default_factory=list)
    restart_cpu_none: list[float] = field(default_factory=list)
    restart_cpu_all: list[float] = field(default_factory=list)
    #: CPU-seconds of an idle hour.
    idle_none: float = 0.0
    idle_all: float = 0.0
    #: Bytes.
    memory: int = 0
    #: Calls to the engine: of a start, and of a user's idle hour, lists of all left out.
    start_calls: float = 0.0
    idle_calls: float = 0.0
    #: Seconds until the first byte, by page.
    pages: dict[str, list[float]] = field(default_factory=dict)


def measure(
    images: Mapping[str, str],
    say: Callable[[str], None],
    *,
    servers: int = SERVERS,
    idle: float = IDLE,
) -> list[Result]:
    """Run the benchmark and return its rows. Everything that was started is removed again."""
    at = machine("jupyterhub", "dockerspawner", "torchroom")
    found = {OURS: Costs(), PEER: Costs()}
    with ExitStack() as stack:
        hubs = [stack.enter_context(StubHub(key, images, counted=True)) for key in found]
        for each in _restarts(hubs, say):
            found[each.key].restart_none.append(each.seconds)
            found[each.key].restart_cpu_none.append(each.cpu)
        for key, hour in _idle(hubs, idle, 0).items():
            found[key].idle_none = hour.cpu
        for hub in hubs:
            found[hub.key].start_calls = _fill(hub, servers, say)
        for each in _restarts(hubs, say):
            found[each.key].restart_all.append(each.seconds)
            found[each.key].restart_cpu_all.append(each.cpu)
        time.sleep(SETTLE)
        for key, hour in _idle(hubs, idle, servers).items():
            found[key].idle_all, found[key].idle_calls = hour.cpu, hour.calls
        for hub in hubs:
            found[hub.key].memory = hub.used().memory
            hub.add(f"person{number}" for number in range(PEOPLE - servers))
            found[hub.key].pages = _pages(hub)
            say(f"{hub.key}: {found[hub.key]}")
    return rows(found, servers, at)


@dataclass(frozen=True, slots=True)
class _Restart:
    key: str
    seconds: float
    cpu: float


def _restarts(hubs: Sequence[StubHub], say: Callable[[str], None]) -> list[_Restart]:
    found = []
    for order in turns(hubs, RESTARTS):
        for hub in order:
            seconds = hub.restart()
            found.append(_Restart(hub.key, seconds, hub.used().cpu))
            say(f"{hub.key}: served {seconds:.2f} s after its start, {found[-1].cpu:.2f} CPU-s")
    return found


@dataclass(frozen=True, slots=True)
class _Hour:
    cpu: float
    calls: float


def _idle(hubs: Sequence[StubHub], seconds: float, servers: int) -> dict[str, _Hour]:
    """Return what an hour costs each of them, all of which are left alone for ``seconds``."""
    before = {hub.key: (hub.used().cpu, len(_of_servers(hub.requests()))) for hub in hubs}
    began = time.monotonic()
    time.sleep(seconds)
    found = {}
    for hub in hubs:
        cpu, calls = before[hub.key]
        hours = (time.monotonic() - began) / 3600
        looked = len(_of_servers(hub.requests())) - calls
        found[hub.key] = _Hour((hub.used().cpu - cpu) / hours, looked / hours / max(servers, 1))
    return found


def _of_servers(requests: Sequence[str]) -> list[str]:
    """Return the calls that are about one server: neither lists nor the stream of events."""
    every = ("GET /containers/json", "GET /events", "GET /version")
    return [request for request in requests if not request.startswith(every)]


def _fill(hub: StubHub, servers: int, say: Callable[[str], None]) -> float:
    """Start the servers; return how many calls to the engine each cost, and what follows it."""
    users = [f"student{number}" for number in range(servers)]
    hub.add(users)
    before = len(_of_servers(hub.requests()))
    for first in range(0, servers, BATCH):
        batch = hub.start(users[first : first + BATCH])
        if batch.failed or batch.refused:
            raise Problem(f"{hub.key} did not start a server: {batch.failed + batch.refused}")
    time.sleep(SETTLE)
    say(f"{hub.key}: {servers} servers run")
    return (len(_of_servers(hub.requests())) - before) / servers


def _pages(hub: StubHub) -> dict[str, list[float]]:
    """Return the seconds until the first byte of what an admin looks at."""
    found: dict[str, list[float]] = {}
    with httpx.Client(base_url=hub.address, timeout=60, trust_env=False) as http:
        Browser("admin", http).log_in()
        for name, path in (
            ("the admin's page", "/hub/admin"),
            ("its list of 50 users", "/hub/api/users?include_stopped_servers=1&limit=50"),
            ("the list of 200 users", "/hub/api/users?include_stopped_servers=1&limit=200"),
        ):
            accept = {
                "Accept": "application/jupyterhub-pagination+json",
                "X-XSRFToken": http.cookies["_xsrf"],
            }
            for _ in range(PAGES):
                began = time.monotonic()
                with http.stream("GET", path, headers=accept if "api" in path else {}) as answer:
                    next(answer.iter_raw())
                    found.setdefault(name, []).append(time.monotonic() - began)
                    answer.raise_for_status()
    return found


def rows(found: Mapping[str, Costs], servers: int, at: Mapping[str, Any]) -> list[Result]:
    """Return the table's rows."""
    users = f"{servers} servers"

    def row(name: str, unit: str, take: Callable[[Costs], Sequence[float]], **more: Any) -> Result:
        return summarize(name, unit, {key: take(costs) for key, costs in found.items()}, at, **more)

    def slope(costs: Costs) -> float:
        # Less than none is what cannot be told from the hub's own work.
        return max(0.0, 1000 * (costs.idle_all - costs.idle_none) / servers)

    def growth(with_all: Sequence[float], with_none: Sequence[float]) -> list[float]:
        return [each / median(with_none) for each in with_all]

    peer = found[PEER]
    made = [
        row("engine calls of a start, and after it", "", lambda c: [c.start_calls], target=CALLS),
        row(
            f"engine calls of an idle user-hour, {users}, besides lists of all",
            "",
            lambda c: [c.idle_calls],
            target=0,
        ),
        row("hub restart with no server, until a request is served", "s", lambda c: c.restart_none),
        row(f"hub restart with {users}, until a request is served", "s", lambda c: c.restart_all),
        row(
            f"hub restart with {users}, times one with none",
            "x",
            lambda c: growth(c.restart_all, c.restart_none),
            target=GROWTH,
        ),
        row(
            f"the hub's CPU of a restart with {users}, times one with none",
            "x",
            lambda c: growth(c.restart_cpu_all, c.restart_cpu_none),
            target=GROWTH,
        ),
        row(
            f"hub CPU of an idle user-hour, {users}",
            "ms",
            lambda c: [slope(c)],
            target=CPU_SHARE * slope(peer),
        ),
        row(
            f"hub memory with {users}",
            "MiB",
            lambda c: [c.memory / MIB],
            target=MEMORY_SHARE * peer.memory / MIB,
        ),
    ]
    made += [
        row(f"{name} of {PEOPLE}, first byte", "s", lambda c, n=name: c.pages[n], target=PAGE)
        for name in found[OURS].pages
    ]
    return made
