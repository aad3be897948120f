"""Who may see a dataset, and who may change what of it. Pure.

An admin may do everything. An instructor publishes for classes of their own, and changes what is
theirs: datasets that they own, or that are for no class but theirs. A dataset that somebody may not
see is refused in words that do not say whose it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from room.datasets.model import EVERYONE, About, Dataset
from room.models import Reject
from room.said import said

#: Characters of what is said of a dataset.
MOST = {"description": 2000, "licence": 255, "source": 2000}
_CALLED = {
    "description": said("a description"),
    "licence": said("a licence"),
    "source": said("a source"),
}


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody: the classes that they are in, and those of them that they may publish for."""

    login: str
    admin: bool = False
    classes: frozenset[str] = frozenset()
    teaches: frozenset[str] = frozenset()

    @property
    def publishes(self) -> bool:
        return self.admin or bool(self.teaches)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A publication that is not over: of which name, and who began it."""

    name: str
    actor: str


def sees(who: Who, dataset: Dataset) -> bool:
    """Say whether somebody is told of a dataset.

    Who only reads is told of those that a server of theirs can start with.
    """
    if who.admin or manages(who, dataset):
        return True
    theirs = not (who.classes | {EVERYONE}).isdisjoint(dataset.classes)
    return theirs and (who.publishes or dataset.newest is not None)


def manages(who: Who, dataset: Dataset) -> bool:
    """Say whether somebody may publish new versions of it, retire, describe and share it."""
    if who.admin:
        return True
    for_theirs = bool(dataset.classes) and who.teaches.issuperset(dataset.classes)
    return who.publishes and (dataset.owner == who.login or for_theirs)


def publish(
    who: Who,
    name: str,
    classes: Collection[str],
    known: Dataset | None,
    under_way: Iterable[UnderWay] = (),
) -> Reject | None:
    """Say why somebody may not publish under a name for these classes; None: they may.

    ``known``: the dataset of that name. ``under_way``: other publications.
    """
    if not who.publishes:
        return Reject(
            "no-instructor",
            said("Only instructors of a class and admins publish datasets. Ask one of them."),
        )
    refused = _classes(who, classes)
    if refused is not None:
        return refused
    if known is not None and not manages(who, known):
        if not sees(who, known):
            return _taken(name)
        return Reject(
            "not-yours",
            said(
                "%(name)s is not only for your classes: its owner or an admin publishes new "
                "versions of it. Choose another name.",
                name=name,
            ),
        )
    actors = {each.actor for each in under_way if each.name == name}
    if actors and (who.admin or who.login in actors):
        return Reject(
            "under-way",
            said(
                "%(name)s is being published already. Wait until that is done, or cancel it.",
                name=name,
            ),
        )
    return _taken(name) if actors else None


def share(who: Who, classes: Collection[str]) -> Reject | None:
    """Say why somebody may not give what they manage to classes, or take it from them."""
    if not classes:
        return Reject("no-class", said("No class is chosen: tick at least one."))
    return _classes(who, classes)


def about(description: str | None, licence: str | None, source: str | None) -> About:
    """Return what is said of a dataset as it is kept. Raises ``ValueError`` for what is too long.

    A description may have several lines, the others have one; None stays None.
    """
    return About(
        _told("description", description), _told("licence", licence), _told("source", source)
    )


def _told(key: str, text: str | None) -> str | None:
    if text is None:
        return None
    lines = (" ".join(line.split()) for line in text.strip().splitlines())
    kept = ("\n" if key == "description" else " ").join(lines)
    told = "".join(each for each in kept if each.isprintable() or each == "\n").strip()
    if len(told) > MOST[key]:
        raise ValueError(
            said(
                "%(what)s has at most %(most)s characters, and this one has %(has)s: shorten it",
                what=_CALLED[key],
                most=MOST[key],
                has=len(told),
            )
        )
    return told


def _classes(who: Who, classes: Collection[str]) -> Reject | None:
    """Refuse classes that are not somebody's to publish for; everybody is nobody's class."""
    if who.admin:
        return None
    if EVERYONE in classes:
        return Reject(
            "everyone",
            said("Only an admin gives a dataset to everybody. Choose classes of yours."),
        )
    others = sorted(set(classes) - who.teaches)
    if not others:
        return None
    return Reject(
        "not-your-class",
        said(
            "You are no instructor of %(class_name)s. Choose classes of yours.",
            class_name=others[0],
        ),
    )


def _taken(name: str) -> Reject:
    return Reject("taken", said("The name %(name)s is taken. Choose another name.", name=name))
