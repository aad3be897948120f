"""How many wrong login attempts a network and a name get: token buckets, failures only. Pure.

Who brings a right token passes always, also from an address or for a name that
is over its budget. That opens no door: a token's secret has 200 bits, so that
even a million guesses a second for a century find one with a chance below
1 in 10^44. The budget is there to keep guesses cheap and the log readable, and
a budget that shut out the owner would only be a way to lock people out.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """``burst`` failures at once, and one more every ``every`` seconds."""

    burst: int
    every: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left of a budget (0 to ``burst``) at a time in seconds."""

    level: float
    at: float


#: A class behind one school address may mistype a link each; a name is one person.
ADDRESS = Budget(burst=60, every=5.0)
NAME = Budget(burst=10, every=30.0)


def refilled(bucket: Bucket | None, budget: Budget, now: float) -> Bucket:
    """Return the bucket as it is at ``now``; a clock that steps back refills nothing."""
    if bucket is None:
        return Bucket(float(budget.burst), now)
    gained = max(0.0, now - bucket.at) / budget.every
    return Bucket(min(float(budget.burst), bucket.level + gained), max(now, bucket.at))


def seconds_to_wait(bucket: Bucket, budget: Budget) -> int:
    """Return in how many whole seconds one more failure is within the budget; 0 for now."""
    missing = 1.0 - bucket.level
    return max(0, math.ceil(missing * budget.every)) if missing > 1e-9 else 0


class Limiter:
    """The buckets of one kind of key. Remembers at most ``max_keys``, those that failed last.

    A key that is forgotten starts anew: whoever owns that many addresses gets
    more guesses, never a likelier one.
    """

    def __init__(self, budget: Budget, max_keys: int = 10_000) -> None:
        self.budget = budget
        self.max_keys = max_keys
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def fail(self, key: str, now: float) -> int:
        """Count a failure. Return 0 when it was within the budget, else the seconds to wait.

        A failure over the budget costs nothing more: waiting always ends.
        """
        bucket = refilled(self._buckets.pop(key, None), self.budget, now)
        wait = seconds_to_wait(bucket, self.budget)
        if wait == 0:
            bucket = Bucket(bucket.level - 1.0, bucket.at)
        self._buckets[key] = bucket
        while len(self._buckets) > self.max_keys:
            self._buckets.popitem(last=False)
        return wait


def network_key(address: str) -> str:
    """Return what counts as one network: an IPv4 address, or the /64 that an IPv6 host owns."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address a request really comes from.

    ``peer`` is the other end of the connection. What it says about others in
    ``X-Forwarded-For`` counts only when it is one of our own proxies; each proxy
    appends whom it saw, so the list is read from its end, and the first address
    that is not ours is the client. Whatever stands before it anyone could write.
    """
    seen = peer
    for candidate in reversed(forwarded_for.split(",")):
        if not _is_in(seen, trusted):
            return seen
        text = candidate.strip()
        if not _valid(text):
            return seen
        seen = text
    return seen


def _valid(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: Iterable[Network]) -> bool:
    if not _valid(address):
        return False
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
