"""Why a change of plans is not made, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from room.plans.keys import Key
from room.plans.model import Subject
from room.said import Said, said


def not_its_limit(key: Key, subject: Subject) -> Said:
    """``key`` is none of the limits that such a subject can have."""
    if key.name == "priority":
        return said(
            "priority is a limit of class: not %(subject)s. Classes share the GPUs by it, and "
            "within a class whoever has used least comes first; put who is to have a share of "
            "their own into a class of their own",
            subject=subject,
        )
    return said(
        "%(limit)s is a limit of %(kinds)s: not %(subject)s",
        limit=key.name,
        kinds=" or ".join(key.subjects),
        subject=subject,
    )


def nothing_to_grant(key: Key) -> Said:
    return said("nothing can be granted of %(limit)s: set it instead", limit=key.name)


def over_already() -> Said:
    return said("the grant would be over already: give a time that is still to come")


def no_change(number: int) -> Said:
    return said("there is no change %(number)s of a plan in the history", number=number)


def changed_since(key: str, subject: Subject, here: Mapping[str, Any] | None) -> Said:
    """It cannot be taken back: it was changed again."""
    return said(
        "%(limit)s of %(subject)s was changed again since: it is %(value)s now. Set it to what it "
        "should be",
        limit=key,
        subject=subject,
        value=said("not set") if here is None else str(here["value"]),
    )


def changed_meanwhile(key: Key, subject: Subject, found: str | None, seen: str | None) -> Said:
    """It is not what somebody looked at."""
    return said(
        "%(limit)s of %(subject)s is %(found)s now, and was %(seen)s when you looked: somebody "
        "else has changed it. Look at it, and set it again if need be",
        limit=key.name,
        subject=subject,
        found=found or said("not set"),
        seen=seen or said("not set"),
    )


def taken_back_already() -> Said:
    return said("that grant was taken back already")


def not_yours_to_take_back() -> Said:
    return said("that grant is not your class's to take back")
