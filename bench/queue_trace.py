"""The classroom of bench/queue: who asks for what and when. Everything that is chosen is here."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

#: Beside the project's folder; shared/traces/README.md says where it comes from.
TRACE = Path(__file__).resolve().parents[2] / "shared" / "traces" / "philly_runtime.csv"
SEED, REQUESTS, CAP = 20261124, 10_000, 4 * 3600.0
DAY, NINE = 86_400.0, 9 * 3600.0
#: Share of the requests that come at nine o'clock, within so many seconds.
BURST, BURST_SECONDS = 0.6, 600.0
#: Asked for by all together, for what the units could do in the same time. So much that even those
#: of the heavy who ask for less ask for a third more than their share: they stay backlogged.
LOAD = 1.5
#: Classes: weight, students who ask for little, and those who ask for much. Per head all alike.
CLASSES = {"course-a": (1.0, 40, 4), "course-b": (2.0, 80, 8)}
#: How much more often those ask; every second one twice that.
HEAVY = 15.0
#: Share of requests for two units.
PAIRS = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    at: float
    user: str
    group: str
    units: int
    seconds: float


def weights() -> dict[str, float]:
    return {group: weight for group, (weight, _light, _heavy) in CLASSES.items()}


def heavy(user: str) -> bool:
    return "-heavy-" in user


def durations(path: Path = TRACE) -> list[float]:
    """Return the runtimes in seconds, capped. Raises ``FileNotFoundError`` without a trace."""
    if not path.exists():
        raise FileNotFoundError(f"There is no {path.name} at ../shared/traces: put it there.")
    with path.open() as lines:
        found = [min(CAP, float(row["runtime"])) for row in csv.DictReader(lines)]
    # A notebook that is opened and closed at once still holds a GPU for a minute.
    return [max(60.0, seconds) for seconds in found]


def classroom(units: int, path: Path = TRACE) -> list[Request]:
    """Return the requests by time: the same for the same number of units."""
    chance = random.Random(SEED + units)
    lengths = durations(path)
    people: list[tuple[str, str]] = []
    shares: list[float] = []
    for group, (_weight, light, many) in CLASSES.items():
        people += [(f"{group}-light-{n}", group) for n in range(light)]
        shares += [1.0] * light
        people += [(f"{group}-heavy-{n}", group) for n in range(many)]
        shares += [HEAVY * (1 + n % 2) for n in range(many)]
    asked = [
        (who, 2 if chance.random() < PAIRS else 1, chance.choice(lengths))
        for who in chance.choices(people, shares, k=REQUESTS)
    ]
    work = sum(count * seconds for _who, count, seconds in asked)
    days = max(1, round(work / (LOAD * units * DAY)))
    made = []
    for (user, group), count, seconds in asked:
        day = chance.randrange(days) * DAY
        nine = chance.random() < BURST
        at = NINE + chance.random() * BURST_SECONDS if nine else chance.random() * DAY
        made.append(Request(day + at, user, group, count, seconds))
    return sorted(made, key=lambda request: request.at)
