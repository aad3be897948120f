"""Who may come in: people, their classes, their tokens. One transaction a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from room import tokens
from room.names import normalize_login
from room.person import (
    Accepted,
    Imported,
    NoSuchPersonError,
    Person,
    Refused,
    RevokedError,
    SubjectTakenError,
)
from room.roster import Entry, normalize_class
from room.store.people_tables import people, people_classes, people_tokens
from room.store.store import Store
from room.tokens import Token

#: How long a one-time link waits to be opened.
ONE_TIME_LIFE = timedelta(hours=24)
#: Who said that somebody is in a class.
ROSTER, PROVIDER = "roster", "provider"
#: What JupyterHub keeps of a group's name.
MAX_GROUP = 255


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class People:
    """The people of one room, in its store. ``clock`` returns an aware UTC time."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = utc_now) -> None:
        self.store = store
        self.clock = clock

    def add(
        self,
        login: str,
        classes: Iterable[str] = (),
        *,
        admin: bool | None = None,
        name: str = "",
    ) -> Person:
        """Let somebody in, or change what is given about them.

        A revoked person is back, with no link until a new one is made. Classes are
        added to those they have. Raises ``ValueError`` with the rule for a login or
        a class that can be none.
        """
        entry = Entry(normalize_login(login), tuple(map(normalize_class, classes)), name)
        with self.store.decide() as connection:
            self._upsert(connection, entry)
            if self._is_revoked(connection, entry.login):
                _forget_tokens(connection, entry.login)
                _change(connection, entry.login, {"revoked_at": None})
            if admin is not None:
                _change(connection, entry.login, {"admin": admin})
        return self.get(entry.login)

    def import_roster(
        self,
        entries: Sequence[Entry],
        *,
        links: str = "none",
        deliver: Callable[[Sequence[tuple[Entry, Token]]], None] = lambda made: None,
    ) -> Imported:
        """Let everybody of a roster in, or nobody.

        ``links``: ``none``, ``missing`` (who has no usable one) or ``all``.
        ``deliver`` gets the links before anything is committed: when it raises,
        nothing has happened.
        """
        outcome: dict[str, list[str]] = {"added": [], "updated": [], "unchanged": []}
        revoked: list[str] = []
        made: list[tuple[Entry, Token]] = []
        with self.store.decide() as connection:
            for entry in entries:
                outcome[self._upsert(connection, entry)].append(entry.login)
                if self._is_revoked(connection, entry.login):
                    revoked.append(entry.login)
                elif links == "all" or (
                    links == "missing" and not self._usable(connection, entry.login)
                ):
                    made.append((entry, self._new_token(connection, entry.login)))
            deliver(made)
        kept = {key: tuple(logins) for key, logins in outcome.items()}
        return Imported(**kept, still_revoked=tuple(revoked), links=tuple(made))

    def link(
        self,
        login: str,
        *,
        once: bool = False,
        life: timedelta | None = None,
        keep: bool = False,
    ) -> Token:
        """Return a new token of somebody's; the earlier ones stop working unless ``keep``.

        A ``once`` token works for one login, within ``life`` (24 hours unless given);
        others as often as wanted and, without ``life``, for as long as the person is in.
        Raises ``NoSuchPersonError`` and ``RevokedError``.
        """
        login = normalize_login(login)
        with self.store.decide() as connection:
            row = _row(connection, login)
            if row.revoked_at is not None:
                raise RevokedError(login, row.revoked_at)
            if not keep:
                _forget_tokens(connection, login)
            return self._new_token(connection, login, once=once, life=life)

    def revoke(self, login: str) -> Person:
        """Keep somebody out from now on: no token, session or provider lets them in again.

        The tokens' rows stay, so that an old link is answered with what happened.
        """
        login = normalize_login(login)
        with self.store.decide() as connection:
            row = _row(connection, login)
            if row.revoked_at is None:
                _change(connection, login, {"revoked_at": self.clock()})
        return self.get(login)

    def remove(self, login: str) -> None:
        """Forget somebody. The home stays; whoever gets the login next, gets it."""
        login = normalize_login(login)
        with self.store.decide() as connection:
            _row(connection, login)
            _forget_tokens(connection, login)
            connection.execute(delete(people_classes).where(people_classes.c.login == login))
            connection.execute(delete(people).where(people.c.login == login))

    def get(self, login: str) -> Person:
        """Return somebody. Raises ``NoSuchPersonError``."""
        found = self._read(normalize_login(login))
        if not found:
            raise NoSuchPersonError(login)
        return found[0]

    def find(self, login: str) -> Person | None:
        """Return somebody, or None; a text that can be no login is nobody's."""
        try:
            return self.get(login)
        except (ValueError, NoSuchPersonError):
            return None

    def all(self, class_name: str = "") -> list[Person]:
        """Return everybody, or those of one class, by login."""
        found = self._read()
        return [person for person in found if not class_name or class_name in person.groups]

    def verify(self, pasted: str, login: str = "") -> Accepted | Refused:
        """Say whose token this is. Changes nothing; ``use`` it once the login goes through.

        ``login`` is what the person called themselves, when they did.
        """
        token = tokens.parse(pasted)
        if token is None:
            return Refused("unreadable")
        with self.store.read() as connection:
            row = connection.execute(
                select(people_tokens, people.c.revoked_at)
                .join(people, people.c.login == people_tokens.c.login)
                .where(people_tokens.c.id == token.id)
            ).one_or_none()
        return _verdict(token, login, row, self.clock())

    def use(self, accepted: Accepted) -> bool:
        """Note the login, and use a one-time token up. False: somebody else was faster."""
        now = self.clock()
        with self.store.decide() as connection:
            mine = people_tokens.c.id == accepted.token_id
            fresh = mine & people_tokens.c.used_at.is_(None) if accepted.once else mine
            used = connection.execute(update(people_tokens).where(fresh).values(used_at=now))
            if used.rowcount != 1:
                return False
            _change(connection, accepted.login, {"last_login_at": now})
        return True

    def leave(self, login: str, classes: Iterable[str]) -> Person:
        """Take somebody out of classes that the admin put them in."""
        login, names = normalize_login(login), [normalize_class(name) for name in classes]
        mine = (people_classes.c.login == login) & (people_classes.c.source == ROSTER)
        with self.store.decide() as connection:
            _row(connection, login)
            chosen = mine & people_classes.c.class_name.in_(names)
            connection.execute(delete(people_classes).where(chosen))
        return self.get(login)

    def enter_by_oauth(self, login: str, subject: str, groups: Iterable[str] = ()) -> Person:
        """Note somebody whom the provider vouched for, and hold the login for that account.

        ``groups`` replace those claimed before. A provider's user names change
        hands, its ``subject`` does not: raises
        ``SubjectTakenError`` when the login came in under another one before, and
        ``RevokedError`` for who was revoked.
        """
        login = normalize_login(login)
        with self.store.decide() as connection:
            self._upsert(connection, Entry(login))
            row = _row(connection, login)
            if row.revoked_at is not None:
                raise RevokedError(login, row.revoked_at)
            if row.oauth_subject not in (None, subject):
                raise SubjectTakenError(
                    f"The login {login} belongs to another account of the provider."
                )
            _change(connection, login, {"oauth_subject": subject, "last_login_at": self.clock()})
            _claim(connection, login, groups)
        return self.get(login)

    def forget_account(self, login: str) -> None:
        """Let the next account of the provider that brings this login have it."""
        login = normalize_login(login)
        with self.store.decide() as connection:
            _row(connection, login)
            _change(connection, login, {"oauth_subject": None})

    def _upsert(self, connection: Connection, entry: Entry) -> str:
        """Write one entry. Return ``added``, ``updated`` or ``unchanged``."""
        before = connection.execute(
            select(people.c.name).where(people.c.login == entry.login)
        ).one_or_none()
        if before is None:
            values = {"login": entry.login, "name": entry.name, "added_at": self.clock()}
            connection.execute(insert(people).values(**values, admin=False))
        renamed = before is not None and entry.name not in ("", before.name)
        if renamed:
            _change(connection, entry.login, {"name": entry.name})
        has = _classes(connection, entry.login)
        missing = [name for name in entry.classes if name not in has]
        _enrol(connection, entry.login, missing, ROSTER)
        if before is None:
            return "added"
        return "updated" if renamed or missing else "unchanged"

    def _new_token(
        self,
        connection: Connection,
        login: str,
        *,
        once: bool = False,
        life: timedelta | None = None,
    ) -> Token:
        token, now = tokens.new(), self.clock()
        life = life if life is not None else (ONE_TIME_LIFE if once else None)
        connection.execute(
            insert(people_tokens).values(
                id=token.id,
                login=login,
                digest=token.digest,
                created_at=now,
                expires_at=None if life is None else now + life,
                once=once,
            )
        )
        return token

    def _is_revoked(self, connection: Connection, login: str) -> bool:
        return _row(connection, login).revoked_at is not None

    def _usable(self, connection: Connection, login: str) -> int:
        rows = connection.execute(select(people_tokens).where(people_tokens.c.login == login))
        return sum(_is_usable(row, self.clock()) for row in rows)

    def _read(self, login: str | None = None) -> list[Person]:
        wanted = select(people).order_by(people.c.login)
        classes = select(people_classes).order_by(people_classes.c.class_name)
        links = select(people_tokens)
        if login is not None:
            wanted = wanted.where(people.c.login == login)
            classes = classes.where(people_classes.c.login == login)
            links = links.where(people_tokens.c.login == login)
        member: dict[tuple[str, str], list[str]] = {}
        usable: dict[str, int] = {}
        with self.store.read() as connection:
            rows = connection.execute(wanted).all()
            for row in connection.execute(classes):
                member.setdefault((row.login, row.source), []).append(row.class_name)
            for row in connection.execute(links):
                usable[row.login] = usable.get(row.login, 0) + _is_usable(row, self.clock())
        return [
            Person(
                **row._mapping,
                classes=tuple(member.get((row.login, ROSTER), ())),
                claimed=tuple(member.get((row.login, PROVIDER), ())),
                links=0 if row.revoked_at else usable.get(row.login, 0),
            )
            for row in rows
        ]


