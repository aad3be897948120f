"""Rows of the database → limits, grants and the history, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import and_, or_

from room.plans.keys import KEYS, Key
from room.plans.model import Grant, Limit, Subject
from room.store.plan_tables import plan_limits


@dataclass(frozen=True, slots=True)
class Entry:
    """One change in the history. ``old`` and ``new`` are texts; None: nothing was set."""

    id: int
    at: datetime
    actor: str
    origin: str
    action: str
    subject: Subject
    key: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    undoes: int | None


def of(subject: Subject, key: Key) -> Any:
    return and_(
        plan_limits.c.kind == subject.kind,
        plan_limits.c.name == subject.name,
        plan_limits.c.key == key.name,
    )


def about(table: Any, subjects: Sequence[Subject]) -> Any:
    return or_(*(and_(table.c.kind == each.kind, table.c.name == each.name) for each in subjects))


def to_limit(row: Any) -> Limit | None:
    """Return a row as the rules know it; None when this release knows its key or value no more."""
    try:
        key = KEYS[row.key]
        value = key.parse(row.value)
    except (KeyError, ValueError):
        return None
    return Limit(
        Subject(row.kind, row.name),
        key,
        value,
        until=row.until,
        by=row.set_by,
        behalf=row.behalf,
    )


def to_grant(row: Any) -> Grant | None:
    try:
        key = KEYS[row.key]
        amount = key.parse(row.amount)
    except (KeyError, ValueError):
        return None
    return Grant(
        row.id,
        Subject(row.kind, row.name),
        key,
        amount,
        row.until,
        by=row.granted_by,
        behalf=row.behalf,
    )


def to_entry(row: Any) -> Entry:
    kind, _slash, name = row.subject.partition("/")
    return Entry(
        row.id,
        row.at,
        row.actor,
        row.origin,
        row.action,
        Subject(kind, name),
        row.detail,
        None if row.old is None else json.loads(row.old),
        None if row.new is None else json.loads(row.new),
        row.undoes,
    )


def state(value: str, until: datetime | None, behalf: str) -> dict[str, Any]:
    """Return what the history keeps of a value: enough to put it back."""
    return {
        "value": value,
        "until": None if until is None else until.astimezone(timezone.utc).isoformat(),
        "behalf": behalf,
    }


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
