"""Plans in words: where each value comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from room.plans.model import Effective, EffectivePlan, Grant, Limit, Setting, Subject
from room.plans.rows import Entry
from room.said import Said, joined, said


def lines(plan: EffectivePlan, zone: tzinfo = timezone.utc) -> Iterator[tuple[str, str, str]]:
    """Yield (limit, value, where it comes from) of everything that holds for a user."""
    for name, found in plan.limits.items():
        yield name, found.text, origin(found, zone)


def origin(found: Effective, zone: tzinfo = timezone.utc) -> str:
    """Say where a value comes from: ``class ml101 (room.yaml), +5 by bob until 2026-11-27``."""
    parts = [_said(limit, zone) for limit in found.origin.limits] or [said("default")]
    if found.origin.cut_to:
        parts[-1] = said(
            "%(what)s, cut to what class %(name)s has", what=parts[-1], name=found.origin.cut_to
        )
    return joined([*parts, *(_given(grant, zone) for grant in found.origin.grants)])


def whose(subject: Subject) -> str:
    """Say who a subject is, as people do."""
    if subject.kind == "user":
        return subject.name
    if subject.kind == "class":
        return said("class %(name)s", name=subject.name)
    return said("the room")


def _said(limit: Limit, zone: tzinfo) -> Said:
    who, where = whose(limit.subject), _where(limit)
    if limit.until is None:
        return said("%(whose)s (%(where)s)", whose=who, where=where)
    end = ends(limit.until, zone)
    return said("%(whose)s (%(where)s, until %(end)s)", whose=who, where=where, end=end)


def _where(limit: Limit) -> str:
    if limit.written:
        return "room.yaml"
    if limit.behalf:
        return said("set by %(who)s for class %(name)s", who=limit.by, name=limit.behalf)
    return said("set by %(who)s", who=limit.by)


def _given(grant: Grant, zone: tzinfo) -> Said:
    amount, end = grant.key.text(grant.amount), ends(grant.until, zone)
    if grant.subject.kind == "user":
        return said("+%(amount)s by %(who)s until %(end)s", amount=amount, who=grant.by, end=end)
    return said(
        "+%(amount)s to %(whose)s by %(who)s until %(end)s",
        amount=amount,
        whose=whose(grant.subject),
        who=grant.by,
        end=end,
    )


def ends(moment: datetime, zone: tzinfo) -> str:
    """Say when something ends: a day alone means its end."""
    here = moment.astimezone(zone)
    if (here.hour, here.minute) == (0, 0):
        return f"{here - timedelta(days=1):%Y-%m-%d}"
    return f"{here:%Y-%m-%d %H:%M}"


def setting(found: Setting | None, zone: tzinfo = timezone.utc) -> str:
    """Say what is set: ``2 until 2026-12-18``."""
    if found is None or found.text is None:
        return said("not set")
    return _until(found.text, found.until, zone)


def change(entry: Entry, zone: tzinfo = timezone.utc) -> str:
    """Say what one change of the history did: ``20/week → 30/week until 2026-12-18``."""
    old, new = _state(entry.old, zone), _state(entry.new, zone)
    if entry.action == "plan-grant":
        return new
    if entry.action == "plan-revoke":
        return said("%(old)s, taken back (undoes %(number)s)", old=old, number=entry.undoes)
    if entry.undoes:
        return said("%(old)s → %(new)s (undoes %(number)s)", old=old, new=new, number=entry.undoes)
    return said("%(old)s → %(new)s", old=old, new=new)


def _state(state: Mapping[str, Any] | None, zone: tzinfo) -> str:
    if state is None:
        return said("not set")
    until = state.get("until")
    text = _until(str(state["value"]), datetime.fromisoformat(until) if until else None, zone)
    if state.get("behalf"):
        return said("%(value)s for class %(name)s", value=text, name=state["behalf"])
    return text


def _until(value: str, until: datetime | None, zone: tzinfo) -> str:
    if until is None:
        return value
    return said("%(value)s until %(end)s", value=value, end=ends(until, zone))
