"""The queue in a simulated classroom: waits, fairness, utilisation, and how fast it decides."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import harness
from bench.queue_policies import OTHERS, Ordered, Ours, Packed
from bench.queue_trace import Request, classroom, heavy, weights
from bench.queue_waits import Waits
from room.gpus.events import Policy, Released, Submitted, Surveyed, Ticket
from room.gpus.queue import step
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import GPUUnit, Owner

NAME = "queue"
SIZES = (4, 8, 64)
HOUR = 3600.0
HALF_LIVES = (6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, None)
MAX_WAITS = (HOUR, 4 * HOUR, 24 * HOUR, float("inf"))
#: Units and tickets of the largest room whose decisions are timed.
LARGEST = (1_000, 5_000)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one order did: seconds waited, shares, and seconds of the whole spent deciding."""

    waits: Mapping[int, float]
    jain: float
    backlogged: float
    utilisation: float
    deciding: float
    events: int

    def p(self, share: float, numbers: Sequence[int]) -> float:
        ordered = sorted(self.waits[number] for number in numbers)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Bounds(NamedTuple):
    """Utilisations: ``split`` no order can exceed; ``packed`` the best order here reached."""

    split: float
    packed: float


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index: 1 when all have the same, 1/n when one has all."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def bound(requests: Sequence[Request], units: int) -> float:
    """Return the utilisation until the last arrival that no order can exceed.

    It is what one pool of units reaches that splits all work at will.
    """
    end = requests[-1].at
    left = done = last = 0.0
    for request in requests:
        worked = min(left, units * (request.at - last))
        left, done, last = (
            left - worked + request.units * request.seconds,
            done + worked,
            request.at,
        )
    return done / (units * (end - requests[0].at))


def play(
    requests: Sequence[Request],
    units: int,
    queue: Ours | Ordered | Packed,
    watch: Waits | None = None,
) -> Outcome:
    """Let everyone come, run and go; ``watch`` is told of it."""
    end, begin = requests[-1].at, requests[0].at
    cohort = sorted({r.user for r in requests if heavy(r.user)})
    waiting, held = dict.fromkeys(cohort, 0), dict.fromkeys(cohort, 0)
    share, waits = dict.fromkeys(cohort, 0.0), dict[int, float]()
    ends: list[tuple[float, int]] = []
    now = backlogged = busy = deciding = 0.0
    coming, events = 0, 0
    running = 0
    while coming < len(requests) or ends:
        arrives = coming < len(requests) and (not ends or requests[coming].at <= ends[0][0])
        at = requests[coming].at if arrives else ends[0][0]
        if all(waiting.values()):
            backlogged += at - now
            for user in cohort:
                share[user] += held[user] * (at - now)
        busy += running * max(0.0, min(at, end) - max(now, begin))
        now, events = at, events + 1
        if arrives:
            request = requests[coming]
            if request.user in waiting:
                waiting[request.user] += 1
            if watch is not None:
                watch.asked(coming, request)
            started = time.perf_counter()
            granted = queue.ask(coming, request)
            coming += 1
        else:
            number = heapq.heappop(ends)[1]
            request = requests[number]
            running -= request.units
            if request.user in held:
                held[request.user] -= request.units
            started = time.perf_counter()
            granted = queue.end(number, at)
        deciding += time.perf_counter() - started
        for number in granted:
            request = requests[number]
            if watch is not None:
                watch.granted(number, request, now)
            waits[number] = now - request.at
            running += request.units
            heapq.heappush(ends, (now + request.seconds, number))
            if request.user in waiting:
                waiting[request.user] -= 1
                held[request.user] += request.units
    # Every head is entitled to the same: a class's weight grows with its members.
    fairness = jain(list(share.values()))
    return Outcome(waits, fairness, backlogged, busy / (units * (end - begin)), deciding, events)


