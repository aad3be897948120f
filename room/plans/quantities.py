"""The kinds of values that limits have: how each is read, written, compared and added to."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from room.plans import budget
from room.plans.budget import Budget
from room.said import Said, said
from room.values import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    shown,
)

#: What people write for a limit that does not bind.
NONE = "none"


class Quantity(Protocol):
    """A kind of value. A limit that does not bind is infinite, or the list of all names."""

    @property
    def rule(self) -> str: ...
    def parse(self, value: Any) -> Any:
        """Return the value that a text, or YAML's plain value, says. Raises ``ValueError``."""

    def text(self, value: Any) -> str:
        """Return what ``parse`` reads as this value: what the database keeps."""

    def most(self, values: Iterable[Any]) -> Any:
        """Return the most generous of several."""

    def least(self, values: Iterable[Any]) -> Any:
        """Return the strictest of several."""

    def plus(self, value: Any, amount: Any) -> Any:
        """Return a value with a grant on top."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number with a unit of its own. ``whole``: no fractions."""

    lowest: float
    highest: float
    whole: bool = False

    @property
    def rule(self) -> str:
        ends = {"lowest": f"{self.lowest:.10g}", "highest": f"{self.highest:.10g}"}
        if self.whole:
            return said("a whole number from %(lowest)s to %(highest)s, or none", **ends)
        return said("a number from %(lowest)s to %(highest)s, or none", **ends)

    def parse(self, value: Any) -> float:
        if _is_none(value):
            return math.inf
        number = _plain_number(value)
        if number is None or not self.lowest <= number <= self.highest:
            raise ValueError(_no_fit(value, self.rule))
        if self.whole and number != int(number):
            raise ValueError(_no_fit(value, self.rule))
        return int(number) if self.whole else number

    def text(self, value: float) -> str:
        return NONE if math.isinf(value) else f"{value:.10g}"

    def most(self, values: Iterable[float]) -> float:
        return max(values)

    def least(self, values: Iterable[float]) -> float:
        return min(values)

    def plus(self, value: float, amount: float) -> float:
        return value + amount


@dataclass(frozen=True, slots=True)
class Bytes(Number):
    """A size in bytes."""

    whole: bool = True

    @property
    def rule(self) -> str:
        lowest, highest = format_size(int(self.lowest)), format_size(int(self.highest))
        return said(
            "a size from %(lowest)s to %(highest)s, like 512M, 8G or 10GiB (1024-based), or none",
            lowest=lowest,
            highest=highest,
        )

    def parse(self, value: Any) -> float:
        if _is_none(value):
            return math.inf
        try:
            size = parse_size(value)
        except ValueError:
            raise ValueError(
                said("%(value)s is no size: write %(rule)s", value=shown(value), rule=self.rule)
            ) from None
        if not self.lowest <= size <= self.highest:
            raise ValueError(_no_fit(value, self.rule))
        return size

    def text(self, value: float) -> str:
        return NONE if math.isinf(value) else format_size(int(value))


@dataclass(frozen=True, slots=True)
class Seconds(Number):
    """A length of time in seconds."""

    @property
    def rule(self) -> str:
        lowest, highest = format_duration(self.lowest), format_duration(self.highest)
        return said(
            "a time from %(lowest)s to %(highest)s, like 90m, 4h or 1h30m, or none",
            lowest=lowest,
            highest=highest,
        )

    def parse(self, value: Any) -> float:
        if _is_none(value):
            return math.inf
        try:
            seconds = parse_duration(value)
        except ValueError:
            raise ValueError(
                said("%(value)s is no time: write %(rule)s", value=shown(value), rule=self.rule)
            ) from None
        if not self.lowest <= seconds <= self.highest:
            raise ValueError(_no_fit(value, self.rule))
        return seconds

    def text(self, value: float) -> str:
        return NONE if math.isinf(value) else format_duration(value)


@dataclass(frozen=True, slots=True)
class Hours:
    """A budget of GPU-hours in a window."""

    @property
    def rule(self) -> str:
        return budget.RULE

    def parse(self, value: Any) -> Budget:
        return budget.parse(value)

    def text(self, value: Budget) -> str:
        return str(value)

    def most(self, values: Iterable[Budget]) -> Budget:
        return max(values, key=lambda each: each.a_day)

    def least(self, values: Iterable[Budget]) -> Budget:
        return min(values, key=lambda each: each.a_day)

    def plus(self, value: Budget, amount: Budget) -> Budget:
        """Add hours to those of the window. What is granted has no window of its own."""
        return replace(value, hours=value.hours + amount.hours)


#: The names that a limit allows; None: all of them.
NameSet = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Names:
    """The names that are allowed. ``*`` in one stands for anything."""

    pattern: str
    example: str

    @property
    def rule(self) -> str:
        return said(
            "names with commas between them, like %(example)s, or any", example=self.example
        )

    def parse(self, value: Any) -> NameSet:
        if isinstance(value, str):
            words = [word.strip() for word in value.split(",") if word.strip()]
        elif isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value):
            words = [word.strip() for word in value]
        else:
            raise ValueError(_no_fit(value, self.rule))
        if len(words) == 1 and words[0].lower() in ("any", NONE):
            return None
        bad = next((word for word in words if not re.fullmatch(self.pattern, word)), None)
        if bad is not None or not words:
            raise ValueError(_no_fit(bad or value, self.rule))
        return frozenset(words)

    def text(self, value: NameSet) -> str:
        return "any" if value is None else ", ".join(sorted(value))

    def most(self, values: Iterable[NameSet]) -> NameSet:
        found: set[str] = set()
        for value in values:
            if value is None:
                return None
            found |= value
        return frozenset(found)

    def least(self, values: Iterable[NameSet]) -> NameSet:
        """Return what each of them allows, by name: a ``*`` is a name like any other here."""
        limited = [value for value in values if value is not None]
        return frozenset.intersection(*limited) if limited else None

    def plus(self, value: NameSet, amount: NameSet) -> NameSet:
        return self.most([value, amount])


def _no_fit(value: Any, rule: str) -> Said:
    return said("%(value)s does not fit: write %(rule)s", value=shown(value), rule=rule)


def _is_none(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() == NONE


def _plain_number(value: Any) -> float | None:
    """Return a finite number; None for what is none: NaN, 1e309, a word, a yes or no."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", value.strip()):
            return None
        value = float(value)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
