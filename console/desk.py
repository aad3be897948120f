"""What the pages and the JSON interface show and do: the same for both.

Everything here asks the room's database or the hub, and nothing checks who asks: ``guard`` does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import select

from console.fleet import Waiter
from console.hub import Hub, Server
from room import access
from room.classes import Classes
from room.people import People
from room.person import Person
from room.plans import combine, wording
from room.plans.accounts import accounts
from room.plans.book import Plans
from room.plans.budget import Budget
from room.plans.keys import KEYS
from room.plans.model import ROOM, Effective, EffectivePlan, Subject
from room.plans.rules import NO_RULES, Rules
from room.plans.spending import Meter, meter
from room.roles import Role, openable
from room.store import Store
from room.store.tables import server_exits

#: People on one page of a table.
PAGE = 100


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit of somebody: its text, why it holds, and what was set for them themselves."""

    name: str
    help: str
    rule: str
    value: str
    origin: str
    #: What was set in the running room, and can be changed; None for nothing.
    set: str | None = None
    #: When that ends, as people write it; empty for never, and for what is over.
    until: str = ""
    #: Both as they are compared with what is there when somebody changes them.
    seen: str = ""


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """One line of the admin's table: a class or a person."""

    subject: Subject
    title: str
    note: str
    cells: tuple[LimitRow, ...]


@dataclass(frozen=True, slots=True)
class StudentRow:
    """One line of a class's board."""

    login: str
    name: str
    role: Role
    servers: tuple[Server, ...]
    gpu_hours: str
    #: None: there is no budget.
    meter: Meter | None
    last_end: str
    #: Whether the class's staff may open their server.
    openable: bool