def measure(say: Callable[[str], None]) -> list[harness.Result]:
    machine = harness.machine()
    rows: list[harness.Result] = []
    for units in SIZES:
        requests = classroom(units)
        light = [n for n, request in enumerate(requests) if not heavy(request.user)]
        say(f"{units} units: {len(requests)} requests")
        watch = Waits(Policy().max_wait)
        ours = play(requests, units, Ours(units), watch)
        others = {kind: play(requests, units, Ordered(units, kind)) for kind in OTHERS}
        whole = play(requests, units, Packed(units))
        # What gives whole units to whole requests, and the most that any of those here did.
        packed = max(each.utilisation for each in (whole, ours, *others.values()))
        bounds = Bounds(bound(requests, units), packed)
        pairs = [n for n, request in enumerate(requests) if request.units == 2]
        rows += _rows(units, ours, others, light, pairs, bounds, machine)
        rows += _long_waits(units, ours, watch, machine)
        if units == SIZES[0]:
            _frontier(requests, units, others, light, say)
    rows.append(_decision_time(machine, say))
    return rows


def _rows(
    units: int,
    ours: Outcome,
    others: Mapping[str, Outcome],
    light: Sequence[int],
    pairs: Sequence[int],
    most: Bounds,
    machine: Mapping[str, object],
) -> list[harness.Result]:
    everyone = sorted(ours.waits)
    every = {"ours": ours, **others}

    def row(
        name: str, unit: str, of: Callable[[Outcome], float], target: float | None = None
    ) -> harness.Result:
        figures = {who: [of(outcome)] for who, outcome in every.items()}
        figures["peer"] = figures["fifo"]
        return harness.summarize(f"{units} units: {name}", unit, figures, machine, target=target)

    fifth = others["fifo"].p(0.95, light) / 5
    return [
        row("1 - Jain's index of the backlogged", "", lambda o: 1 - o.jain, 0.02),
        row("hours in which all of them were backlogged", "h", lambda o: o.backlogged / HOUR),
        row(
            "utilisation lost of all work split", "", lambda o: 1 - o.utilisation / most.split, 0.01
        ),
        row(
            "utilisation lost of work conserved",
            "",
            lambda o: 1 - o.utilisation / most.packed,
            0.01,
        ),
        row("p95 wait of who uses little", "s", lambda o: o.p(0.95, light), fifth),
        row("p50 wait", "s", lambda o: o.p(0.5, everyone)),
        row("p95 wait", "s", lambda o: o.p(0.95, everyone)),
        row("longest wait", "s", lambda o: o.p(1.0, everyone)),
        row("p50 wait for two units", "s", lambda o: o.p(0.5, pairs)),
        row("p95 wait for two units", "s", lambda o: o.p(0.95, pairs)),
        harness.summarize(
            f"{units} units: microseconds a decision",
            "us",
            {"ours": [ours.deciding / ours.events * 1e6]},
            machine,
            target=50.0,
        ),
    ]


def _long_waits(
    units: int, ours: Outcome, watch: Waits, machine: Mapping[str, object]
) -> list[harness.Result]:
    long = sum(wait > watch.max_wait for wait in ours.waits.values())
    hours = f"{watch.max_wait / HOUR:.0f} h"
    return [
        harness.summarize(f"{units} units: {name}", "", {"ours": [float(count)]}, machine, **more)
        for name, count, more in (
            (f"waits above {hours}", long, {}),
            (f"of them not by the rule of {hours}", len(watch.unexplained), {"target": 0.0}),
        )
    ]


