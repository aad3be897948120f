"""Whether the queue's rule explains every long wait: a second look at its grants, by itself.

It knows what ``bench.queue.play`` knows: who asked and who was granted, in order. All units are
alike and on one host, so whoever is overdue and is passed could have had what the other got, or
what is held for them.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.queue_trace import Request

NEVER = float("inf")


class Waits:
    """Told of every request and grant; ``unexplained`` are the requests wrongly passed.

    Overdue is who waits longer than ``max_wait`` seconds, since they came or were served last,
    while somebody else was served twice. Who is overdue for longer may pass them; and who asks
    for several units may pass who asks for one, unless served since that one was overdue.
    """

    def __init__(self, max_wait: float) -> None:
        self.max_wait = max_wait
        self.unexplained: set[int] = set()
        #: By user: what waits, by number, in order; and the latest two grants.
        self._waiting: dict[str, dict[int, Request]] = {}
        self._served: dict[str, tuple[float, float]] = {}

    def asked(self, number: int, request: Request) -> None:
        self._waiting.setdefault(request.user, {})[number] = request

    def granted(self, number: int, request: Request, now: float) -> None:
        mine = self._place(number, request.at, request.user, now)
        for other, passed in self._overdue(now):
            before = self._place(other, passed.at, passed.user, now) < mine
            if other != number and before and not self._may_be_early(request, passed):
                self.unexplained.add(other)
        del self._waiting[request.user][number]
        last, _before = self._served.get(request.user, (-NEVER, -NEVER))
        self._served[request.user] = (now, last)

    def _since(self, user: str, at: float) -> float:
        return max(at, self._served.get(user, (-NEVER, -NEVER))[0])

    def _is_overdue(self, user: str, at: float, now: float) -> bool:
        since = self._since(user, at)
        return now - since > self.max_wait and any(
            before > since for other, (_last, before) in self._served.items() if other != user
        )

    def _may_be_early(self, request: Request, passed: Request) -> bool:
        later = self._since(request.user, request.at) - self._since(passed.user, passed.at)
        return request.units > 1 and passed.units == 1 and later <= self.max_wait

    def _overdue(self, now: float) -> Iterable[tuple[int, Request]]:
        """Yield the oldest request of each user that is overdue."""
        for user, waiting in self._waiting.items():
            for number, request in list(waiting.items())[:1]:
                if self._is_overdue(user, request.at, now):
                    yield number, request

    def _place(self, number: int, at: float, user: str, now: float) -> tuple[float, float, int]:
        """Return what sorts those who are overdue; who is not comes behind them all."""
        if not self._is_overdue(user, at, now):
            return (NEVER, at, number)
        return (self._since(user, at), at, number)
