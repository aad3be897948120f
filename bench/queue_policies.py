"""Who is next: the room's queue, and the orders it is measured against.

The others pass whoever needs more units than are free, so that none loses utilisation by waiting.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from bench.queue_trace import CAP, Request, weights
from room.gpus.events import Policy, Released, Submitted, Surveyed, Ticket
from room.gpus.queue import step
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import GPUUnit, Owner


class Ours:
    """The room's queue; every lease may last as long as the longest."""

    def __init__(self, units: int, policy: Policy | None = None) -> None:
        self.state = State(policy or Policy(weights=weights()))
        cards = (GPUUnit(f"G{n}", n, "GPU", 16_384) for n in range(units))
        step(self.state, Surveyed(0.0, tuple(cards)))

    def ask(self, number: int, request: Request) -> list[int]:
        owner, wants = Owner(request.user, str(number)), GPURequest(request.units)
        ticket = Ticket(str(number), owner, wants, request.at, number, request.group, CAP)
        return [int(grant.id) for grant in step(self.state, Submitted(request.at, ticket))[1]]

    def end(self, number: int, at: float) -> list[int]:
        return [int(grant.id) for grant in step(self.state, Released(at, str(number)))[1]]


class Ordered:
    """Serves the user with the least ``key(user, class)``, each user's requests as they came."""

    def __init__(self, units: int, kind: str) -> None:
        self.free, self.now = units, 0.0
        self.kind = kind
        self.lines: dict[str, deque[tuple[int, Request]]] = {}
        self.running: dict[int, tuple[Request, float]] = {}
        self.used: dict[str, float] = {}
        self.rate: dict[str, int] = {}

    def ask(self, number: int, request: Request) -> list[int]:
        self._pass(request.at)
        self.lines.setdefault(request.user, deque()).append((number, request))
        return self._grant()

    def end(self, number: int, at: float) -> list[int]:
        self._pass(at)
        request, _began = self.running.pop(number)
        self.free += request.units
        for name in (request.user, request.group):
            self.rate[name] -= request.units
        return self._grant()

    def _pass(self, at: float) -> None:
        for name, units in self.rate.items():
            self.used[name] = self.used.get(name, 0.0) + units * (at - self.now)
        self.now = at

    def _key(self) -> Callable[[str], tuple[float, ...]]:
        used, share = self.used, weights()
        first = {user: line[0][1] for user, line in self.lines.items()}
        if self.kind == "fifo":
            return lambda user: (first[user].at,)
        if self.kind == "least attained service":
            return lambda user: (used.get(user, 0.0), first[user].at)
        return lambda user: (
            used.get(first[user].group, 0.0) / share[first[user].group],
            used.get(user, 0.0),
            first[user].at,
        )

    def _grant(self) -> list[int]:
        granted: list[int] = []
        while self.free and self.lines:
            fits = [u for u, line in self.lines.items() if line[0][1].units <= self.free]
            if not fits:
                break
            user = min(fits, key=self._key())
            number, request = self.lines[user].popleft()
            if not self.lines[user]:
                del self.lines[user]
            self.free -= request.units
            self.running[number] = (request, self.now)
            for name in (request.user, request.group):
                self.rate[name] = self.rate.get(name, 0) + request.units
            granted.append(number)
        return granted


class Packed:
    """Idles no unit while anything that waits fits: fewest units first, then who came first.

    Nobody would want it, for who needs several gets them when nobody else is there. It shows what
    an order can reach that gives whole units to whole requests.
    """

    def __init__(self, units: int) -> None:
        self.free = units
        self.waiting: list[tuple[int, int]] = []
        self.units: dict[int, int] = {}

    def ask(self, number: int, request: Request) -> list[int]:
        self.units[number] = request.units
        heapq.heappush(self.waiting, (request.units, number))
        return self._grant()

    def end(self, number: int, _at: float) -> list[int]:
        self.free += self.units[number]
        return self._grant()

    def _grant(self) -> list[int]:
        granted: list[int] = []
        while self.waiting and self.waiting[0][0] <= self.free:
            units, number = heapq.heappop(self.waiting)
            self.free -= units
            granted.append(number)
        return granted


#: The others that a room might choose, by the name in the results.
OTHERS = ("fifo", "fair share without decay", "least attained service")
