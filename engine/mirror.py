"""Which containers run, as the engine's list and its events say: known without asking. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Seconds that an event may be under way. One that took longer says that others may be, too.
LAG = 2.0


@dataclass(frozen=True, slots=True)
class Event:
    """One of the engine's events on a container. ``at`` in seconds since the epoch."""

    container: str
    action: str
    at: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    labels: Mapping[str, str]
    running: bool
    at: float = 0.0
    #: When its start was told of, in seconds since the epoch; 0: it was not.
    started: float = 0.0
    #: Somebody ended it through the engine, or the engine says that its memory ran out.
    explained: bool = False


class Mirror:
    """Containers by id. It is ``fresh`` while nothing can have happened that it was not told.

    A stream that broke, or that brings events late, makes it stale until a list was read that
    was asked for afterwards. An event that is told twice, or after a later one, is passed over.
    """

    def __init__(self) -> None:
        self.fresh = False
        self._seen: dict[str, _Seen] = {}
        #: Of each list that is being read: what events told meanwhile, which is never older.
        self._reading: list[set[str]] = []

    def running(self, container: str, labels: Mapping[str, str]) -> bool | None:
        """Say whether a container with these labels runs; None: the engine has to be asked."""
        seen = self._seen.get(container)
        if not self.fresh or seen is None:
            return None
        mine = all(seen.labels.get(key) == value for key, value in labels.items())
        return seen.running if mine else None

    def labels(self, container: str) -> Mapping[str, str]:
        """Return the labels of a container that was told of; of any other, none."""
        seen = self._seen.get(container)
        return {} if seen is None else seen.labels

    def started(self, container: str) -> float | None:
        """Return when a container's start was told of, in seconds since the epoch."""
        seen = self._seen.get(container)
        return (seen.started or None) if seen is not None else None

    def explained(self, container: str) -> bool:
        """Say whether an event has told why the container ended."""
        seen = self._seen.get(container)
        return seen is not None and seen.explained

    def broke(self) -> None:
        """The stream ended: what happens from now on is not told."""
        self.fresh = False

    def tell(self, event: Event, now: float) -> bool:
        """Take an event. False when it came so late that the others have to be asked for."""
        late = now - event.at > LAG
        self.fresh = self.fresh and not late
        seen = self._seen.setdefault(event.container, _Seen(event.labels, running=False))
        if event.at > seen.at:
            seen.at = event.at
            self._take(seen, event)
            for told in self._reading:
                told.add(event.container)
        return not late

    def _take(self, seen: _Seen, event: Event) -> None:
        if event.action == "start":
            seen.running, seen.started, seen.explained = True, event.at, False
        elif event.action == "die":
            seen.running = False
        elif event.action in ("kill", "oom"):
            seen.explained = True
        elif event.action == "destroy":
            seen.running = False

    def begin(self) -> set[str]:
        """A list is asked for; hand what this returns to ``listed`` or ``failed``."""
        told: set[str] = set()
        self._reading.append(told)
        return told

    def failed(self, told: set[str]) -> None:
        """The list did not come."""
        self._drop(told)

    def listed(self, told: set[str], entries: Iterable[Mapping[str, Any]]) -> list[str]:
        """Take the list; return the containers of which it says something that no event did."""
        self._drop(told)
        there = {entry["Id"]: entry for entry in entries}
        missed = []
        for container in {*self._seen, *there} - told:
            entry = there.get(container)
            running = entry is not None and entry.get("State") == "running"
            seen = self._seen.get(container)
            if running != (seen is not None and seen.running):
                missed.append(container)
            if entry is None:
                del self._seen[container]
            elif seen is None:
                self._seen[container] = _Seen(entry.get("Labels") or {}, running)
            else:
                seen.running = running
        self.fresh = True
        return sorted(missed)

    def _drop(self, told: set[str]) -> None:
        self._reading = [each for each in self._reading if each is not told]
