"""Which versions a server starts with: what its user sees, chose, and the profile preselects. Pure.

Whoever may not see a dataset hears the same of it as of one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from room.datasets.model import Dataset, Version
from room.datasets.names import Reference, reference
from room.models import Pinned, Reject
from room.said import said

#: Datasets that one server has at most. Each is two mounts, which the engine makes one by one, and
#: a part of one variable, which the kernel takes up to 128 KiB of.
MOST = 300

UNKNOWN = "dataset-unknown"


@dataclass(frozen=True, slots=True)
class Choice:
    """``left_out``: what a profile names, or all have, and nobody can start with, and why."""

    pinned: tuple[Pinned, ...]
    left_out: tuple[str, ...] = ()


def choose(
    visible: Iterable[Dataset], asked: Sequence[str] = (), preselected: Sequence[str] = ()
) -> Choice | Reject:
    """Return what is mounted, by name; or refuse what was asked for.

    Each text is ``name``, the newest version, or ``name@number``. Where nothing was asked for it is
    what the profile preselects of what is visible; where that is nothing, the newest of all.

    A version is had where its files are: of one that is not on the host, or damaged there, an older
    one is the newest.
    """
    known = {each.name: each for each in visible if each.newest is not None}
    if asked:
        return _asked(known, asked)
    pinned, left_out = _preselected(known, preselected)
    if not pinned:
        pinned, unusable = _preselected(known, tuple(known))
        left_out = (*left_out, *(each for each in unusable if each not in left_out))
    return _bounded(pinned, left_out)


def _asked(known: Mapping[str, Dataset], asked: Sequence[str]) -> Choice | Reject:
    pinned: dict[str, Pinned] = {}
    for text in asked:
        found = _find(known, text)
        if isinstance(found, Reject):
            return found
        other = pinned.setdefault(found.name, found)
        if other != found:
            return Reject(
                "dataset-twice",
                said(
                    "You chose versions %(first)s and %(second)s of %(name)s. "
                    "A server has one version of a dataset: choose one of the two.",
                    first=other.number,
                    second=found.number,
                    name=found.name,
                ),
            )
    return _bounded(pinned, ())


def _preselected(
    known: Mapping[str, Dataset], preselected: Sequence[str]
) -> tuple[dict[str, Pinned], tuple[str, ...]]:
    """Return those that are to be had; of those that are not, why. Other classes' are neither."""
    pinned: dict[str, Pinned] = {}
    left_out: list[str] = []
    for text in preselected:
        found = _find(known, text)
        if not isinstance(found, Reject):
            pinned.setdefault(found.name, found)
        elif found.reason != UNKNOWN:
            left_out.append(found.message)
    return pinned, tuple(left_out)


def _find(known: Mapping[str, Dataset], text: str) -> Pinned | Reject:
    try:
        what = reference(text)
    except ValueError:
        return Reject(
            "dataset-name",
            said(
                "%(text)s names no dataset. "
                "Write its name for the newest version, or name and number, as cifar10@2.",
                text=_shown(text),
            ),
        )
    found = known.get(what.name)
    if found is None:
        return Reject(
            UNKNOWN,
            said(
                "There is no dataset %(name)s. "
                "Choose from those on the start page, or none: then you get all of your classes.",
                name=_shown(what.name),
            ),
        )
    return _version(found, what)


def _version(dataset: Dataset, what: Reference) -> Pinned | Reject:
    usable, newest = dataset.usable, dataset.version()
    if what.number is None:
        return _pin(dataset.name, usable) if usable else _unusable(dataset.name, newest, None)
    version = next((each for each in dataset.versions if each.number == what.number), None)
    if version is None:
        return Reject(
            "dataset-version-unknown",
            said(
                "%(name)s has no version %(number)s. Choose version %(newest)s, its newest.",
                name=dataset.name,
                number=what.number,
                newest=(usable or newest).number,
            ),
        )
    if version.retired_at is not None:
        return Reject(
            "dataset-version-retired",
            said(
                "Version %(number)s of %(name)s is retired, and no server starts with it. "
                "Choose version %(newest)s, its newest.",
                name=dataset.name,
                number=what.number,
                newest=(usable or newest).number,
            ),
        )
    return (
        _pin(dataset.name, version) if version.usable else _unusable(dataset.name, version, usable)
    )


def _unusable(name: str, version: Version, other: Version | None) -> Reject:
    """Refuse one that is not on the host, or not whole there; ``other``: one that is."""
    number, newest = version.number, other.number if other else 0
    if version.here:
        reason = "dataset-version-damaged"
        alone = said(
            "Files of version %(number)s of %(name)s are damaged, and no server starts with it. "
            "Ask who published it to publish it again.",
            number=number,
            name=name,
        )
        instead = said(
            "Files of version %(number)s of %(name)s are damaged, and no server starts with it. "
            "Choose version %(newest)s instead.",
            number=number,
            name=name,
            newest=newest,
        )
    else:
        reason = "dataset-version-elsewhere"
        alone = said(
            "Version %(number)s of %(name)s is not on the machine that servers run on. "
            "Ask who published it to publish it again.",
            number=number,
            name=name,
        )
        instead = said(
            "Version %(number)s of %(name)s is not on the machine that servers run on. "
            "Choose version %(newest)s instead.",
            number=number,
            name=name,
            newest=newest,
        )
    return Reject(reason, instead if other else alone)


def _bounded(pinned: Mapping[str, Pinned], left_out: tuple[str, ...]) -> Choice | Reject:
    if len(pinned) > MOST:
        return Reject(
            "dataset-count",
            said(
                "That would be %(count)s datasets, and a server has %(most)s at most. "
                "Choose those that you need.",
                count=len(pinned),
                most=MOST,
            ),
        )
    return Choice(tuple(pinned[name] for name in sorted(pinned)), left_out)


def _pin(name: str, version: Version) -> Pinned:
    return Pinned(name, version.number, version.digest)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
