"""Plans in words: where each value comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from room.plans.model import Effective, EffectivePlan, Grant, Limit, Setting, Subject
from room.plans.rows import Entry


def lines(plan: EffectivePlan, zone: tzinfo = timezone.utc) -> Iterator[tuple[str, str, str]]:
    """Yield (limit, value, where it comes from) of everything that holds for a user."""
    for name, found in plan.limits.items():
        yield name, found.text, origin(found, zone)


def origin(found: Effective, zone: tzinfo = timezone.utc) -> str:
    """Say where a value comes from: ``class ml101 (room.yaml), +5 by bob until 2026-11-27``."""
    parts = [_said(limit, zone) for limit in found.origin.limits] or ["default"]
    if found.origin.cut_to:
        parts[-1] += f", cut to what class {found.origin.cut_to} has"
    parts += [_given(grant, zone) for grant in found.origin.grants]
    return ", ".join(parts)


def whose(subject: Subject) -> str:
    """Say who a subject is, as people do."""
    return {"room": "the room", "class": f"class {subject.name}", "user": subject.name}[
        subject.kind
    ]


def _said(limit: Limit, zone: tzinfo) -> str:
    where = "room.yaml" if limit.written else f"set by {limit.by}"
    if limit.behalf:
        where += f" for class {limit.behalf}"
    end = f", until {ends(limit.until, zone)}" if limit.until else ""
    return f"{whose(limit.subject)} ({where}{end})"


def _given(grant: Grant, zone: tzinfo) -> str:
    amount = grant.key.text(grant.amount)
    to = "" if grant.subject.kind == "user" else f" to {whose(grant.subject)}"
    return f"+{amount}{to} by {grant.by} until {ends(grant.until, zone)}"


def ends(moment: datetime, zone: tzinfo) -> str:
    """Say when something ends: a day alone means its end."""
    here = moment.astimezone(zone)
    if (here.hour, here.minute) == (0, 0):
        return f"{here - timedelta(days=1):%Y-%m-%d}"
    return f"{here:%Y-%m-%d %H:%M}"


def setting(found: Setting | None, zone: tzinfo = timezone.utc) -> str:
    """Say what is set: ``2 until 2026-12-18``."""
    if found is None or found.text is None:
        return "not set"
    return found.text + (f" until {ends(found.until, zone)}" if found.until else "")


def change(entry: Entry, zone: tzinfo = timezone.utc) -> str:
    """Say what one change of the history did: ``20/week → 30/week until 2026-12-18``."""
    if entry.action == "plan-grant":
        return _state(entry.new, zone)
    if entry.action == "plan-revoke":
        return f"{_state(entry.old, zone)}, taken back (undoes {entry.undoes})"
    undoes = f" (undoes {entry.undoes})" if entry.undoes else ""
    return f"{_state(entry.old, zone)} → {_state(entry.new, zone)}{undoes}"


def _state(state: Mapping[str, Any] | None, zone: tzinfo) -> str:
    if state is None:
        return "not set"
    until = state.get("until")
    end = f" until {ends(datetime.fromisoformat(until), zone)}" if until else ""
    behalf = f" for class {state['behalf']}" if state.get("behalf") else ""
    return f"{state['value']}{end}{behalf}"
