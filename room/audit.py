"""The audit: who did what to whom, for good."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from room.store.tables import audit


def note(
    connection: Connection, actor: str, action: str, subject: str, detail: str, at: datetime
) -> None:
    """Write down what was done, in the transaction that does it."""
    connection.execute(
        insert(audit).values(at=at, actor=actor, action=action, subject=subject, detail=detail)
    )
