"""The rule by which plans combine. Pure.

- A limit of the room counts less than one of a class, and that less than the user's own.
- Of several classes the most generous value of each limit counts.
- For the same subject, what was set in the running room counts more than room.yaml, and of
  several entries of room.yaml the last.
- What an instructor set for a student counts where no admin set anything for that student, is cut
  to what the class itself has, and counts only while the student is in the class.
- Grants that still hold are added: those of the user, and of each class the most generous sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from room.plans.keys import KEYS, Key
from room.plans.model import ROOM, Effective, EffectivePlan, Grant, Limit, Origin, Subject


def effective(
    user: str,
    classes: Iterable[str],
    limits: Sequence[Limit],
    grants: Sequence[Grant],
    defaults: Mapping[str, Any],
    now: datetime,
) -> EffectivePlan:
    """Return what holds for a user. ``defaults``: the room's own where nobody set one."""
    names = tuple(sorted(set(classes)))
    mine = {ROOM, Subject("user", user), *(Subject("class", name) for name in names)}
    table = _table(
        limit
        for limit in limits
        if limit.subject in mine and limit.holds(now) and limit.behalf in ("", *names)
    )
    given = [grant for grant in grants if grant.subject in mine and grant.holds(now)]
    found = {
        name: _one(key, user, names, table, given, defaults)
        for name, key in KEYS.items()
        if "user" in key.subjects
    }
    return EffectivePlan(user, names, found)


def of_class(
    name: str,
    key: Key,
    limits: Iterable[Limit],
    grants: Iterable[Grant],
    defaults: Mapping[str, Any],
    now: datetime,
) -> Effective:
    """Return what holds for a class itself, and so at most for what its instructors give."""
    here = Subject("class", name)
    table = _table(each for each in limits if each.subject in (here, ROOM) and each.holds(now))
    given = [each for each in grants if each.subject == here and each.holds(now)]
    return _class_value(key, name, table, given, defaults)


_Table = Mapping[tuple[Subject, str], Limit]


def _table(limits: Iterable[Limit]) -> _Table:
    """Return the one limit of each subject and key that counts: an admin's, then the room's own."""
    table: dict[tuple[Subject, str], Limit] = {}
    for limit in limits:
        place = (limit.subject, limit.key.name)
        if place not in table or _rank(limit) >= _rank(table[place]):
            table[place] = limit
    return table


def _rank(limit: Limit) -> tuple[bool, bool]:
    return not limit.behalf, not limit.written


def _one(
    key: Key,
    user: str,
    classes: Sequence[str],
    table: _Table,
    grants: Sequence[Grant],
    defaults: Mapping[str, Any],
) -> Effective:
    below = _below(key, classes, table, grants, defaults)
    own = table.get((Subject("user", user), key.name))
    result = below
    if own is not None:
        value, cut = own.value, ""
        if own.behalf:
            allowed = _class_value(key, own.behalf, table, grants, defaults).value
            value = key.quantity.least([own.value, allowed])
            cut = own.behalf if value != own.value else ""
        result = Effective(key, value, Origin((own,), (), cut))
    mine = [
        grant
        for grant in grants
        if grant.subject == Subject("user", user)
        and grant.key == key
        and (not grant.behalf or grant.behalf in classes)
    ]
    return _with(result, mine)


def _below(
    key: Key,
    classes: Sequence[str],
    table: _Table,
    grants: Sequence[Grant],
    defaults: Mapping[str, Any],
) -> Effective:
    """Return what holds for a user who has nothing of their own."""
    said = [
        _class_value(key, name, table, grants, defaults)
        for name in classes
        if (Subject("class", name), key.name) in table
        or any(g.subject == Subject("class", name) and g.key == key for g in grants)
    ]
    if not said:
        return _room_value(key, table, defaults)
    most = key.quantity.most(each.value for each in said)
    giving = [each for each in said if each.value == most] or said
    limits = tuple(dict.fromkeys(limit for each in giving for limit in each.origin.limits))
    granted = tuple(dict.fromkeys(grant for each in giving for grant in each.origin.grants))
    return Effective(key, most, Origin(limits, granted))


def _class_value(
    key: Key, name: str, table: _Table, grants: Sequence[Grant], defaults: Mapping[str, Any]
) -> Effective:
    own = table.get((Subject("class", name), key.name))
    base = (
        _room_value(key, table, defaults)
        if own is None
        else Effective(key, own.value, Origin((own,)))
    )
    return _with(base, [g for g in grants if g.subject == Subject("class", name) and g.key == key])


def _room_value(key: Key, table: _Table, defaults: Mapping[str, Any]) -> Effective:
    own = table.get((ROOM, key.name))
    if own is not None:
        return Effective(key, own.value, Origin((own,)))
    return Effective(key, defaults.get(key.name, key.parse(key.otherwise)))


def _with(base: Effective, grants: Sequence[Grant]) -> Effective:
    if not grants:
        return base
    value = base.value
    for grant in grants:
        value = base.key.quantity.plus(value, grant.amount)
    origin = Origin(base.origin.limits, (*base.origin.grants, *grants), base.origin.cut_to)
    return Effective(base.key, value, origin)