def _frontier(
    requests: Sequence[Request],
    units: int,
    others: Mapping[str, Outcome],
    light: Sequence[int],
    say: Callable[[str], None],
) -> None:
    """Plot the wait of who uses little against fairness, for every half-life and max_wait."""
    points = [(kind, o.jain, o.p(0.95, light) / HOUR) for kind, o in others.items()]
    for half_life in HALF_LIVES:
        for max_wait in MAX_WAITS:
            policy = Policy(half_life, max_wait, weights())
            found = play(requests, units, Ours(units, policy))
            decay = "no decay" if half_life is None else f"{half_life / HOUR:.0f} h"
            name = f"{decay} / {max_wait / HOUR:.0f} h"
            points.append((name, found.jain, found.p(0.95, light) / HOUR))
            say(f"half-life / max_wait {name}: Jain {found.jain:.3f}, {points[-1][2]:.2f} h")
    title = f"{units} units: half-life / max_wait"
    words = (title, "Jain's index of the backlogged", "p95 wait of who uses little, h")
    plot(harness.RESULTS / "queue_frontier.svg", words, points)


def _decision_time(machine: Mapping[str, object], say: Callable[[str], None]) -> harness.Result:
    """Time decisions in rooms up to the largest; the worst counts."""
    points: list[tuple[str, float, float]] = []
    worst: list[float] = []
    for part in (0.1, 0.25, 0.5, 1.0):
        units, tickets = (int(part * most) for most in LARGEST)
        times = _times(units, tickets)
        worst = times[-20:]
        points.append((f"{units} units, {tickets} tickets", tickets, times[-1] * 1e3))
        say(
            f"{units} units, {tickets} tickets: {times[len(times) // 2] * 1e6:.0f} us, worst "
            f"{times[-1] * 1e3:.2f} ms"
        )
    words = ("Longest of 2,000 decisions", "tickets that wait", "ms")
    plot(harness.RESULTS / "queue_decision.svg", words, points)
    name = "{:,} units, {:,} tickets: longest decision".format(*LARGEST)
    figures = {"ours": [seconds * 1e3 for seconds in worst]}
    return harness.summarize(name, "ms", figures, machine, target=10.0, of=max)


def _times(units: int, tickets: int) -> list[float]:
    """Return the seconds of 2,000 decisions in a full room, sorted."""
    chance = random.Random(units)
    state = State(Policy(weights=weights()))
    cards = (GPUUnit(f"G{n}", n % 8, "GPU", 16_384, host=f"h{n // 8}") for n in range(units))
    step(state, Surveyed(0.0, tuple(cards)))
    number, now, found = 0, 0.0, []

    def ask() -> Submitted:
        nonlocal number, now
        number, now = number + 1, now + chance.random()
        owner = Owner(f"u{chance.randrange(2 * units)}", str(number))
        wants, group = GPURequest(chance.choice((1, 1, 1, 2))), chance.choice(tuple(weights()))
        return Submitted(now, Ticket(str(number), owner, wants, now, number, group, 4 * HOUR))

    while len(state.tickets) < tickets:
        step(state, ask())
    for _ in range(1_000):
        for event in (Released(now, chance.choice(tuple(state.leases))), ask()):
            started = time.perf_counter()
            step(state, event)
            found.append(time.perf_counter() - started)
    return sorted(found)


def plot(path: Path, words: Sequence[str], points: Sequence[tuple[str, float, float]]) -> None:
    """Draw named points as SVG; ``words``: title, name of x and of y."""
    title, across, up = words
    left, right = min(x for _n, x, _y in points), max(x for _n, x, _y in points)
    top = max(y for _n, _x, y in points) or 1.0
    wide = (right - left) or 1.0
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 500" font-family="sans-serif" '
        'font-size="10"><rect width="800" height="500" fill="white"/>',
        f'<text x="60" y="24" font-size="15">{title}</text>',
        f'<text x="60" y="490">{across}: {left:.3g} to {right:.3g}</text>',
        f'<text x="60" y="42">{up}: 0 to {top:.3g}</text>',
        '<path d="M60 50V460H780" fill="none" stroke="black"/>',
    ]
    for name, x, y in points:
        at_x, at_y = 70 + 600 * (x - left) / wide, 460 - 400 * y / top
        lines.append(f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="3"/>')
        lines.append(f'<text x="{at_x + 5:.1f}" y="{at_y - 3:.1f}">{name}</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "</svg>", ""]))
