"""One cell of the admin's table: what holds, what is set, and what would hold without it."""

from __future__ import annotations

from dataclasses import dataclass

from console.desk import Desk, LimitRow
from room.plans import combine
from room.plans.keys import KEYS, Key
from room.plans.model import Effective, Limit, Subject
from room.plans.rules import Rules


@dataclass(frozen=True, slots=True)
class Cell:
    """``row`` is what holds, and what is set."""

    subject: Subject
    row: LimitRow
    #: What holds where nothing is set, and because of what.
    below: LimitRow


def find(desk: Desk, subject: Subject, key: Key) -> Cell:
    """Return a cell. Reads the database."""
    rules, here = desk.plans.rules(), desk.plans.settings()
    others = Rules(
        tuple(each for each in rules.limits if not _set_here(each, subject, key)), rules.grants
    )
    return Cell(
        subject,
        desk.row(_effective(desk, subject, key, rules), subject, here),
        desk.row(_effective(desk, subject, key, others), subject, {}),
    )


def place(kind: str, name: str, limit: str) -> tuple[Subject, Key] | None:
    """Return what a page's address means; None: there is no such cell."""
    key = KEYS.get(limit)
    if key is None or kind not in ("class", "user") or kind not in key.subjects:
        return None
    return Subject("class" if kind == "class" else "user", name), key


def _set_here(limit: Limit, subject: Subject, key: Key) -> bool:
    return not limit.written and limit.subject == subject and limit.key == key


def _effective(desk: Desk, subject: Subject, key: Key, rules: Rules) -> Effective:
    plans, now = desk.plans, desk.plans.clock()
    if subject.kind == "class":
        return combine.of_class(subject.name, key, rules.limits, rules.grants, plans.defaults, now)
    classes = desk.classes_of(subject.name)
    found = combine.effective(
        subject.name, classes, rules.limits, rules.grants, plans.defaults, now
    )
    return found.limits[key.name]
