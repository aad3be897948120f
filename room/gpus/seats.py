"""Seats: one GPU leased to several servers at once, as room.yaml says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from room.models import GPUUnit


@dataclass(frozen=True, slots=True)
class Sharing:
    """These GPUs, or all of this model, have ``seats`` seats each.

    ``gpus`` are UUIDs or indices; ``model`` is a part of the card's name in any case.
    """

    seats: int
    gpus: tuple[str | int, ...] = ()
    model: str = ""

    def shares(self, unit: GPUUnit) -> bool:
        """Say whether ``unit`` is a whole GPU that this rule is about."""
        if unit.kind != "gpu":
            return False
        if self.gpus:
            return unit.uuid in self.gpus or unit.index in self.gpus
        return bool(self.model) and self.model.casefold() in unit.model.casefold()


def split(units: Iterable[GPUUnit], rules: Iterable[Sharing]) -> tuple[GPUUnit, ...]:
    """Return the units with shared GPUs replaced by their seats. The first rule that fits holds."""
    rules = tuple(rules)
    return tuple(seat for unit in units for seat in _seats(unit, rules))


def _seats(unit: GPUUnit, rules: tuple[Sharing, ...]) -> Iterator[GPUUnit]:
    rule = next((rule for rule in rules if rule.shares(unit)), None)
    if rule is None:
        yield unit
        return
    for number in range(1, rule.seats + 1):
        yield replace(
            unit,
            uuid=f"{unit.uuid}/{number}",
            kind="seat",
            parent=unit.uuid,
            memory_mib=unit.memory_mib // rule.seats,
            # Two seats of one server are never faster together.
            links=(),
        )
