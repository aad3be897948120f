"""The part of RoomSpawner that gives an unused GPU back, and knows what goes on without one."""

from __future__ import annotations

import time
from typing import Any

from room.models import Reject, SpawnOptions
from spawner import options, stages
from spawner.lowered import Lowered


class Returning(Lowered):
    """Finds what its user may start instead, without GPUs, and says how it was stopped for that."""

    async def cpu_options(self) -> dict[str, Any] | None:
        """Return the options of the nearest start without GPUs that the plan has now, if any."""
        plan, profiles = await self.load_plan(), await self.load_profiles()
        # After a restart of the hub only what was saved says what was chosen.
        chosen = options.parse(dict(self.user_options or {}), profiles)
        if isinstance(chosen, Reject):
            chosen = SpawnOptions()

        def override(start: SpawnOptions) -> dict[str, Any]:
            return {**self._plain_traits, **options.overrides(start, profiles)}

        def has_gpus(start: SpawnOptions) -> bool:
            return self.asked_gpus(override(start)) is not None

        for raw in options.without_gpus(chosen, profiles, has_gpus):
            start = options.parse(raw, profiles)
            if isinstance(start, Reject):
                continue
            verdict = self._verdict(plan, override(start), start.profile or "")
            if not isinstance(verdict, Reject):
                return {**raw, **options.kept(chosen)}
        return None

    async def offer(self, seconds: float) -> str:
        """Return what is said when its GPU has done nothing for so long; empty without a choice."""
        found = await self.cpu_options()
        if found is None:
            return ""
        names = {
            options.slug_of(profile): str(profile["display_name"])
            for profile in self.resolved_profiles()
        }
        return stages.gpu_unused(seconds, names[found["profile"]])

    async def give_gpu_back(self) -> dict[str, Any] | Reject:
        """Return the options to start again with, once the server is stopped; or say why not.

        From then on its stop is told, and its lease ends, as of a GPU that was given back.
        """
        services, owner = self.services, self.owner
        found = await self.cpu_options()
        # Of two pages that say so at once, one finds the offer gone.
        offered = services.gpu_offers.pop(owner, None) is not None
        if not offered or owner in services.restarting or self.pending or not self.ready:
            return stages.gpu_in_use()
        if found is None:
            return stages.no_cpu_profile()
        services.restarting.add(owner)
        self._lease_end, self._end_words = "returned", stages.gpu_returned().message
        self.log.info("%s gives its GPU back and goes on with %s", owner, found)
        return found

    def keep_running(self) -> None:
        """Note that the stop for which it gave its GPU back did not come about."""
        self._lease_end, self._end_words = "ended", ""

    def look_at_page(self) -> None:
        """Note that a page of the server is open and seen."""
        self.services.looked_at[self.owner] = time.time()

    def keep_gpu(self) -> None:
        """Note that its user keeps a GPU that does nothing."""
        self.services.keep_gpu(self.owner)
