"""Who may change which limit. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from room.plans.budget import Budget
from room.plans.keys import Key
from room.plans.model import Limit, Subject
from room.said import said


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and from where: ``command``, or ``console page 10.0.0.7``.

    ``behalf``: the class whose instructor acts; empty for an admin.
    """

    name: str
    origin: str = "command"
    behalf: str = ""


class NotAllowedError(ValueError):
    """A change that this person may not make, in words."""


def may_set(
    actor: Actor, subject: Subject, key: Key, current: Limit | None, classes: Collection[str]
) -> None:
    """Raise ``NotAllowedError`` where an instructor may not set a limit.

    ``classes`` are those of the subject, when it is a user. How much an instructor may give is no
    question here: what they set is cut to what the class has.
    """
    if not actor.behalf:
        return
    _own_student(actor, subject, classes)
    if current is not None and current.behalf != actor.behalf:
        by = said("an instructor of %(name)s", name=current.behalf)
        raise NotAllowedError(
            said(
                "%(limit)s of %(who)s was set by %(by)s: ask them to change it",
                limit=key.name,
                who=subject.name,
                by=by if current.behalf else said("the admin"),
            )
        )


def may_grant(
    actor: Actor,
    subject: Subject,
    key: Key,
    hours: float,
    classes: Collection[str],
    pot: Budget,
    given: float,
    resets: datetime,
) -> None:
    """Raise ``NotAllowedError`` where an instructor may not grant so much.

    ``pot`` is the class's, ``given`` the hours that its instructors granted out of it in the
    window that ends at ``resets``.
    """
    if not actor.behalf:
        return
    _own_student(actor, subject, classes)
    if key.name != "gpu_hours":
        raise NotAllowedError(
            said(
                "instructors grant gpu_hours out of their class's pot; %(limit)s is the admin's",
                limit=key.name,
            )
        )
    left = max(0.0, pot.hours - given)
    if hours > left + 1e-9:
        end = said(" It fills again on %(time)s UTC.", time=f"{resets:%Y-%m-%d %H:%M}")
        raise NotAllowedError(
            said(
                "class %(name)s has %(left)s of its %(pot)s GPU-hours left to give, and not "
                "%(hours)s.%(end)s The admin sets its pot: room plan set class/%(name)s gpu_pot=…",
                name=actor.behalf,
                left=f"{left:.4g}",
                pot=f"{pot.hours:.4g}",
                hours=f"{hours:.4g}",
                end="" if pot.window == "total" else end,
            )
        )


def _own_student(actor: Actor, subject: Subject, classes: Collection[str]) -> None:
    if subject.kind != "user" or actor.behalf not in classes:
        raise NotAllowedError(
            said(
                "%(subject)s is not yours to change: an instructor of %(name)s sets limits of that "
                "class's own people",
                subject=subject,
                name=actor.behalf,
            )
        )
