"""GPU-hours against a budget: what is used, when it runs out, what may be started. Pure.

What a lease uses is its rate times its seconds: a rate of 2 uses two GPU-hours an hour. Seconds
count in the window in which they pass, so that a lease that goes on after a reset begins anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from room.models import Reject
from room.plans.budget import Budget, window
from room.usage import Span, total

#: What can run for less than this is not started.
LEAST = timedelta(minutes=5)
#: A budget that is cut while servers run ends none of them sooner than this.
NOTICE = timedelta(minutes=30)
#: Seconds left at which who works in a server is told.
WARNINGS = (600.0, 1800.0)
#: Windows that are looked ahead: more than a year of months, and of days with summer time.
_AHEAD = 400


@dataclass(frozen=True, slots=True)
class Account:
    """A budget and what counts against it: leases that ended, and those that run."""

    budget: Budget
    spans: tuple[Span, ...] = ()
    zone: tzinfo = timezone.utc

    def used(self, now: datetime) -> float:
        """Return the hours used in the window around ``now``."""
        begin, end = window(self.budget, now, self.zone)
        return total(self.spans, begin, end, now) / 3600

    def resets_at(self, now: datetime) -> datetime | None:
        """Return when hours come anew; None: never."""
        if self.budget.window == "total":
            return None
        return window(self.budget, now, self.zone)[1]


@dataclass(frozen=True, slots=True)
class Meter:
    """Hours used of a budget, and when they come anew; None: never."""

    used: float
    hours: float
    resets_at: datetime | None

    @property
    def left(self) -> float:
        return max(0.0, self.hours - self.used)


def meter(account: Account, now: datetime) -> Meter:
    """Return what pages show of a budget."""
    return Meter(account.used(now), account.budget.hours, account.resets_at(now))


def runs_out_at(account: Account, now: datetime, more: float = 0.0) -> datetime | None:
    """Return when the budget is used up if what runs goes on; None: never.

    ``more``: the rate of what is to run beside it. ``now`` when nothing is left.
    """
    budget, spans = account.budget, account.spans
    rate = more + sum(span.rate for span in spans if span.end is None)
    if math.isinf(budget.hours) or not rate:
        return None
    begin, end = window(budget, now, account.zone)
    left, at = budget.hours * 3600 - total(spans, begin, end, now), now
    for _window in range(_AHEAD):
        lasts = max(0.0, left) / rate
        if lasts < (end - at).total_seconds():
            return at + timedelta(seconds=lasts)
        if budget.window == "total":
            return None
        at, left = end, budget.hours * 3600
        _begin, end = window(budget, at, account.zone)
    return None


def may_run(account: Account, now: datetime, rate: float) -> datetime | Reject | None:
    """Return until when something of this rate can run (None: as long as it likes), or why not."""
    ends = runs_out_at(account, now, rate)
    if ends is not None and ends - now < LEAST:
        return used_up(account, now)
    return ends


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a user was told: the budget, when it ends what runs, and when at the earliest."""

    budget: Budget
    ends: datetime | None
    not_before: datetime | None = None


def look_again(before: Outlook | None, account: Account, now: datetime) -> Outlook:
    """Return when the budget ends what runs, as of now.

    A raised budget prolongs at once. One that is lowered while something runs leaves
    ``NOTICE``, or what there was if that is less.
    """
    ends, not_before = runs_out_at(account, now), None
    if before is not None and before.budget == account.budget:
        not_before = before.not_before
    elif before is not None and ends is not None and (before.ends is None or ends < before.ends):
        leaves = now + NOTICE
        not_before = leaves if before.ends is None else min(leaves, before.ends)
    if ends is not None and not_before is not None:
        ends = max(ends, not_before)
    return Outlook(account.budget, ends, not_before)


def warning_due(left: float) -> float | None:
    """Return the warning that is due when ``left`` seconds are left, by its seconds; or None."""
    return next((at for at in WARNINGS if 0 < left <= at), None)


# -- in words: each sentence is listed in spawner/words.py ----------------------------------


def used_up(account: Account, now: datetime) -> Reject:
    """Nothing can be started on what is left."""
    return Reject(
        "gpu-hours",
        f"You have used {account.used(now):.1f} of your {_hours(account)} GPU-hours. "
        f"{_anew(account, now)} Choose a profile without a GPU, or ask for more.",
    )


def over(account: Account, now: datetime) -> Reject:
    """The room itself ended the server, because the budget was used up."""
    return Reject(
        "gpu-hours-over",
        f"Your {_hours(account)} GPU-hours are used up. {_anew(account, now)} "
        "Your files are in your home.",
    )


def no_longer(account: Account, now: datetime) -> Reject:
    """The lease cannot be kept longer, because the budget ends before."""
    return Reject(
        "gpu-hours-longer",
        f"Your {_hours(account)} GPU-hours are used up by then. {_anew(account, now)}",
    )


def ends_with(account: Account, ends: datetime, now: datetime) -> str:
    """Say when what runs will be ended, and why."""
    return (
        f"Your {_hours(account)} GPU-hours last until {_time(account, ends)}. "
        f"Then this server is stopped, and your files stay in your home. {_anew(account, now)}"
    )


def _hours(account: Account) -> str:
    return f"{account.budget.hours:.10g}"


def _time(account: Account, at: datetime) -> str:
    return f"{at.astimezone(account.zone):%Y-%m-%d %H:%M}"


def _anew(account: Account, now: datetime) -> str:
    at = account.resets_at(now)
    if at is None:
        return "No new ones come by themselves."
    return f"New ones come each {account.budget.window}, next at {_time(account, at)}."
