"""The part of RoomSpawner that ends what has more than a plan that was lowered, when asked to."""

from __future__ import annotations

from typing import Any

from room.models import Owner, Reject
from room.plans.decide import Admit, exceeded
from spawner import options, stages
from spawner.leasing import Leasing
from spawner.services import Services


class Lowered(Leasing):
    """Compares a server that runs with what its user may have now."""

    async def end_over_plan(self, gone: int = 0) -> bool:
        """Stop the server if it has more than the plan gives now. True: it was stopped.

        ``gone``: how many of the user's others have just been stopped.
        """
        plan, profiles = await self.load_plan(), await self.load_profiles()
        # After a restart of the hub only what was saved says what was chosen.
        chosen = options.parse(dict(self.user_options or {}), profiles)
        if isinstance(chosen, Reject) or chosen.rescue:
            return False
        override = options.overrides(chosen, profiles)
        verdict = self._verdict(plan, override, chosen.profile or "", gone)
        if isinstance(verdict, Admit) and not await self._has_more_than(verdict):
            return False
        return await self._end(stages.plan_lowered())

    async def _has_more_than(self, admitted: Admit) -> bool:
        services = self.services
        found = await services.engine.inspect(self.container_name)
        if found is None or exceeded(_limits(found), admitted):
            return found is not None
        mine = await services.store.run(services.broker.held_by, self.owner)
        cap = self._cap(admitted)
        if mine is None or cap is None:
            return False
        seat = any(unit.kind == "seat" for unit in self._units_of(mine))
        leases = await services.store.run(services.broker.leases)
        held = [each for each in leases if each.owner.user == self.owner.user]
        known = services.broker.inventory.by_uuid()
        units = [known[unit] for lease in held for unit in lease.units if unit in known]
        return sum((unit.kind == "seat") == seat for unit in units) > cap


def _limits(found: dict[str, Any]) -> dict[str, float]:
    """Return what a container has, by the limits' names; no limit is left out."""
    host = found["HostConfig"]
    quota = (host.get("CpuQuota") or 0) / (host.get("CpuPeriod") or 100_000)
    given = {
        "cpu": (host.get("NanoCpus") or 0) / 1e9 or quota,
        "memory": host.get("Memory") or 0,
        "shm": host.get("ShmSize") or 0,
        "pids": host.get("PidsLimit") or 0,
    }
    return {name: float(value) for name, value in given.items() if value and value > 0}


async def end_all_over(services: Services, concerned: set[str] | None) -> list[Owner]:
    """End what runs over its plan, of some users or of all; the latest start of each goes first."""
    running = [
        (spawner.orm_spawner.started or spawner.orm_spawner.last_activity, owner, spawner)
        for owner, spawner in list(services.spawners.items())
        if spawner.ready and (concerned is None or owner.user in concerned)
    ]
    ended: list[Owner] = []
    for _began, owner, spawner in sorted(running, key=lambda each: str(each[0]), reverse=True):
        if await spawner.end_over_plan(sum(each.user == owner.user for each in ended)):
            ended.append(owner)
    return ended
