"""The plans of the room that the settings describe."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from room.plans.book import Plans
from room.plans.keys import KEYS
from room.plans.model import Limit, Subject
from room.settings import Settings
from room.settings.plans import limits_of
from room.store.store import Store


def open_plans(store: Store, settings: Settings) -> Plans:
    """Return the room's plans: what room.yaml says, and what was set while it ran."""
    zone = ZoneInfo(settings.timezone)
    # Of several entries the last counts: what a plan says, and not the queue's own list.
    written = (*shares(settings), *limits_of(settings.plans, zone))
    return Plans(store, written, defaults(settings), zone)


def shares(settings: Settings) -> tuple[Limit, ...]:
    """Return the classes' shares that ``gpus.queue.weights`` says, as limits like any other."""
    return tuple(
        Limit(Subject("class", name), KEYS["priority"], weight, written=True, by="room.yaml")
        for name, weight in settings.gpus.queue.weights.items()
    )


def defaults(settings: Settings) -> dict[str, Any]:
    """Return what every server gets where no plan says anything."""
    limits = settings.limits
    found: dict[str, Any] = {
        "cpu": limits.cpu,
        "memory": limits.memory,
        "shm": limits.shm,
        "pids": limits.pids,
    }
    if limits.session:
        found["session"] = limits.session
    return found
