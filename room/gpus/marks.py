"""What was said of a unit: drained or quarantined by an admin, or for what it did itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from room.audit import note
from room.models import GPUUnit
from room.store.tables import unit_marks

#: Starts that may end with a device error on a unit before it is taken out of use.
FAILURES = 2
#: Who says what no person said.
ROOM = "the room"


@dataclass(frozen=True, slots=True)
class Mark:
    """``mark`` is drained, quarantined, or empty for failures that led to nothing yet."""

    mark: str
    why: str
    said_by: str
    said_at: datetime


def read(connection: Connection) -> dict[str, Mark]:
    """Return the marks by unit."""
    rows = connection.execute(select(unit_marks).where(unit_marks.c.mark != ""))
    return {row.unit: Mark(row.mark, row.why, row.said_by, row.said_at) for row in rows}


def apply(unit: GPUUnit, said: Mapping[str, Mark]) -> GPUUnit:
    """Return the unit as it counts: what is said of a GPU holds for its seats and instances.

    What an agent cannot see stays what it is: a mark changes only what is well, or sick of what
    it was marked for.
    """
    mark = said.get(unit.uuid) or said.get(unit.parent)
    if mark is None or not (unit.usable or unit.xid):
        return unit
    return replace(unit, health=mark.mark, why=mark.why)


def put(
    connection: Connection,
    unit: str,
    mark: str,
    why: str,
    actor: str,
    at: datetime,
    origin: str = "",
) -> None:
    """Write a mark, and in the audit who wrote it. A new mark forgets earlier failures."""
    values = {"mark": mark, "why": why, "said_by": actor, "said_at": at, "failures": 0}
    if not connection.execute(
        update(unit_marks).where(unit_marks.c.unit == unit).values(**values)
    ).rowcount:
        connection.execute(insert(unit_marks).values(unit=unit, **values))
    note(connection, actor, f"gpu-{mark or 'back'}", unit, why, at, origin)


def count_failure(
    connection: Connection, units: Sequence[str], why: str, at: datetime
) -> tuple[str, ...]:
    """Count one failure for each unit; return those that it takes out of use."""
    gone = []
    for unit in units:
        row = connection.execute(select(unit_marks).where(unit_marks.c.unit == unit)).one_or_none()
        if row is None:
            connection.execute(insert(unit_marks).values(unit=unit, said_at=at, failures=1))
        elif not row.mark and row.failures + 1 >= FAILURES:
            put(connection, unit, "quarantined", why, ROOM, at)
            gone.append(unit)
        else:
            connection.execute(
                update(unit_marks)
                .where(unit_marks.c.unit == unit)
                .values(failures=row.failures + 1, said_at=at)
            )
    return tuple(gone)


def answer_reports(
    connection: Connection, units: Iterable[GPUUnit], at: datetime
) -> tuple[str, ...]:
    """Quarantine each GPU that reports a fatal Xid; return those that are for it from now on.

    A report is answered once: an admin's word after it holds, while the agent says it again.
    """
    told = {unit.parent or unit.uuid: (unit.xid.report, unit.why) for unit in units if unit.xid}
    gone = []
    for gpu, (report, why) in told.items():
        mine = unit_marks.c.unit == gpu
        row = connection.execute(select(unit_marks).where(mine)).one_or_none()
        if row is not None and row.report == report:
            continue
        if row is None or row.mark != "quarantined":
            put(connection, gpu, "quarantined", why, ROOM, at)
            gone.append(gpu)
        connection.execute(update(unit_marks).where(mine).values(report=report))
    return tuple(gone)
