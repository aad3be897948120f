"""Boots take turns: the gate before a container is made, and the settings of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from jupyterhub.traitlets import ByteSpecification
from traitlets import HasTraits, Integer

from room import admission
from room.admission import Line, Place, Rules
from room.models import Owner

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


def host_memory() -> int:
    """Return the bytes of memory that the host has available: no container has its own."""
    return admission.available(MEMINFO.read_text())


class Gate:
    """One of these per hub process, on the hub's loop."""

    def __init__(self, rules: Rules, memory: Callable[[], int] = host_memory) -> None:
        self._line = Line(rules)
        self._memory = memory
        self._turns: dict[Owner, tuple[asyncio.Future[None], Callable[[Place], None]]] = {}
        self._again: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(
        self, owner: Owner, group: str, tell: Callable[[Place], None]
    ) -> AsyncIterator[None]:
        """Wait for a boot's turn, and hold it. ``tell`` is called with each new place."""
        turn = asyncio.get_running_loop().create_future()
        self._turns[owner] = (turn, tell)
        self._line.ask(owner, group)
        try:
            self._look()
            await turn
            yield
        finally:
            del self._turns[owner]
            self._line.leave(owner)
            self._look()

    def _look(self) -> None:
        """Let boot who may, and tell the others where they are."""
        memory = self._memory()
        for owner in self._line.admit(memory):
            turn, _tell = self._turns[owner]
            if not turn.done():  # else it is being cancelled, and leaves in a moment
                turn.set_result(None)
        places = self._line.places(memory)
        for owner, place in places.items():
            self._turns[owner][1](place)
        if self._again is not None:
            self._again.cancel()
        lacking = any(place.lacking for place in places.values())
        # The end of a boot is told; memory that comes free has to be looked for.
        loop = asyncio.get_running_loop()
        self._again = loop.call_later(LOOK_EVERY, self._look) if lacking else None
