"""The inventory, as the hub knows it: the agent's newest answer, and its silence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from pathlib import Path

from room.gpus import inventory as inventories
from room.models import Inventory
from spawner.agent import AgentSilentError

#: Seconds between two questions: as often as the agent looks.
EVERY = 2.0
#: Seconds without a good answer after which nothing new is granted. Longer than the agent takes to
#: be started anew by `room up` (about 10), and shorter than a start with a lost card wastes.
SILENCE = 15.0


def _now() -> datetime:
    return datetime.now(timezone.utc)


class InventoryFeed:
    """Asks the agent again and again, and calls ``on_inventory`` with each change.

    ``memory`` is a file with the last good answer: until the first one after a restart its units
    are unknown, and not gone. ``revive`` starts an agent that is silent: an engine does not try
    again what failed to start at boot, as a container does whose GPUs were not described yet.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Inventory]],
        on_inventory: Callable[[Inventory], Awaitable[object]],
        log: logging.Logger,
        *,
        memory: Path | None = None,
        revive: Callable[[], Awaitable[object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._ask = ask
        self._on_inventory = on_inventory
        self._log = log
        self._memory = memory
        self._revive = revive
        self._revived_at = clock()
        self._clock = clock
        self._now = now
        self._told: Inventory | None = None
        self._good = Inventory()
        self._heard_at: tuple[float, datetime] | None = None
        self._silent = False
        self._task: asyncio.Task[None] | None = None
        if memory is not None and memory.exists():
            self._remember(memory)

    def _remember(self, memory: Path) -> None:
        try:
            self._good = inventories.loads(memory.read_text())
        except (OSError, ValueError) as error:
            self._log.warning("The inventory in %s cannot be read: %s", memory, error)

    @property
    def latest(self) -> Inventory:
        """Return what was told last; what is remembered, as unknown, before anything was."""
        if self._told is not None:
            return self._told
        return inventories.unknown(self._good, "the agent has not answered yet")

    def start(self) -> None:
        """Ask from now on, for as long as the loop runs. Once is enough."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except Exception:  # noqa: BLE001 - it is logged; the next answer may be taken
                # Whoever is told may be unable to take it, as when a database is locked.
                self._log.exception("An inventory was not taken; it is told again")
            await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Ask once, and tell what changed by it."""
        try:
            found = await self._ask()
        except AgentSilentError as error:
            await self._miss(error)
            return
        if self._silent:
            self._log.info("The agent answers again")
        self._silent = False
        self._heard_at = self._clock(), self._now()
        changed = not inventories.same(found, self._good)
        self._good = found
        await self._tell(found)
        if changed and self._memory is not None:
            await asyncio.to_thread(_write, self._memory, inventories.dumps(found))

    async def _miss(self, error: AgentSilentError) -> None:
        await self._wake()
        if self._heard_at is None:
            why = "the agent has not answered yet"
        elif self._clock() - self._heard_at[0] > SILENCE:
            why = f"the agent has not answered since {self._heard_at[1]:%H:%M:%S} UTC"
        else:
            return
        if not self._silent:
            self._log.warning("No GPU is given out: %s (%s)", why, error)
        self._silent = True
        await self._tell(inventories.unknown(self._good, why))

    async def _wake(self) -> None:
        """Start the agent once in a while, when it has been silent for long enough to be down."""
        heard = self._revived_at if self._heard_at is None else self._heard_at[0]
        if self._revive is None or self._clock() - max(heard, self._revived_at) <= SILENCE:
            return
        self._revived_at = self._clock()
        try:
            await self._revive()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
            self._log.warning("The agent is silent and could not be started: %s", error)
        else:
            self._log.warning("The agent is silent; its container was started, if it was down")

    async def _tell(self, found: Inventory) -> None:
        if self._told is None or not inventories.same(found, self._told):
            await self._on_inventory(found)
        self._told = found


def _write(file: Path, text: str) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.chmod(0o600)
    beside.replace(file)
