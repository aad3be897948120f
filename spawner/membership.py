"""Keeps JupyterHub's groups and roles as the room's people are, while the hub runs.

JupyterHub reads roles when it starts, and groups at a login. Here both follow at the next request
of anybody after a change: a class is there without a restart, and whoever was taken out of it, or
out of its staff, is out at once, sessions and tokens included. Their scopes are computed from the
hub's database at each request, and that is what is kept right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from jupyterhub import orm, roles
from sqlalchemy.orm import Session

from room import access
from room.people import People
from room.person import Everyone, Person
from spawner.class_roles import PREFIX, ClassRole, Wanted, wanted


class Membership:
    """The people as the hub knows them by now: a copy that is asked after, and read only if old."""

    def __init__(self, people: People, log: logging.Logger) -> None:
        self.people = people
        self.log = log
        self._everyone = Everyone(-1, ())
        self._by_login: dict[str, Person] = {}
        self._wanted = Wanted({}, {})
        self._next_change: datetime | None = None
        #: Whether what is wanted has still to be written: the hub's database may be locked.
        self._due = False

    async def find(self, db: Session, login: str) -> Person | None:
        """Return somebody as they are now, with the hub's groups and roles brought up to date."""
        await self.follow(db)
        return self._by_login.get(login)

    async def follow(self, db: Session) -> None:
        """Bring the hub's groups and roles up to date, where something has changed."""
        found = await self.people.store.run(self.people.everyone, self._everyone.revision)
        # Another request may have brought something newer meanwhile.
        if found is not None and found.revision > self._everyone.revision:
            self._everyone = found
            self._by_login = {person.login: person for person in found.people}
            self._want()
        elif self._next_change is not None and self._next_change <= self.people.clock():
            self._want()
        if self._due:
            self.carry_out(db)

    def _want(self) -> None:
        now = self.people.clock()
        self._wanted = wanted(self._everyone.people, now)
        self._next_change = access.next_change(self._everyone.people, now)
        self._due = True

    def differs(self, login: str, groups: Iterable[str]) -> bool:
        """Say whether the hub has somebody in other groups than they are in."""
        return self._wanted.groups_of(login) != frozenset(groups)

    def carry_out(self, db: Session) -> None:
        """Write into the hub's database what differs from what is wanted; nothing is awaited."""
        if self._everyone.revision < 0:
            return  # The hub starts, and nobody has been looked up: what it has is the best known.
        _sync_groups(db, self._wanted, self.log)
        _sync_roles(db, self._wanted.roles, self.log)
        db.commit()
        self._due = False


def _sync_groups(db: Session, target: Wanted, log: logging.Logger) -> None:
    has: dict[str, set[str]] = {}
    for login, group in db.query(orm.User.name, orm.Group.name).outerjoin(orm.User.groups):
        has.setdefault(login, set()).update([group] if group else [])
    changed = {login for login, groups in has.items() if groups != target.groups_of(login)}
    if not changed:
        return
    names = set[str]().union(*(target.groups_of(login) for login in changed))
    groups = _groups(db, names)
    for user in db.query(orm.User).filter(orm.User.name.in_(changed)):
        user.groups = [groups[name] for name in sorted(target.groups_of(user.name))]
        log.info("%s is in: %s", user.name, ", ".join(sorted(target.groups_of(user.name))) or "-")


def _groups(db: Session, names: set[str]) -> dict[str, Any]:
    """Return the hub's groups of these names, each made where there is none."""
    found = {group.name: group for group in db.query(orm.Group).filter(orm.Group.name.in_(names))}
    for name in sorted(names - found.keys()):
        found[name] = orm.Group(name=name)
        db.add(found[name])
    return found


def _sync_roles(db: Session, target: Mapping[str, ClassRole], log: logging.Logger) -> None:
    # Marked as managed: JupyterHub would remove others at its start, as not in its configuration.
    ours = orm.Role.name.startswith(PREFIX, autoescape=True) & orm.Role.managed_by_auth
    has = {role.name: role for role in db.query(orm.Role).filter(ours)}
    for name in sorted(has.keys() - target.keys()):
        log.info("Role %s is over", name)
        db.delete(has[name])
    for name, role in sorted(target.items()):
        spec = {
            "name": name,
            "description": role.description,
            "scopes": list(role.scopes),
            "managed_by_auth": True,
        }
        found = has.get(name)
        if found is None or (found.scopes, found.description) != (spec["scopes"], role.description):
            found = roles.create_role(db, spec, commit=False)
        holders = {user.name for user in found.users}
        if holders == role.users:
            continue
        found.users = db.query(orm.User).filter(orm.User.name.in_(role.users)).all()
        log.info("Role %s is held by: %s", name, ", ".join(sorted(role.users)))
