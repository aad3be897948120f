"""Decayed GPU-seconds, counted exactly.

What was used ``h`` seconds ago (``h`` the half-life) counts half. All users decay alike, so that
nothing needs to be recalculated as time passes: amounts are kept *as of* one instant, ``ref``,
and what is used later counts 2^((t - ref)/h) times as much. The amounts are integers of
1/65,536 GPU-second, whose sums do not depend on the order of their terms: a sum kept up to date and
one made anew are the same number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SCALE = 1 << 16
#: Half-lives after which amounts are brought to a new instant, before the numbers grow long.
_REBASE_AFTER = 64


@dataclass(slots=True)
class Account:
    """What one user, or one class, has used, and holds now."""

    settled: int = 0
    units: int = 0
    #: Sum over the held units of the clock's reading when each was granted.
    opened: int = 0

    def amount(self, reading: int) -> int:
        """Return what was used until the clock reads ``reading``."""
        return self.settled + self.units * reading - self.opened

    def copy(self) -> Account:
        return Account(self.settled, self.units, self.opened)

    def open(self, units: int, reading: int) -> None:
        self.units += units
        self.opened += units * reading

    def close(self, units: int, opened_at: int, reading: int) -> None:
        """End what was opened with ``opened_at``: from now on it is settled."""
        self.units -= units
        self.opened -= units * opened_at
        self.settled += units * (reading - opened_at)


@dataclass(slots=True)
class Clock:
    """Seconds → the weighted time that has passed since ``ref``; ``half_life`` None: no decay."""

    half_life: float | None
    ref: float = field(default=0.0)

    def reading(self, at: float) -> int:
        """Return the integral of the weight from ``ref`` to ``at``, in 1/65,536 s."""
        if self.half_life is None:
            return round((at - self.ref) * SCALE)
        constant = self.half_life / math.log(2)
        grown: float = 2.0 ** ((at - self.ref) / self.half_life)
        return round(constant * (grown - 1.0) * SCALE)

    def halvings_due(self, at: float) -> int:
        """Return by how many whole half-lives ``ref`` is to be moved on, 0 mostly."""
        if self.half_life is None:
            return 0
        passed = int((at - self.ref) // self.half_life)
        return passed if passed >= _REBASE_AFTER else 0

    def seconds(self, amount: int, at: float) -> float:
        """Return an amount as GPU-seconds that count as of ``at``: what a person is shown."""
        weight = 1.0 if self.half_life is None else 2.0 ** ((at - self.ref) / self.half_life)
        return amount / SCALE / weight
