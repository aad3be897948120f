"""The part of RoomSpawner that keeps to plans: what a start may have, and what its card says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from room.models import Reject, SpawnOptions
from room.plans.decide import Admit, Wish, decide
from room.plans.model import EffectivePlan
from spawner import options
from spawner.choices import Choices
from spawner.refusal import Refusal

#: Limits of one server → the traits that hold them.
TRAITS = {
    "cpu": "cpu_limit",
    "memory": "mem_limit",
    "shm": "shm_size",
    "pids": "pids_limit",
    "session": "session",
    "idle": "idle",
    "gpu_idle": "gpu_idle",
}
#: Limits of a home, which are traits of the same names. Like a session's, their 0 is no limit.
HOMES = ("home_soft", "home_hard")
#: Limits whose traits are whole numbers.
WHOLE = ("memory", "shm", "pids")
#: Limits whose traits say 0 for none.
ENDS = ("session", "idle", "gpu_idle", *HOMES)


class Planned(Choices):
    """Looks up what its user may have, and holds the server to it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        #: What the plan lets the server have that runs or starts; None for none.
        self.admitted: Admit | None = None
        self._effective: EffectivePlan | None = None

    async def load_plan(self) -> EffectivePlan:
        """Read the plan as it is now; what it says holds for this start or this page."""
        groups = [group.name for group in self.user.groups]
        self._effective = await self.shared_services().store.run(
            self._look_up, self.user.name, groups, self._defaults()
        )
        return self._effective

    def _look_up(self, user: str, groups: list[str], defaults: dict[str, float]) -> EffectivePlan:
        """Read the plan, and let the queue know the classes' shares; on the store's thread."""
        services = self.shared_services()
        services.waiting.weigh()
        return services.plans.effective(user, groups, defaults)

    async def _admit(self) -> Admit:
        """Take what the plan gives, or refuse the start in words."""
        plan = await self.load_plan()
        # Nothing is awaited from here on: of two starts at the same moment one is counted first.
        override = self._overridden
        if self._options.rescue:
            # A full home keeps nobody out: what it is tidied with is nobody's choice of an image.
            override = {**override, "image": ""}
        verdict = self._verdict(plan, override, self._options.profile or "")
        if isinstance(verdict, Reject):
            raise Refusal(verdict, 403)
        self.admitted = verdict
        for name, trait in TRAITS.items():
            value = getattr(verdict, name)
            if not math.isinf(value):
                self._set_for_now(trait, int(value) if name in WHOLE else value)
        for name in HOMES:
            self._set_for_now(name, 0 if math.isinf(plan[name]) else int(plan[name]))
        return verdict

    def _verdict(
        self, plan: EffectivePlan, override: Mapping[str, Any], profile: str, gone: int = 0
    ) -> Admit | Reject:
        """Say what a server may have. ``gone``: how many of the others are as good as gone."""
        wish = Wish(
            profile=profile,
            image=str(override.get("image", self.image)),
            gpus=self.asked_gpus(override),
            said=self._said(override),
        )
        units = self.shared_services().broker.inventory.units
        return decide(wish, plan, running=self._running() - gone, units=units)

    def _running(self) -> int:
        """Return how many other servers of the user run, or have been let start."""
        others = (other for other in self.user.spawners.values() if other is not self)
        return sum(
            1
            for other in others
            if getattr(other, "admitted", None) is not None
            or other.ready
            or other.pending == "stop"
        )

    def _defaults(self) -> dict[str, float]:
        """Return what a server gets where nobody says anything."""
        traits = {**TRAITS, **{name: name for name in HOMES}}
        return self._limits({name: self._plain(trait) for name, trait in traits.items()})

    def _said(self, override: Mapping[str, Any]) -> dict[str, float]:
        """Return the limits that a profile itself says."""
        said = {name: trait for name, trait in TRAITS.items() if trait in override}
        return self._limits(
            {
                name: self.as_bytes(trait, dict(override))
                if name in ("memory", "shm")
                else override[trait]
                for name, trait in said.items()
            }
        )

    @staticmethod
    def _limits(values: Mapping[str, Any]) -> dict[str, float]:
        """Return traits' values as plans know them: no limit, and no end, are infinite."""
        return {
            name: math.inf if value is None or (name in ENDS and not value) else float(value)
            for name, value in values.items()
        }

    def clear_state(self) -> None:
        """JupyterHub calls it when a server has ended, however it did."""
        super().clear_state()  # type: ignore[misc]
        self.admitted = None

    # -- what the start page says ------------------------------------------------------------

    def _card(self, profile: options.Profile, selected: str, saved: dict[str, str]) -> options.Card:
        card = super()._card(profile, selected, saved)
        if self._effective is None:
            return card
        override = options.overrides(SpawnOptions(profile=card.slug), [profile])
        verdict = self._verdict(self._effective, override, card.slug)
        if isinstance(verdict, Reject):
            return replace(card, available=False, unavailable_reason=verdict.message)
        return replace(
            card,
            cpu=_finite(verdict.cpu, card.cpu),
            memory=_whole(verdict.memory, card.memory),
            shm=_whole(verdict.shm, card.shm),
        )


def _finite(value: float, otherwise: float | None) -> float | None:
    return otherwise if math.isinf(value) else value


def _whole(value: float, otherwise: int | None) -> int | None:
    return otherwise if math.isinf(value) else int(value)
