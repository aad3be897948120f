"""Who may come in: people, their classes, their tokens. One transaction a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from room import access, changes, people_rows, tokens
from room.audit import note
from room.changes import Change
from room.names import normalize_login
from room.person import (
    Accepted,
    AccessOverError,
    ChangedMeanwhileError,
    Everyone,
    Imported,
    NoSuchPersonError,
    NotInClassError,
    Person,
    Refused,
    RevokedError,
    SubjectTakenError,
)
from room.roles import Role
from room.roster import Entry, normalize_class
from room.store.people_tables import people_tokens
from room.store.store import Store
from room.tokens import Token

#: How long a one-time link waits to be opened.
ONE_TIME_LIFE = timedelta(hours=24)
#: Who acts where no person is named.
ROOM = "the room"


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class People:
    """The people of one room, in its store.

    ``clock`` returns an aware UTC time. ``actor`` is who the audit names for what is changed here,
    ``origin`` from where.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime] = utc_now,
        actor: str = ROOM,
        origin: str = "",
    ) -> None:
        self.store = store
        self.clock = clock
        self.actor = actor
        self.origin = origin

    def add(
        self,
        login: str,
        classes: Iterable[str] = (),
        *,
        admin: bool | None = None,
        name: str = "",
        role: Role | None = None,
        until: datetime | None = None,
    ) -> Person:
        """Let somebody in, or change what is given about them.

        A revoked person is back, with no link until a new one is made. Classes are
        added to those they have; ``role`` is theirs in these, ``until`` the end of these, or
        without classes of everything (``changes.NEVER``: no end any more). Raises ``ValueError``
        with the rule for a login or a class that can be none, ``ArchivedError`` for a class
        that is over.
        """
        names = tuple(map(normalize_class, classes))
        roles = tuple((each, role) for each in names if role)
        entry = Entry(normalize_login(login), names, name, roles, until)
        with self._change() as connection:
            self._write(connection, self._planned(connection, entry))
            row = people_rows.row_of(connection, entry.login)
            if row.revoked_at is not None:
                people_rows.forget_tokens(connection, entry.login)
                people_rows.alter(connection, entry.login, {"revoked_at": None})
                self._note(connection, "user-back", entry.login)
            if admin is not None and admin != row.admin:
                people_rows.alter(connection, entry.login, {"admin": admin})
                self._note(connection, "user-admin", entry.login, "yes" if admin else "no")
        return self.get(entry.login)

    def preview(self, entries: Sequence[Entry]) -> tuple[Change, ...]:
        """Return what ``import_roster`` would do with these entries now. Changes nothing.

        Raises ``ArchivedError`` as that does.
        """
        with self.store.read() as connection:
            return tuple(self._planned(connection, entry) for entry in entries)

    def import_roster(
        self,
        entries: Sequence[Entry],
        *,
        links: str = "none",
        deliver: Callable[[Sequence[tuple[Entry, Token]]], None] = lambda made: None,
        as_shown: str = "",
    ) -> Imported:
        """Let everybody of a roster in, or nobody.

        ``links``: ``none``, ``missing`` (who has no usable one) or ``all``.
        ``deliver`` gets the links before anything is committed: when it raises,
        nothing has happened. ``as_shown`` is a preview's digest: raises
        ``ChangedMeanwhileError`` where something else would be done by now.
        """
        revoked: list[str] = []
        made: list[tuple[Entry, Token]] = []
        with self._change() as connection:
            # A file has each login once: what is planned here is what is written below.
            planned = [self._planned(connection, entry) for entry in entries]
            if as_shown and changes.digest(planned) != as_shown:
                raise ChangedMeanwhileError
            for entry, change in zip(entries, planned, strict=True):
                self._write(connection, change)
                if people_rows.row_of(connection, entry.login).revoked_at is not None:
                    revoked.append(entry.login)
                elif links == "all" or (
                    links == "missing" and not self._usable(connection, entry.login)
                ):
                    made.append((entry, self._new_token(connection, entry.login)))
            deliver(made)
        return Imported(tuple(planned), still_revoked=tuple(revoked), links=tuple(made))

    def set_role(self, login: str, class_name: str, role: Role) -> Person:
        """Give somebody a role in a class that they are in, by whosever word.

        Raises ``NoSuchPersonError``, ``NotInClassError``, and ``ArchivedError`` for a class that
        only a provider put them into.
        """
        login, class_name = normalize_login(login), normalize_class(class_name)
        with self._change() as connection:
            person = self._known(connection, login)
            if person is None:
                raise NoSuchPersonError(login)
            if class_name not in {each.class_name for each in person.memberships}:
                raise NotInClassError(login, class_name)
            entry = Entry(login, (class_name,), roles=((class_name, role),))
            self._write(connection, self._planned(connection, entry))
        return self.get(login)

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
            row = people_rows.row_of(connection, login)
            if row.revoked_at is not None:
                raise RevokedError(login, row.revoked_at)
            if not keep:
                people_rows.forget_tokens(connection, login)
            return self._new_token(connection, login, once=once, life=life)

    def give_links(
        self,
        choose: Callable[[Sequence[Person]], Sequence[Person]],
        *,
        life: timedelta | None = None,
        deliver: Callable[[Sequence[tuple[Person, Token]]], None] = lambda made: None,
    ) -> tuple[tuple[Person, Token], ...]:
        """Make a new link for each of those whom ``choose`` picks out of everybody.

        The old ones go on. ``life`` and ``deliver`` are those of ``link`` and ``import_roster``;
        what ``choose`` raises is raised, and nothing has happened.
        """
        with self.store.decide() as connection:
            chosen = choose(people_rows.read(connection, self.clock()))
            made = tuple(
                (person, self._new_token(connection, person.login, life=life)) for person in chosen
            )
            deliver(made)
        return made

    def revoke(self, login: str) -> Person:
        """Keep somebody out from now on: no token, session or provider lets them in again.

        The tokens' rows stay, so that an old link is answered with what happened.
        """
        login = normalize_login(login)
        with self._change() as connection:
            if people_rows.row_of(connection, login).revoked_at is None:
                people_rows.alter(connection, login, {"revoked_at": self.clock()})
                self._note(connection, "user-revoke", login)
        return self.get(login)

    def remove(self, login: str) -> None:
        """Forget somebody. The home stays; whoever gets the login next, gets it."""
        login = normalize_login(login)
        with self._change() as connection:
            people_rows.row_of(connection, login)
            people_rows.forget(connection, login)
            self._note(connection, "user-remove", login)

    def get(self, login: str) -> Person:
        """Return somebody. Raises ``NoSuchPersonError``."""
        with self.store.read() as connection:
            found = self._known(connection, normalize_login(login))
        if found is None:
            raise NoSuchPersonError(login)
        return found

    def find(self, login: str) -> Person | None:
        """Return somebody, or None; a text that can be no login is nobody's."""
        try:
            return self.get(login)
        except (ValueError, NoSuchPersonError):
            return None

    def all(self, class_name: str = "") -> list[Person]:
        """Return everybody, or who is or was in one class, by login."""
        with self.store.read() as connection:
            found = people_rows.read(connection, self.clock())
        return [
            person
            for person in found
            if not class_name or class_name in {each.class_name for each in person.memberships}
        ]

    def everyone(self, known: int = -1) -> Everyone | None:
        """Return all people, or None when nothing has changed since the revision ``known``."""
        with self.store.read() as connection:
            if people_rows.revision(connection) == known:
                return None
            return people_rows.everyone(connection, self.clock())

    def verify(self, pasted: str, login: str = "") -> Accepted | Refused:
        """Say whose token this is. Changes nothing; ``use`` it once the login goes through.

        ``login`` is what the person called themselves, when they did.
        """
        token = tokens.parse(pasted)
        if token is None:
            return Refused("unreadable")
        chosen = select(people_tokens).where(people_tokens.c.id == token.id)
        with self.store.read() as connection:
            row = connection.execute(chosen).one_or_none()
            person = self._known(connection, row.login) if row else None
        return _verdict(token, login, row, person, self.clock())

    def use(self, accepted: Accepted) -> bool:
        """Note the login, and use a one-time token up. False: somebody else was faster."""
        now = self.clock()
        with self.store.decide() as connection:
            mine = people_tokens.c.id == accepted.token_id
            fresh = mine & people_tokens.c.used_at.is_(None) if accepted.once else mine
            used = connection.execute(update(people_tokens).where(fresh).values(used_at=now))
            if used.rowcount != 1:
                return False
            people_rows.alter(connection, accepted.login, {"last_login_at": now})
        return True

    def leave(self, login: str, classes: Iterable[str]) -> Person:
        """Take somebody out of classes that the admin put them in."""
        login, names = normalize_login(login), [normalize_class(name) for name in classes]
        with self._change() as connection:
            people_rows.row_of(connection, login)
            people_rows.withdraw(connection, login, names)
            self._note(connection, "user-leave", login, " ".join(names))
        return self.get(login)

    def enter_by_oauth(self, login: str, subject: str, groups: Iterable[str] = ()) -> Person:
        """Note somebody whom the provider vouched for, and hold the login for that account.

        ``groups`` replace those claimed before. A provider's user names change
        hands, its ``subject`` does not: raises
        ``SubjectTakenError`` when the login came in under another one before,
        ``RevokedError`` for who was revoked, and ``AccessOverError`` for whose time or classes
        are over.
        """
        login = normalize_login(login)
        with self.store.decide() as connection:
            change = self._planned(connection, Entry(login))
            self._write(connection, change)
            row = people_rows.row_of(connection, login)
            if row.revoked_at is not None:
                raise RevokedError(login, row.revoked_at)
            if row.oauth_subject not in (None, subject):
                raise SubjectTakenError(
                    f"The login {login} belongs to another account of the provider."
                )
            claimed = people_rows.claim(connection, login, groups)
            person = self._known(connection, login)
            if person is None or access.closed(person, self.clock()):
                raise AccessOverError(login)
            people_rows.alter(
                connection, login, {"oauth_subject": subject, "last_login_at": self.clock()}
            )
            if claimed or change.kind == "added":
                people_rows.raise_revision(connection)
        return self.get(login)

    def forget_account(self, login: str) -> None:
        """Let the next account of the provider that brings this login have it."""
        login = normalize_login(login)
        with self.store.decide() as connection:
            people_rows.row_of(connection, login)
            people_rows.alter(connection, login, {"oauth_subject": None})
            self._note(connection, "user-account-forget", login)

    @contextmanager
    def _change(self) -> Iterator[Connection]:
        """Decide about who is in, and where: whoever keeps a copy hears that it is old."""
        with self.store.decide() as connection:
            yield connection
            people_rows.raise_revision(connection)

    def _note(self, connection: Connection, action: str, subject: str, detail: str = "") -> None:
        note(connection, self.actor, action, subject, detail, self.clock(), self.origin)

    def _known(self, connection: Connection, login: str) -> Person | None:
        found = people_rows.read(connection, self.clock(), login)
        return found[0] if found else None

    def _planned(self, connection: Connection, entry: Entry) -> Change:
        change = changes.change(self._known(connection, entry.login), entry)
        people_rows.refuse_archived(connection, change)
        return change

    def _write(self, connection: Connection, change: Change) -> None:
        people_rows.apply(connection, change, self.clock())
        if change.kind != "unchanged":
            action = "user-add" if change.kind == "added" else "user-change"
            self._note(connection, action, change.login, "; ".join(map(str, change.fields)))

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
        ends = None if life is None else now + life
        connection.execute(
            insert(people_tokens).values(
                id=token.id,
                login=login,
                digest=token.digest,
                created_at=now,
                expires_at=ends,
                once=once,
            )
        )
        self._note(
            connection, "user-link", login, "" if ends is None else f"until {changes.moment(ends)}"
        )
        return token

    def _usable(self, connection: Connection, login: str) -> int:
        rows = connection.execute(select(people_tokens).where(people_tokens.c.login == login))
        return sum(people_rows.is_usable(row, self.clock()) for row in rows)


def _verdict(
    token: Token, login: str, row: Row[Any] | None, person: Person | None, now: datetime
) -> Accepted | Refused:
    if row is None or person is None or not token.matches(row.digest):
        return Refused("unknown", row.login if row else None)
    if login and login.strip().lower() != row.login:
        return Refused("other-login", row.login)
    closed = access.closed(person, now)
    if closed:
        return Refused("revoked" if closed == "revoked" else "over", row.login)
    if row.once and row.used_at is not None:
        return Refused("used", row.login)
    if row.expires_at is not None and row.expires_at <= now:
        return Refused("expired", row.login)
    return Accepted(row.login, row.id, row.once)
