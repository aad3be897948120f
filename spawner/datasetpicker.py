"""What the start page's list of datasets shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from room.datasets.model import Dataset
from room.datasets.names import Reference, reference
from spawner.options import DATASETS, Profile

#: Characters of a description that a row shows: whoever wrote a page has it in the server.
LONGEST = 240


@dataclass(frozen=True, slots=True)
class Preselection:
    """A profile that a dataset is preselected in, and of which version; 0: the newest."""

    profile: str
    number: int


@dataclass(frozen=True, slots=True)
class Offer:
    """One dataset; ``size`` in bytes. ``older``: versions that can be chosen instead.

    ``ticked`` and ``number``: as it was chosen last time; 0: the newest version.
    """

    name: str
    description: str
    licence: str
    newest: int
    size: int
    files: int
    older: tuple[int, ...] = ()
    ticked: bool = False
    number: int = 0
    preselected: tuple[Preselection, ...] = ()


def offers(
    visible: Iterable[Dataset], saved: Mapping[str, Any], profiles: Sequence[Profile]
) -> list[Offer]:
    """Return the rows, by name. ``saved``: the options that were chosen last time."""
    chosen = {what.name: what.number for what in _references(saved.get(DATASETS))}
    return [_offer(each, chosen, profiles) for each in visible if each.usable is not None]


def _offer(
    dataset: Dataset, chosen: Mapping[str, int | None], profiles: Sequence[Profile]
) -> Offer:
    newest = dataset.usable or dataset.version()
    others = [each.number for each in dataset.versions if each.usable]
    older = tuple(number for number in others if number != newest.number)
    number = chosen.get(dataset.name) or 0
    return Offer(
        dataset.name,
        _shortened(dataset.description),
        dataset.licence,
        newest.number,
        newest.size,
        newest.files,
        older,
        # Of a version that nobody can start with any more nothing is remembered.
        ticked=dataset.name in chosen and number in (0, newest.number, *older),
        number=number if number in older else 0,
        preselected=tuple(
            Preselection(str(profile["display_name"]), what.number or 0)
            for profile in profiles
            for what in _references(profile.get(DATASETS))
            if what.name == dataset.name
        ),
    )


def _references(texts: Any) -> Iterator[Reference]:
    """Yield what refers to a dataset: options are saved before they are looked at."""
    for text in texts if isinstance(texts, (list, tuple)) else ():
        with suppress(ValueError, AttributeError):
            yield reference(text)


def _shortened(text: str) -> str:
    first = " ".join(text.split())
    return first if len(first) <= LONGEST else f"{first[: LONGEST - 1].rstrip()}…"
