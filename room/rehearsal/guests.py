"""The guests of a rehearsal as rows: let in with one decision, and forgotten without a trace.

What they used is no one's: it counts towards nothing once they have gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Table, delete, insert, select, update

from room import changes, people_rows, tokens
from room.audit import note
from room.guests import PREFIX, is_guest
from room.people import utc_now
from room.person import NoSuchClassError
from room.roster import Entry
from room.store.people_tables import people, people_classes, people_tokens
from room.store.store import Store
from room.store.tables import queue, server_exits, usage
from room.store.usage_tables import lease_history, sessions, use_days, use_readings
from room.tokens import Token

#: Should everything that tidies be killed, too, they are kept out and their servers end after this.
LIFE = timedelta(hours=12)


def invite(store: Store, class_name: str, logins: Sequence[str], actor: str) -> dict[str, Token]:
    """Let guests into a class as its students; return a token for each.

    Raises ``NoSuchClassError``, and ``ArchivedError`` for a class that is over.
    """
    made, now = {login: tokens.new() for login in logins}, utc_now()
    with store.decide() as connection:
        mine = select(people_classes.c.login).where(people_classes.c.class_name == class_name)
        if connection.execute(mine.limit(1)).first() is None:
            raise NoSuchClassError(class_name)
        for login, token in made.items():
            _let_in(connection, class_name, login, token, now)
        note(connection, actor, "rehearsal-begin", class_name, str(len(made)), now, "command")
        people_rows.raise_revision(connection)
    return made


def _let_in(
    connection: Connection, class_name: str, login: str, token: Token, now: datetime
) -> None:
    change = changes.change(None, Entry(login, (class_name,), until=now + LIFE))
    people_rows.refuse_archived(connection, change)
    people_rows.apply(connection, change, now)
    people_rows.alter(connection, login, {"until": now + LIFE})
    connection.execute(
        insert(people_tokens).values(
            id=token.id,
            login=login,
            digest=token.digest,
            created_at=now,
            expires_at=now + LIFE,
            once=False,
        )
    )


def known(store: Store) -> tuple[str, ...]:
    """Return the guests that the room still has, of whatever rehearsal."""
    with store.read() as connection:
        return _found(connection, people, people.c.login)


def forget(store: Store, class_name: str, actor: str) -> None:
    """Remove every guest's rows, of earlier rehearsals too. Their servers are gone by then."""
    now = utc_now()
    with store.decide() as connection:
        there = _found(connection, people, people.c.login)
        for login in there:
            people_rows.forget(connection, login)
        ran = select(sessions.c.container).where(sessions.c.user.in_(_users(connection, sessions)))
        connection.execute(delete(use_readings).where(use_readings.c.container.in_(ran)))
        for table in (sessions, use_days, lease_history, usage, server_exits):
            users = _users(connection, table)
            connection.execute(delete(table).where(table.c.user.in_(users)))
        # The hub keeps the queue's order in memory, and reads it anew after anybody's decision.
        connection.execute(update(queue).values(revision=queue.c.revision + 1))
        if there:
            note(connection, actor, "rehearsal-end", class_name, str(len(there)), now, "command")
            people_rows.raise_revision(connection)


def _users(connection: Connection, table: Table) -> tuple[str, ...]:
    return _found(connection, table, table.c.user)


def _found(connection: Connection, table: Table, column: Column[str]) -> tuple[str, ...]:
    chosen = select(column).where(column.startswith(PREFIX, autoescape=True)).distinct()
    return tuple(login for login in connection.execute(chosen).scalars() if is_guest(login))
