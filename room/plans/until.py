"""Until when something holds, as people write it. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from room.plans.budget import WEEKDAYS
from room.said import said
from room.values import shown

RULE = said(
    "write a day (today, friday, 2027-02-15), which counts to its end, a moment "
    "(2027-02-15 18:00), or how long (12h, 3d, 2w)"
)
_SPAN = re.compile(r"([0-9]{1,4})([hdw])")
_SPANS = {"h": "hours", "d": "days", "w": "weeks"}
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{1,2}:\d{2}))?")


def parse(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which it ends, in UTC; days end at midnight in ``zone``.

    Raises ``ValueError`` with the rule, also for what is over already.
    """
    word = text.strip().lower()
    ends = _parse(word, now.astimezone(zone), zone)
    if ends is None:
        raise ValueError(said("%(text)s says no time: %(rule)s", text=shown(text), rule=RULE))
    if ends <= now:
        raise ValueError(
            said("%(text)s is over already: give a time that is still to come", text=shown(text))
        )
    return ends.astimezone(timezone.utc)


def _parse(word: str, here: datetime, zone: tzinfo) -> datetime | None:
    span = _SPAN.fullmatch(word)
    if span:
        return here + timedelta(**{_SPANS[span[2]]: int(span[1])})
    if word in ("today", "tomorrow"):
        return _end_of(here.date() + timedelta(days=word == "tomorrow"), zone)
    for number, name in enumerate(WEEKDAYS):
        if word in (name, name[:3]):
            return _end_of(here.date() + timedelta(days=(number - here.weekday()) % 7), zone)
    moment = _MOMENT.fullmatch(word)
    if moment is None:
        return None
    try:
        day = date.fromisoformat(moment[1])
        if moment[2] is None:
            return _end_of(day, zone)
        hours, minutes = moment[2].split(":")
        return datetime.combine(day, time(int(hours), int(minutes)), zone)
    except (ValueError, OverflowError):
        return None


def _end_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), zone)
