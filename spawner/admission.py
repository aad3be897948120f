"""Boots take turns: the gate before a container is made, and the settings of it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jupyterhub.traitlets import ByteSpecification
from traitlets import HasTraits, Integer

from room import admission
from room.admission import Line, Memory, Place, Rules
from room.models import Owner, Reject
from spawner import stages

#: Seconds between two looks at the host's memory while somebody waits for it.
LOOK_EVERY = 1.0
MEMINFO = Path("/proc/meminfo")


class AdmissionTraits(HasTraits):
    """How many servers boot at once."""

    boot_slots = Integer(
        0,
        min=0,
        config=True,
        help="""Servers that boot at the same time; the others wait for their turn. 0: by the cores.

        One more than the host has cores: more than that makes nobody ready sooner, and
        everybody as late as the last.

        .. versionadded:: 0.1
        """,
    )

    memory_reserve = ByteSpecification(
        1024**3,
        config=True,
        help="""Memory that the host keeps for itself. A server that would need it waits.

        .. versionadded:: 0.1
        """,
    )

    memory_headroom = ByteSpecification(
        512 * 1024**2,
        config=True,
        help="""Memory that has to be available on the host for each server that boots.

        What a server takes soon, and not its limit.

        .. versionadded:: 0.1
        """,
    )

    def admission_rules(self) -> Rules:
        return Rules(
            self.boot_slots or admission.slots(os.cpu_count() or 1),
            self.memory_reserve,
            self.memory_headroom,
        )


def host_memory() -> Memory:
    """Return the memory of the host, which no container has for itself.

    Raises ``OSError`` and ``ValueError`` when nobody can tell.
    """
    return admission.memory(MEMINFO.read_text())


@dataclass(slots=True)
class _Turn:
    """``granted`` once the boot may begin, ``over`` once it is over or not waited for any more."""

    tell: Callable[[Place], None]
    granted: asyncio.Future[None]
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Gate:
    """One of these per hub process, on the hub's loop."""

    def __init__(
        self,
        rules: Rules,
        memory: Callable[[], Memory] = host_memory,
        *,
        log: logging.Logger,
    ) -> None:
        self._line = Line(rules)
        self._memory = memory
        self._log = log
        #: Whether memory could be read the last time: that it cannot is logged once.
        self._readable = True
        self._turns: dict[Owner, _Turn] = {}
        self._again: asyncio.TimerHandle | None = None

    def never(self) -> Reject | None:
        """Say why no server can boot on this host, however long it waits; None when one can."""
        rules, memory = self._line.rules, self._read()
        if memory is None or not rules.never(memory.total):
            return None
        return stages.host_too_small(rules.reserve, rules.headroom, memory.total)

    @asynccontextmanager
    async def turn(
        self, owner: Owner, groups: Iterable[str], tell: Callable[[Place], None]
    ) -> AsyncIterator[None]:
        """Wait for a boot's turn, and hold it. ``tell`` is called with each new place.

        A server has one turn at a time: a second one waits until the first is over.
        """
        while (before := self._turns.get(owner)) is not None:
            await before.over.wait()
        turn = _Turn(tell, asyncio.get_running_loop().create_future())
        self._turns[owner] = turn
        self._line.ask(owner, groups)
        try:
            self._look()
            await turn.granted
            yield
        finally:
            del self._turns[owner]
            turn.over.set()
            self._line.leave(owner)
            self._look()

    def _read(self) -> Memory | None:
        """Return the host's memory; None when nobody can tell, which fails no start."""
        try:
            memory = self._memory()
        except (OSError, ValueError) as error:
            if self._readable:
                self._log.warning(
                    "Cannot tell the host's memory, so starts do not wait for it: %s", error
                )
            self._readable = False
            return None
        self._readable = True
        return memory

    def _look(self) -> None:
        """Let boot who may, and tell the others where they are."""
        memory = self._read()
        available = None if memory is None else memory.available
        for owner in self._line.admit(available):
            granted = self._turns[owner].granted
            if not granted.done():  # else it is being cancelled, and leaves in a moment
                granted.set_result(None)
        places = self._line.places(available)
        for owner, place in places.items():
            self._turns[owner].tell(place)
        if self._again is not None:
            self._again.cancel()
        lacking = any(place.lacking for place in places.values())
        # The end of a boot is told; memory that comes free has to be looked for.
        loop = asyncio.get_running_loop()
        self._again = loop.call_later(LOOK_EVERY, self._look) if lacking else None
