"""What the console shows: what the running room knows now, and what only root could see before.

Each rule speaks once: of the newest facts that there are for it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from room.doctor import GROUPS, Rule, disk, engine, gpu, machine, running
from room.doctor.facts import Data, Facts
from room.doctor.finding import Finding, Level
from room.doctor.live import Live
from room.doctor.report import Report
from room.settings import Settings

Found = Mapping[str, tuple[Finding, ...]]

#: The group of the running room itself.
ROOM = "Room"
#: Rules whose facts the hub alone has; with an agent that tells of the homes' disk; and with one
#: that sees cards.
_HUB: tuple[Rule, ...] = (machine.memory, machine.profiles, machine.cores, engine.answers)
_AGENT: tuple[Rule, ...] = (disk.data_root,)
_CARDS: tuple[Rule, ...] = (gpu.driver, gpu.driver_age, gpu.architecture, gpu.profiles)
#: Rules on two disks: that of the homes, which the agent sees, and the images'.
_HALF: tuple[Rule, ...] = (disk.space, disk.inodes)


@dataclass(frozen=True, slots=True)
class Checkup:
    """Findings by group. ``before``: of ``room doctor``'s last look, empty when there is none."""

    at: float
    now: Found
    before: Found
    #: When that look was, in seconds since 1970, and which command took it.
    looked_at: float | None = None
    by: str = ""

    def count(self, level: Level) -> int:
        """Return how many findings of a level there are in all."""
        parts = (findings for part in (self.now, self.before) for findings in part.values())
        return sum(each.level == level for findings in parts for each in findings)


def checkup(live: Live, report: Report | None, settings: Settings) -> Checkup:
    """Apply every rule to what is known."""
    facts, fresh = _facts(live), _fresh(live)
    room = (
        *running.agent(live),
        *running.comparison(live),
        *running.marks(live),
        *running.health(live, settings),
        *running.use(live),
        *running.unseen(live, report),
    )
    halved = facts.data.data is not None
    now = _apply(
        settings, lambda rule: facts if rule in fresh or (halved and rule in _HALF) else None
    )
    if report is None:
        return Checkup(live.at, {ROOM: room, **now}, {})
    old = replace(report.facts, machine=replace(report.facts.machine, now=live.at))
    images = replace(old, data=replace(old.data, data=None))

    def of(rule: Rule) -> Facts | None:
        if rule in fresh or (rule is gpu.health and live.host is not None):
            return None
        return images if halved and rule in _HALF else old

    return Checkup(live.at, {ROOM: room, **now}, _apply(settings, of), report.at, report.by)


def _fresh(live: Live) -> tuple[Rule, ...]:
    if live.host is None:
        return _HUB
    with_disk = (*_HUB, *_AGENT) if live.host.data is not None else _HUB
    return (*with_disk, *_CARDS) if live.host.sees_gpus else with_disk


def _facts(live: Live) -> Facts:
    host = live.host
    if host is None:
        return Facts(engine=live.engine, machine=live.machine)
    # The agent runs, so the data root is made.
    data = Data(ready=True, data=host.data)
    return Facts(engine=live.engine, gpus=host.gpus, machine=live.machine, data=data)


def _apply(settings: Settings, facts_for: Callable[[Rule], Facts | None]) -> Found:
    """Return what each rule says, by group; a rule without facts says nothing."""
    found = {
        name: tuple(
            finding
            for rule in rules
            if (facts := facts_for(rule)) is not None
            for finding in rule(facts, settings)
        )
        for name, rules in GROUPS.items()
    }
    return {name: findings for name, findings in found.items() if findings}
