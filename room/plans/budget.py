"""A budget of GPU-hours: how many in which window, and when the window begins anew."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Literal, get_args

from room.said import said
from room.values import shown

Window = Literal["day", "week", "month", "total"]
WINDOWS: tuple[Window, ...] = get_args(Window)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: A thousand units for ten years.
MAX_HOURS = 1e8
#: Every month has these days.
LAST_MONTHDAY = 28
#: By how many days the hours of a window are spread when two budgets are compared.
_DAYS = {"day": 1.0, "week": 7.0, "month": 30.0, "total": 365.0}
_TEXT = re.compile(
    r"(\d+(?:\.\d+)?|none)\s*h?\s*(?:(?:/|per)\s*([a-z]+)\s*(?:@\s*([a-z0-9]+))?)?",
    re.IGNORECASE | re.ASCII,
)

RULE = said(
    "a budget is hours in a window, like 20/week, 20/week@thursday, 8/day, 100/month@15, or 300 "
    "for all time; or none"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """``hours`` of GPU time in each ``window``; infinite: no budget.

    ``reset``: the weekday (0 is Monday) or the day of the month on which the window begins.
    """

    hours: float
    window: Window = "week"
    reset: int = 0

    @property
    def a_day(self) -> float:
        """Hours a day: what two budgets with different windows are compared by."""
        return self.hours / _DAYS[self.window]

    def __str__(self) -> str:
        if math.isinf(self.hours):
            return "none"
        hours = f"{self.hours:.10g}"
        if self.window == "total":
            return hours
        if self.window == "week" and self.reset:
            return f"{hours}/week@{WEEKDAYS[self.reset]}"
        if self.window == "month" and self.reset > 1:
            return f"{hours}/month@{self.reset}"
        return f"{hours}/{self.window}"


NO_BUDGET = Budget(math.inf)


def parse(value: Any) -> Budget:
    """Return the budget that a text says. Raises ``ValueError`` with the rule."""
    if isinstance(value, Budget):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = f"{value}"
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(said("%(value)s is no budget: %(rule)s", value=shown(value), rule=RULE))
    amount, window, reset = (part.lower() if part else "" for part in match.groups())
    if amount == "none":
        if window:
            raise ValueError(said("%(value)s is no budget: none has no window", value=shown(value)))
        return NO_BUDGET
    hours = float(amount)
    if hours > MAX_HOURS:
        raise ValueError(
            said("%(value)s is more than any room has: %(rule)s", value=shown(value), rule=RULE)
        )
    if not window:
        return Budget(hours, "total")
    if window not in WINDOWS or window == "total":
        raise ValueError(
            said("%(value)s has no window that is known: day, week or month", value=shown(value))
        )
    return Budget(hours, window, _reset(window, reset, value))


def _reset(window: str, text: str, value: Any) -> int:
    if window == "week":
        if not text:
            return 0
        found = [day for day, name in enumerate(WEEKDAYS) if name == text or name[:3] == text]
        if found:
            return found[0]
        raise ValueError(
            said("%(value)s: a week begins on a weekday, like @monday", value=shown(value))
        )
    if window == "month":
        if not text:
            return 1
        if text.isdigit() and 1 <= int(text) <= LAST_MONTHDAY:
            return int(text)
        raise ValueError(
            said(
                "%(value)s: a month begins on a day from 1 to %(last)s, like @15",
                value=shown(value),
                last=LAST_MONTHDAY,
            )
        )
    if text:
        raise ValueError(
            said("%(value)s: a day begins at midnight, and takes no @", value=shown(value))
        )
    return 0


def window(budget: Budget, at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when the window around ``at`` began and when the next one begins, in ``zone``.

    Windows begin at midnight by the clocks of the zone: one with a change to summer time is an
    hour shorter. For all time: the ends of what a date can say.
    """
    if budget.window == "total":
        return (
            datetime.min.replace(tzinfo=timezone.utc),
            datetime.max.replace(tzinfo=timezone.utc),
        )
    day = at.astimezone(zone).date()
    if budget.window == "day":
        first, after = day, day + timedelta(days=1)
    elif budget.window == "week":
        first = day - timedelta(days=(day.weekday() - budget.reset) % 7)
        after = first + timedelta(days=7)
    else:
        first = _month(day, budget.reset, 0 if day.day >= budget.reset else -1)
        after = _month(first, budget.reset, 1)
    return _midnight(first, zone), _midnight(after, zone)


def _month(day: date, of_month: int, by: int) -> date:
    months = day.year * 12 + day.month - 1 + by
    return date(months // 12, months % 12 + 1, of_month)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(timezone.utc)
