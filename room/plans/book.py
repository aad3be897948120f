"""Plans for good: what was set in the running room, by whom, and how to take it back.

Each change is one transaction, with its row in the audit. Two who change the same limit at the
same moment come one after the other, both in the history; who saw a value that is gone is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone, tzinfo
from typing import Any

from sqlalchemy import Connection, CursorResult, delete, insert, select, update

from room import access, people_rows
from room.plans import authority, budget, combine, refusals, rows, wording
from room.plans.authority import Actor
from room.plans.budget import Budget
from room.plans.keys import KEYS, Key
from room.plans.model import ROOM, Effective, EffectivePlan, Limit, Setting, Subject
from room.plans.rows import Entry
from room.plans.rules import Rules
from room.store.plan_tables import plan_grants, plan_limits
from room.store.store import Store
from room.store.tables import audit


class ChangedMeanwhileError(ValueError):
    """The value that somebody looked at is no longer the one that is there."""


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Plans:
    """The plans of one room. Called from the store's thread, or from a command.

    ``written``: the limits of room.yaml. ``defaults``: values where nobody says one.
    """

    def __init__(
        self,
        store: Store,
        written: Sequence[Limit] = (),
        defaults: Mapping[str, Any] | None = None,
        zone: tzinfo = timezone.utc,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self.written = tuple(written)
        self.defaults = dict(defaults or {})
        self.zone = zone
        self.clock = clock

    # -- what holds --------------------------------------------------------------------------

    def rules(self) -> Rules:
        """Return all that was set, for whoever looks at many users at once."""
        with self._store.read() as connection:
            return self._rules(connection, None)

    def settings(self) -> dict[tuple[Subject, str], Setting]:
        """Return what was set in the running room, by subject and limit."""
        with self._store.read() as connection:
            return {
                (Subject(row.kind, row.name), row.key): Setting(
                    Subject(row.kind, row.name), KEYS[row.key], row.value, row.until
                )
                for row in connection.execute(select(plan_limits))
                if row.key in KEYS
            }

    def effective(
        self, user: str, classes: Iterable[str], defaults: Mapping[str, Any] | None = None
    ) -> EffectivePlan:
        """Return what holds for a user now. ``defaults`` are used instead of the room's."""
        names = tuple(classes)
        mine = [ROOM, Subject("user", user), *(Subject("class", name) for name in names)]
        with self._store.read() as connection:
            found = self._rules(connection, mine)
        return combine.effective(
            user,
            names,
            found.limits,
            found.grants,
            self.defaults if defaults is None else defaults,
            self.clock(),
        )

    def weights(self) -> dict[str, float]:
        """Return the share of each class for which one is set."""
        priority, now = KEYS["priority"], self.clock()
        with self._store.read() as connection:
            here = select(plan_limits).where(plan_limits.c.key == priority.name)
            said = (*self.written, *filter(None, map(rows.to_limit, connection.execute(here))))
        limits = [each for each in said if each.key == priority]
        return {
            name: combine.of_class(name, priority, limits, (), {}, now).value
            for name in {each.subject.name for each in limits if each.holds(now)}
        }

    def of_class(self, name: str, key: Key) -> Effective:
        """Return what holds for a class itself."""
        with self._store.read() as connection:
            return self._of_class(connection, name, key)

    def class_plan(self, name: str) -> dict[str, Effective]:
        """Return every limit of a class itself."""
        with self._store.read() as connection:
            found, now = self._rules(connection, [ROOM, Subject("class", name)]), self.clock()
        return {
            key.name: combine.of_class(name, key, found.limits, found.grants, self.defaults, now)
            for key in KEYS.values()
        }

    def pot(self, name: str) -> tuple[Budget, float]:
        """Return a class's pot, and the hours that its instructors gave in the window of now."""
        with self._store.read() as connection:
            pot = self._of_class(connection, name, KEYS["gpu_pot"]).value
            return pot, self._given(connection, name, pot)

    def _of_class(self, connection: Connection, name: str, key: Key) -> Effective:
        found = self._rules(connection, [ROOM, Subject("class", name)])
        return combine.of_class(name, key, found.limits, found.grants, self.defaults, self.clock())

    def _rules(self, connection: Connection, subjects: Sequence[Subject] | None) -> Rules:
        limits, grants = select(plan_limits), select(plan_grants).order_by(plan_grants.c.id)
        if subjects is not None:
            limits = limits.where(rows.about(plan_limits, subjects))
            grants = grants.where(rows.about(plan_grants, subjects))
        grants = grants.where(
            plan_grants.c.revoked_at.is_(None), plan_grants.c.until > self.clock()
        )
        return Rules(
            (*self.written, *filter(None, map(rows.to_limit, connection.execute(limits)))),
            tuple(filter(None, map(rows.to_grant, connection.execute(grants)))),
        )

    # -- changes -----------------------------------------------------------------------------

    def set(
        self,
        settings: Sequence[Setting],
        actor: Actor,
        *,
        expected: Mapping[tuple[Subject, str], str | None] | None = None,
    ) -> tuple[int, ...]:
        """Set values, or take them away, all of them or none. Return the history's numbers.

        ``expected``: what somebody saw there, with its end, as ``2 until 2026-12-18``; None for
        nothing. What changes nothing is not written. Raises ``NotAllowedError`` and
        ``ChangedMeanwhileError``.
        """
        with self._store.decide() as connection:
            return tuple(
                number
                for each in settings
                if (number := self._set(connection, each, actor, expected)) is not None
            )

    def _set(
        self,
        connection: Connection,
        setting: Setting,
        actor: Actor,
        expected: Mapping[tuple[Subject, str], str | None] | None,
    ) -> int | None:
        subject, key = setting.subject, setting.key
        if subject.kind not in key.subjects:
            raise ValueError(refusals.not_its_limit(key, subject))
        row = connection.execute(select(plan_limits).where(rows.of(subject, key))).one_or_none()
        if expected is not None and (subject, key.name) in expected:
            found = Setting(subject, key, row.value, row.until) if row else None
            _check_seen(found, subject, key, expected[subject, key.name], self.zone)
        current = self._written(subject, key) if row is None else rows.to_limit(row)
        authority.may_set(actor, subject, key, current, _classes(connection, subject, self.clock()))
        old = None if row is None else rows.state(row.value, row.until, row.behalf)
        new = (
            None
            if setting.text is None
            else rows.state(key.text(key.parse(setting.text)), setting.until, actor.behalf)
        )
        if old == new:
            return None
        self._write(connection, subject, key, new, actor)
        return self._note(connection, actor, "plan-set", subject, key.name, old, new)

    def _written(self, subject: Subject, key: Key) -> Limit | None:
        """Return what room.yaml says of a subject now."""
        now = self.clock()
        said = (each for each in self.written if each.subject == subject and each.key == key)
        return next((each for each in said if each.holds(now)), None)

    def _write(
        self,
        connection: Connection,
        subject: Subject,
        key: Key,
        new: Mapping[str, Any] | None,
        actor: Actor,
    ) -> None:
        connection.execute(delete(plan_limits).where(rows.of(subject, key)))
        if new is not None:
            connection.execute(
                insert(plan_limits).values(
                    kind=subject.kind,
                    name=subject.name,
                    key=key.name,
                    value=new["value"],
                    until=rows.moment(new.get("until")),
                    set_by=actor.name,
                    set_at=self.clock(),
                    behalf=new.get("behalf", ""),
                )
            )

    def grant(
        self,
        subject: Subject,
        key: Key,
        amount: Any,
        until: datetime,
        actor: Actor,
    ) -> int:
        """Give an amount on top until some time; return the grant's number.

        Raises ``NotAllowedError``, and ``ValueError`` for a limit of which nothing can be given.
        """
        if not key.grantable or subject.kind not in key.subjects:
            raise ValueError(refusals.nothing_to_grant(key))
        now = self.clock()
        if until <= now:
            raise ValueError(refusals.over_already())
        with self._store.decide() as connection:
            if actor.behalf:
                pot = self._of_class(connection, actor.behalf, KEYS["gpu_pot"]).value
                hours = amount.hours if isinstance(amount, Budget) else 0.0
                authority.may_grant(
                    actor,
                    subject,
                    key,
                    hours,
                    _classes(connection, subject, self.clock()),
                    pot,
                    self._given(connection, actor.behalf, pot),
                    budget.window(pot, now, self.zone)[1],
                )
            made = connection.execute(
                insert(plan_grants).values(
                    kind=subject.kind,
                    name=subject.name,
                    key=key.name,
                    amount=key.text(amount),
                    granted_at=now,
                    until=until,
                    granted_by=actor.name,
                    behalf=actor.behalf,
                )
            )
            number = _number(made)
            new = {"grant": number, **rows.state(f"+{key.text(amount)}", until, actor.behalf)}
            self._note(connection, actor, "plan-grant", subject, key.name, None, new)
            return number

    def _given(self, connection: Connection, name: str, pot: Budget) -> float:
        begins = budget.window(pot, self.clock(), self.zone)[0]
        given = connection.execute(
            select(plan_grants.c.amount).where(
                plan_grants.c.behalf == name,
                plan_grants.c.key == "gpu_hours",
                plan_grants.c.revoked_at.is_(None),
                plan_grants.c.granted_at >= begins,
            )
        )
        return float(sum(budget.parse(row.amount).hours for row in given))

    def undo(self, number: int, actor: Actor) -> int:
        """Take one change of the history back; return the number of the change that does it.

        Raises ``LookupError`` when there is no such change, ``ChangedMeanwhileError`` when it was
        changed again since, and ``NotAllowedError``.
        """
        with self._store.decide() as connection:
            row = connection.execute(select(audit).where(audit.c.id == number)).one_or_none()
            entry = None if row is None else rows.to_entry(row)
            if entry is None or entry.key not in KEYS:
                raise LookupError(refusals.no_change(number))
            key = KEYS[entry.key]
            if entry.action == "plan-grant":
                return self._revoke(connection, entry, actor)
            found = connection.execute(
                select(plan_limits).where(rows.of(entry.subject, key))
            ).one_or_none()
            here = None if found is None else rows.state(found.value, found.until, found.behalf)
            if here != entry.new:
                raise ChangedMeanwhileError(refusals.changed_since(key.name, entry.subject, here))
            current = self._written(entry.subject, key) if found is None else rows.to_limit(found)
            authority.may_set(
                actor,
                entry.subject,
                key,
                current,
                _classes(connection, entry.subject, self.clock()),
            )
            self._write(connection, entry.subject, key, entry.old, actor)
            return self._note(
                connection, actor, "plan-set", entry.subject, key.name, here, entry.old, number
            )

    def _revoke(self, connection: Connection, entry: Entry, actor: Actor) -> int:
        grant = (entry.new or {}).get("grant")
        row = connection.execute(
            select(plan_grants).where(plan_grants.c.id == grant, plan_grants.c.revoked_at.is_(None))
        ).one_or_none()
        if row is None:
            raise ChangedMeanwhileError(refusals.taken_back_already())
        if actor.behalf and row.behalf != actor.behalf:
            raise authority.NotAllowedError(refusals.not_yours_to_take_back())
        connection.execute(
            update(plan_grants).where(plan_grants.c.id == grant).values(revoked_at=self.clock())
        )
        return self._note(
            connection,
            actor,
            "plan-revoke",
            entry.subject,
            entry.key,
            entry.new,
            None,
            entry.id,
        )

    # -- history -----------------------------------------------------------------------------

    def history(
        self, subjects: Collection[Subject] | None = None, limit: int = 50
    ) -> tuple[Entry, ...]:
        """Return the latest changes, newest first; of some subjects only, or of all."""
        wanted = select(audit).where(audit.c.action.like("plan-%"))
        if subjects is not None:
            wanted = wanted.where(audit.c.subject.in_([str(each) for each in subjects]))
        with self._store.read() as connection:
            found = connection.execute(wanted.order_by(audit.c.id.desc()).limit(limit))
            return tuple(map(rows.to_entry, found))

    def _note(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        subject: Subject,
        key: str,
        old: Mapping[str, Any] | None,
        new: Mapping[str, Any] | None,
        undoes: int | None = None,
    ) -> int:
        made = connection.execute(
            insert(audit).values(
                at=self.clock(),
                actor=actor.name,
                origin=actor.origin,
                action=action,
                subject=str(subject),
                detail=key,
                old=None if old is None else json.dumps(old),
                new=None if new is None else json.dumps(new),
                undoes=undoes,
            )
        )
        return _number(made)


def _number(made: CursorResult[Any]) -> int:
    key = made.inserted_primary_key
    if key is None:
        raise RuntimeError("the database gave the new row no number")
    return int(key[0])


def _classes(connection: Connection, subject: Subject, now: datetime) -> Collection[str]:
    """Return the classes that somebody is in by now: an instructor's word ends with the class."""
    if subject.kind != "user":
        return ()
    people = people_rows.read(connection, now, subject.name)
    return {name for person in people for name in access.groups(person, now)}


def _check_seen(
    found: Setting | None, subject: Subject, key: Key, seen: str | None, zone: tzinfo
) -> None:
    text = None if found is None else wording.setting(found, zone)
    if text != seen:
        raise ChangedMeanwhileError(refusals.changed_meanwhile(key, subject, text, seen))
