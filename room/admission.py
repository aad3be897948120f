"""Who may boot next: as many at once as the host serves best, and none it has no memory for. Pure.

Those who wait take turns by class, so that a small class is not behind all of a large one: the
class with the fewest turns goes first, and one that comes later begins with as many as the others
have had. Within a class, and between classes that are equal, who came first goes first. Who is in
several classes boots in the name of the one whose turn comes first, as in the queue for GPUs it is
the class that had the least. A boot counts until its server answers.

A boot needs ``headroom`` bytes of memory that the host has available beyond its ``reserve``,
whatever the server's own limit: the limit is the most that it may ever take, and most take little
of it. Boots under way have not taken theirs yet, and count with it. Where nobody can tell how much
is available, slots alone decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from room.models import Owner


@dataclass(frozen=True, slots=True)
class Rules:
    """``slots`` boots at once; ``reserve`` and ``headroom`` in bytes."""

    slots: int
    reserve: int
    headroom: int

    def never(self, total: int) -> bool:
        """Say whether no boot fits on a host with ``total`` bytes, however long it waits."""
        return self.reserve + self.headroom > total


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a host has, and of them those that new programs can have."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Place:
    """``position`` counts from 1. ``lacking``: bytes of memory that the host has too few."""

    position: int
    of: int
    lacking: int = 0


@dataclass(frozen=True, slots=True)
class Boot:
    owner: Owner
    group: str
    number: int


@dataclass(slots=True)
class Line:
    """Boots that wait, and those under way."""

    rules: Rules
    waiting: dict[Owner, Boot] = field(default_factory=dict)
    booting: dict[Owner, Boot] = field(default_factory=dict)
    #: Turns that each class had while it waits or boots.
    _turns: dict[str, int] = field(default_factory=dict)
    _number: int = 0

    def ask(self, owner: Owner, groups: Iterable[str]) -> None:
        """Let somebody of these classes wait for a boot; who waits or boots does already."""
        if owner not in self.waiting and owner not in self.booting:
            self._number += 1
            active = {boot.group for boot in (*self.waiting.values(), *self.booting.values())}
            least = min((self._turns[each] for each in active), default=0)
            self._turns = {each: self._turns[each] for each in active}
            order = sorted(groups)
            group = min(order, key=lambda each: self._stands_at(each, least), default="")
            self._turns.setdefault(group, least)
            self.waiting[owner] = Boot(owner, group, self._number)

    def _stands_at(self, group: str, least: int) -> int:
        """Return the turns that a class has had once all who wait in it have booted."""
        waiting = sum(boot.group == group for boot in self.waiting.values())
        return self._turns.get(group, least) + waiting

    def leave(self, owner: Owner) -> None:
        """The boot is over, or is not waited for any more."""
        self.waiting.pop(owner, None)
        self.booting.pop(owner, None)

    def admit(self, available: int | None) -> list[Owner]:
        """Return who boots from now on, the host having ``available`` bytes of memory.

        ``None``, here and below: nobody can tell.
        """
        admitted = []
        for boot in self.order():
            if len(self.booting) >= self.rules.slots or self.lacking(available):
                break
            del self.waiting[boot.owner]
            self.booting[boot.owner] = boot
            self._turns[boot.group] += 1
            admitted.append(boot.owner)
        return admitted

    def lacking(self, available: int | None) -> int:
        """Return how many bytes the host has too few for one more boot."""
        if available is None:
            return 0
        needed = self.rules.reserve + (len(self.booting) + 1) * self.rules.headroom
        return max(0, needed - available)

    def order(self) -> list[Boot]:
        """Return who waits, in the order in which they will boot."""
        turns, found = dict(self._turns), []
        for boot in sorted(self.waiting.values(), key=lambda boot: boot.number):
            turns[boot.group] += 1
            found.append((turns[boot.group], boot.number, boot))
        return [boot for _turn, _number, boot in sorted(found, key=lambda each: each[:2])]

    def places(self, available: int | None) -> dict[Owner, Place]:
        """Return the place of everyone who waits."""
        order = self.order()
        full = len(self.booting) >= self.rules.slots
        lacking = 0 if full else self.lacking(available)
        return {
            boot.owner: Place(number, len(order), lacking) for number, boot in enumerate(order, 1)
        }


def slots(cores: int) -> int:
    """Return how many servers boot at once on a host with so many cores.

    A boot is work for one core, with waits for the engine and the disk between: with one more
    than there are cores these are filled, and with many more everybody is as late as the last.
    """
    return cores + 1


def memory(meminfo: str) -> Memory:
    """Return the memory of a host, as its /proc/meminfo tells it.

    Raises ``ValueError`` when it does not.
    """
    found = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found[name] = int(rest.removesuffix("kB")) * 1024
    if len(found) < 2:
        raise ValueError("/proc/meminfo tells no MemTotal and MemAvailable")
    return Memory(found["MemTotal"], found["MemAvailable"])