class Desk:
    """One of these per process. What reads the database runs in a thread."""

    def __init__(self, store: Store, plans: Plans, hub: Hub) -> None:
        self.store = store
        self.plans = plans
        self.people = People(store)
        self.classes = Classes(self.people)
        self.hub = hub

    async def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what reads or writes the database, off the event loop."""
        return await asyncio.to_thread(partial(function, *args, **kwargs))

    # -- one person --------------------------------------------------------------------------

    def classes_of(self, login: str) -> tuple[str, ...]:
        """Return the classes that somebody is in; none of whom the room does not know."""
        person = self.people.find(login)
        return () if person is None else access.groups(person, self.plans.clock())

    def limits(self, user: str, classes: Sequence[str]) -> list[LimitRow]:
        """Return every limit of a user."""
        return self._rows(self.plans.effective(user, classes).limits, Subject("user", user))

    def class_limits(self, name: str) -> list[LimitRow]:
        """Return every limit of a class."""
        return self._rows(self.plans.class_plan(name), Subject("class", name))

    def _rows(self, found: Mapping[str, Effective], subject: Subject) -> list[LimitRow]:
        here = self.plans.settings()
        return [self.row(each, subject, here) for each in found.values()]

    def row(self, found: Effective, subject: Subject, here: Mapping[Any, Any]) -> LimitRow:
        """Return one limit of a subject. ``here``: what was set in the running room."""
        setting, zone = here.get((subject, found.key.name)), self.plans.zone
        ends = setting.until if setting else None
        return LimitRow(
            found.key.name,
            found.key.help,
            found.key.quantity.rule,
            found.text,
            wording.origin(found, zone),
            None if setting is None else setting.text,
            wording.ends(ends, zone) if ends and ends > self.plans.clock() else "",
            "" if setting is None else wording.setting(setting, zone),
        )

    def meters(self, budgets: Mapping[str, Budget]) -> dict[str, Meter]:
        """Return what each has used of their GPU-hours; who has no budget is left out."""
        now, zone = self.plans.clock(), self.plans.zone
        with self.store.read() as connection:
            found = accounts(connection, budgets, now, zone)
        return {login: meter(account, now) for login, account in found.items()}

    def meter(self, user: str, classes: Sequence[str]) -> Meter | None:
        """Return what a user has used of their GPU-hours; None: there is no budget."""
        plan = self.plans.effective(user, classes)
        return self.meters({user: plan["gpu_hours"]}).get(user)

    def meters_of(self, logins: Iterable[str]) -> dict[str, Meter]:
        """Return what some have used of their GPU-hours; who has no budget is left out."""
        wanted, now = frozenset(logins), self.plans.clock()
        if not wanted:
            return {}
        rules = self.plans.rules().by_subject()
        groups = {each.login: access.groups(each, now) for each in self.people.all()}
        plans = {login: self._plan_of(login, groups.get(login, ()), rules) for login in wanted}
        return self.meters({login: plan["gpu_hours"] for login, plan in plans.items()})

    # -- a class -----------------------------------------------------------------------------

    async def board(self, name: str) -> list[StudentRow]:
        """Return who is in a class, what of theirs runs, and how their last server ended."""
        people, ends = await asyncio.gather(self.run(self._members, name), self.run(self._ends))
        logins = frozenset(person.login for person, _role in people)
        servers = await self.hub.servers(logins) if logins else []
        plans = await self.run(self._effective, [person for person, _role in people])
        meters = await self.run(
            self.meters, {login: plan["gpu_hours"] for login, plan in plans.items()}
        )
        may = frozenset(openable((each for each, _role in people), name, self.plans.clock()))
        return [
            StudentRow(
                person.login,
                person.name,
                role,
                tuple(server for server in servers if server.user == person.login),
                plans[person.login].limits["gpu_hours"].text,
                meters.get(person.login),
                ends.get(person.login, ""),
                person.login in may,
            )
            for person, role in people
        ]

    async def class_line(self, name: str) -> tuple[Waiter, ...]:
        """Return who of a class waits for a GPU, in the order in which they will be served."""
        logins = frozenset(person.login for person, _role in await self.run(self._members, name))
        line = await self.hub.line() if logins else ()
        return tuple(each for each in line if each.user in logins)

    def _members(self, name: str) -> list[tuple[Person, Role]]:
        now = self.plans.clock()
        return [
            (person, roles[name])
            for person in self.people.all(name)
            if not access.closed(person, now)
            and not person.guest
            and name in (roles := access.roles(person, now))
        ]

    def _ends(self) -> dict[str, str]:
        """Return why each user's own server ended last, where the room itself ended it."""
        with self.store.read() as connection:
            rows = connection.execute(select(server_exits).where(server_exits.c.server == ""))
            return {row.user: row.why for row in rows if row.why and not row.asked}

    def _effective(self, people: Iterable[Person]) -> dict[str, EffectivePlan]:
        rules, now = self.plans.rules().by_subject(), self.plans.clock()
        return {
            person.login: self._plan_of(person.login, access.groups(person, now), rules)
            for person in people
        }

    def pot(self, name: str) -> tuple[Budget, float]:
        return self.plans.pot(name)

    # -- the room ----------------------------------------------------------------------------

    def table(
        self, keys: Sequence[str], query: str = "", page: int = 0
    ) -> tuple[list[SubjectRow], list[SubjectRow], int]:
        """Return the classes, one page of the people, and how many people there are in all.

        ``query``: a part of a login, a name or a class.
        """
        now, word = self.plans.clock(), query.strip().casefold()
        everyone = [each for each in self.people.all() if not access.closed(each, now)]
        groups = {each.login: access.groups(each, now) for each in everyone}
        rules, here = self.plans.rules().by_subject(), self.plans.settings()
        classes = [
            row for row in self._class_rows(groups, keys, rules, here) if word in row.subject.name
        ]
        found = [
            person
            for person in everyone
            if word in " ".join([person.login, person.name.casefold(), *groups[person.login]])
        ]
        shown = found[page * PAGE : (page + 1) * PAGE]
        people = [self._person_row(each, groups[each.login], keys, rules, here) for each in shown]
        return classes, people, len(found)

    def class_rows(self, keys: Sequence[str], more: Iterable[str] = ()) -> list[SubjectRow]:
        """Return the classes with some of their limits. ``more``: names of others to show."""
        now = self.plans.clock()
        everyone = (each for each in self.people.all() if not access.closed(each, now))
        groups = {each.login: access.groups(each, now) for each in everyone}
        rules, here = self.plans.rules().by_subject(), self.plans.settings()
        return self._class_rows(groups, keys, rules, here, more)

    def _class_rows(
        self,
        groups: Mapping[str, Sequence[str]],
        keys: Sequence[str],
        rules: Mapping[Subject, Rules],
        here: Mapping[Any, Any],
        more: Iterable[str] = (),
    ) -> list[SubjectRow]:
        sizes = Counter(name for names in groups.values() for name in names)
        limited = {subject.name for subject in rules if subject.kind == "class"}
        return [
            self._class_row(name, sizes[name], keys, rules, here)
            for name in sorted({*sizes, *limited, *more})
        ]

    def _class_row(
        self,
        name: str,
        size: int,
        keys: Sequence[str],
        rules: Mapping[Subject, Rules],
        here: Mapping[Any, Any],
    ) -> SubjectRow:
        subject, now = Subject("class", name), self.plans.clock()
        limits = (*rules.get(ROOM, NO_RULES).limits, *rules.get(subject, NO_RULES).limits)
        grants = rules.get(subject, NO_RULES).grants
        found = (
            combine.of_class(name, KEYS[key], limits, grants, self.plans.defaults, now)
            for key in keys
        )
        cells = tuple(self.row(each, subject, here) for each in found)
        return SubjectRow(subject, name, str(size), cells)

    def _person_row(
        self,
        person: Person,
        classes: Sequence[str],
        keys: Sequence[str],
        rules: Mapping[Subject, Rules],
        here: Mapping[Any, Any],
    ) -> SubjectRow:
        subject = Subject("user", person.login)
        plan = self._plan_of(person.login, classes, rules)
        cells = tuple(self.row(plan.limits[key], subject, here) for key in keys)
        return SubjectRow(subject, person.name or person.login, ", ".join(classes), cells)

    def _plan_of(
        self, login: str, classes: Sequence[str], rules: Mapping[Subject, Rules]
    ) -> EffectivePlan:
        subjects = [ROOM, *(Subject("class", name) for name in classes), Subject("user", login)]
        mine = [rules[each] for each in subjects if each in rules]
        return combine.effective(
            login,
            classes,
            [limit for each in mine for limit in each.limits],
            [grant for each in mine for grant in each.grants],
            self.plans.defaults,
            self.plans.clock(),
        )
