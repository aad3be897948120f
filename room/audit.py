"""The audit: who did what to whom, for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, or_, select

from room.store.tables import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done. ``origin``: the command, a page or the API, with its address.

    ``old`` and ``new`` are a plan's, as JSON.
    """

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str
    origin: str
    old: str | None
    new: str | None


def note(
    connection: Connection,
    actor: str,
    action: str,
    subject: str,
    detail: str,
    at: datetime,
    origin: str = "",
) -> None:
    """Write down what was done, in the transaction that does it."""
    connection.execute(
        insert(audit).values(
            at=at, actor=actor, action=action, subject=subject, detail=detail, origin=origin
        )
    )


def read(
    connection: Connection, word: str = "", *, page: int = 0, size: int | None = 100
) -> tuple[list[Entry], int]:
    """Return one page of what was done, newest first, and how many there are in all.

    ``word``: a part of who, what or whose, in any case of its letters. ``size`` None: all of it.
    """
    found = select(audit)
    if word := word.strip():
        columns = (audit.c.actor, audit.c.action, audit.c.subject, audit.c.detail)
        found = found.where(or_(*(each.icontains(word, autoescape=True) for each in columns)))
    count = connection.execute(select(func.count()).select_from(found.subquery())).scalar_one()
    chosen = found.order_by(audit.c.id.desc())
    if size is not None:
        chosen = chosen.offset(page * size).limit(size)
    return [_entry(row) for row in connection.execute(chosen)], count


def _entry(row: object) -> Entry:
    return Entry(*(getattr(row, name) for name in Entry.__slots__))