def _verdict(token: Token, login: str, row: Row[Any] | None, now: datetime) -> Accepted | Refused:
    if row is None or not token.matches(row.digest):
        return Refused("unknown", row.login if row else None)
    if login and login.strip().lower() != row.login:
        return Refused("other-login", row.login)
    if row.revoked_at is not None:
        return Refused("revoked", row.login)
    if row.once and row.used_at is not None:
        return Refused("used", row.login)
    if row.expires_at is not None and row.expires_at <= now:
        return Refused("expired", row.login)
    return Accepted(row.login, row.id, row.once)


def _is_usable(row: Row[Any], now: datetime) -> bool:
    used_up = row.once and row.used_at is not None
    return not used_up and (row.expires_at is None or row.expires_at > now)


def _row(connection: Connection, login: str) -> Row[Any]:
    row = connection.execute(select(people).where(people.c.login == login)).one_or_none()
    if row is None:
        raise NoSuchPersonError(login)
    return row


def _classes(connection: Connection, login: str) -> set[str]:
    chosen = select(people_classes.c.class_name).where(
        people_classes.c.login == login, people_classes.c.source == ROSTER
    )
    return set(connection.execute(chosen).scalars())


def _enrol(connection: Connection, login: str, names: Iterable[str], source: str) -> None:
    rows = [{"login": login, "class_name": name, "source": source} for name in names]
    if rows:
        connection.execute(insert(people_classes), rows)


def _claim(connection: Connection, login: str, groups: Iterable[str]) -> None:
    old = (people_classes.c.login == login) & (people_classes.c.source == PROVIDER)
    connection.execute(delete(people_classes).where(old))
    # The provider chooses its groups' names; what no group of the hub can be called is left out.
    fitting = {name for name in groups if 0 < len(name) <= MAX_GROUP}
    _enrol(connection, login, sorted(fitting), PROVIDER)


def _change(connection: Connection, login: str, values: dict[str, Any]) -> None:
    connection.execute(update(people).where(people.c.login == login).values(**values))


def _forget_tokens(connection: Connection, login: str) -> None:
    connection.execute(delete(people_tokens).where(people_tokens.c.login == login))
