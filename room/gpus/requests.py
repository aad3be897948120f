"""What a profile asks for, and which units are of that kind."""

from __future__ import annotations

from dataclasses import dataclass

from room.models import GPUUnit

#: The kinds a request may name. ``any`` is a whole GPU or a MIG instance: never a shared seat.
KINDS = ("any", "gpu", "mig", "seat")
#: What caps are on: seats of shared GPUs, and all other units.
POOLS = ("units", "seats")


@dataclass(frozen=True, slots=True)
class GPURequest:
    """``count`` units of one kind; several of them have to be on one host.

    ``model`` is a part of the card's name in any case, ``memory_mib`` the least memory
    of each unit, ``mig_profile`` a profile's exact name such as ``1g.10gb``. ``only`` are the
    kinds, parts of cards' names and MIG profiles that the plan allows; none: all of them.
    """

    count: int = 1
    kind: str = "any"
    model: str = ""
    memory_mib: int = 0
    mig_profile: str = ""
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a request is for 1 unit or more, not {self.count}")
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of GPU unit: {', '.join(KINDS)}")

    @property
    def pool(self) -> str:
        """Which cap the request counts towards, one of ``POOLS``."""
        return "seats" if self.kind == "seat" else "units"

    def takes(self, unit: GPUUnit) -> bool:
        """Say whether ``unit`` is of the kind that is asked for, free or not."""
        return (
            (unit.kind == self.kind or (self.kind == "any" and unit.kind != "seat"))
            and unit.memory_mib >= self.memory_mib
            and self.model.casefold() in unit.model.casefold()
            and self.mig_profile in ("", unit.mig_profile)
            and (not self.only or any(_names(word, unit) for word in self.only))
        )

    def __str__(self) -> str:
        """Say it as a person reads it: ``2 GPUs with A100 and 40 GiB or more``."""
        name = {"seat": "seat of a shared GPU", "mig": "MIG instance"}.get(self.kind, "GPU")
        if self.count > 1:
            name = name.replace("seat of", "seats of") if self.kind == "seat" else f"{name}s"
        wanted = [
            *([self.model] if self.model else []),
            *([f"profile {self.mig_profile}"] if self.mig_profile else []),
            *([f"{self.memory_mib / 1024:.4g} GiB or more"] if self.memory_mib else []),
        ]
        return f"{self.count} {name}" + (f" with {' and '.join(wanted)}" if wanted else "")


def _names(word: str, unit: GPUUnit) -> bool:
    """Say whether a word of a plan means a unit: its kind, its MIG profile, or its card's name."""
    if word in KINDS:
        return word in ("any", unit.kind)
    return word == unit.mig_profile or word.casefold() in unit.model.casefold()
