"""The rows behind ``room.people``: reading people whole, and writing what a change says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from room.changes import Change
from room.person import ArchivedError, Everyone, Membership, NoSuchPersonError, Person
from room.store.people_tables import (
    archived_classes,
    people,
    people_classes,
    people_revision,
    people_tokens,
)

#: Who said that somebody is in a class.
ROSTER, PROVIDER = "roster", "provider"
#: What JupyterHub keeps of a group's name.
MAX_GROUP = 255


def read(connection: Connection, now: datetime, login: str | None = None) -> list[Person]:
    """Return everybody by login, or one person alone; ``now`` says which links are usable."""
    wanted = select(people).order_by(people.c.login)
    classes = (
        select(people_classes, archived_classes.c.archived_at)
        .outerjoin(archived_classes, archived_classes.c.class_name == people_classes.c.class_name)
        .order_by(people_classes.c.class_name, people_classes.c.source)
    )
    links = select(people_tokens)
    if login is not None:
        wanted = wanted.where(people.c.login == login)
        classes = classes.where(people_classes.c.login == login)
        links = links.where(people_tokens.c.login == login)
    rows = connection.execute(wanted).all()
    member: dict[str, list[Membership]] = {}
    for row in connection.execute(classes):
        member.setdefault(row.login, []).append(
            Membership(row.class_name, row.role, row.source, row.until, row.archived_at)
        )
    usable: dict[str, int] = {}
    for row in connection.execute(links):
        usable[row.login] = usable.get(row.login, 0) + is_usable(row, now)
    return [
        Person(
            **row._mapping,
            memberships=tuple(member.get(row.login, ())),
            links=0 if row.revoked_at else usable.get(row.login, 0),
        )
        for row in rows
    ]


def everyone(connection: Connection, now: datetime) -> Everyone:
    return Everyone(revision(connection), tuple(read(connection, now)))


def revision(connection: Connection) -> int:
    """Return the number that every change of who is in raises."""
    return connection.execute(select(people_revision.c.revision)).scalar() or 0


def raise_revision(connection: Connection) -> None:
    raised = update(people_revision).values(revision=people_revision.c.revision + 1)
    if not connection.execute(raised).rowcount:
        connection.execute(insert(people_revision).values(id=1, revision=1))


def is_usable(token: Row[Any], now: datetime) -> bool:
    used_up = token.once and token.used_at is not None
    return not used_up and (token.expires_at is None or token.expires_at > now)


def row_of(connection: Connection, login: str) -> Row[Any]:
    """Return somebody's row. Raises ``NoSuchPersonError``."""
    row = connection.execute(select(people).where(people.c.login == login)).one_or_none()
    if row is None:
        raise NoSuchPersonError(login)
    return row


def apply(connection: Connection, change: Change, now: datetime) -> None:
    """Write one change."""
    if change.kind == "added":
        values = {"login": change.login, "name": "", "added_at": now, "admin": False}
        connection.execute(insert(people).values(**values))
    if change.values:
        alter(connection, change.login, dict(change.values))
    for enrolment in change.enrolments:
        values = {"role": enrolment.role, "until": enrolment.until}
        if enrolment.new:
            values |= {
                "login": change.login,
                "class_name": enrolment.class_name,
                "source": ROSTER,
            }
            connection.execute(insert(people_classes).values(**values))
        else:
            mine = _enrolment(change.login) & (people_classes.c.class_name == enrolment.class_name)
            connection.execute(update(people_classes).where(mine).values(**values))


def refuse_archived(connection: Connection, change: Change) -> None:
    """Raise ``ArchivedError`` for who would come into a class that is archived."""
    names = [each.class_name for each in change.enrolments if each.new]
    chosen = select(archived_classes).where(archived_classes.c.class_name.in_(names))
    for row in connection.execute(chosen):
        raise ArchivedError(row.class_name, row.archived_at)


def withdraw(connection: Connection, login: str, names: Iterable[str]) -> None:
    """Take somebody out of classes that the admin put them in."""
    mine = _enrolment(login) & people_classes.c.class_name.in_(list(names))
    connection.execute(delete(people_classes).where(mine))


def claim(connection: Connection, login: str, groups: Iterable[str]) -> bool:
    """Write the provider's groups in the place of those before. True: something has changed."""
    # The provider chooses its groups' names; what no group of the hub can be called is left out.
    fitting = {name for name in groups if 0 < len(name) <= MAX_GROUP}
    old = (people_classes.c.login == login) & (people_classes.c.source == PROVIDER)
    had = set(connection.execute(select(people_classes.c.class_name).where(old)).scalars())
    if had == fitting:
        return False
    connection.execute(delete(people_classes).where(old))
    rows = [
        {"login": login, "class_name": name, "source": PROVIDER, "role": "student"}
        for name in sorted(fitting)
    ]
    if rows:
        connection.execute(insert(people_classes), rows)
    return True


def _enrolment(login: str) -> Any:
    return (people_classes.c.login == login) & (people_classes.c.source == ROSTER)


def alter(connection: Connection, login: str, values: dict[str, Any]) -> None:
    connection.execute(update(people).where(people.c.login == login).values(**values))


def forget_tokens(connection: Connection, login: str) -> None:
    connection.execute(delete(people_tokens).where(people_tokens.c.login == login))


def forget(connection: Connection, login: str) -> None:
    """Remove everything about somebody."""
    forget_tokens(connection, login)
    connection.execute(delete(people_classes).where(people_classes.c.login == login))
    connection.execute(delete(people).where(people.c.login == login))
