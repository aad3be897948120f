"""A dataset, its versions, and what is said of it: the values that the catalog gives out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from room.datasets.readme import FILES, Shape
from room.said import said

#: The class that everybody is in.
EVERYONE = "*"
#: The host of a room that has one: what ``dataset_copies`` calls it, whatever its own name is.
HERE = "local"


class NoSuchDatasetError(LookupError):
    """No dataset, or no version of one, is called so; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version; ``size`` in bytes. ``here``: its files are on the host that is meant.

    ``verified_at``: when they were last read through there. ``damaged``: how many of them were not
    as published, None: nobody looked.
    """

    number: int
    digest: str
    size: int
    files: int
    published_at: datetime
    published_by: str
    retired_at: datetime | None = None
    pruned_at: datetime | None = None
    verified_at: datetime | None = None
    damaged: int | None = None
    here: bool = True
    shape: Shape = FILES

    @property
    def usable(self) -> bool:
        """Say whether a server of that host starts with it."""
        return self.retired_at is None and self.here and not self.damaged


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a dataset, beside its files; None leaves a word as it is."""

    description: str | None = None
    licence: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset with its versions, newest first, and the classes it is for."""

    name: str
    description: str
    licence: str
    source: str
    owner: str
    created_at: datetime
    classes: tuple[str, ...] = ()
    versions: tuple[Version, ...] = field(default=(), repr=False)

    @property
    def newest(self) -> Version | None:
        """The newest version of all; None while all are retired."""
        return next((each for each in self.versions if each.retired_at is None), None)

    @property
    def usable(self) -> Version | None:
        """The version that a server starts with: the newest that is on its host, and whole."""
        return next((each for each in self.versions if each.usable), None)

    def version(self, number: int | None = None) -> Version:
        """Return one version, None: the newest. Raises ``NoSuchDatasetError``."""
        if number is None:
            if self.newest is not None:
                return self.newest
            raise NoSuchDatasetError(said("every version of %(name)s is retired", name=self.name))
        for each in self.versions:
            if each.number == number:
                return each
        raise NoSuchDatasetError(
            said(
                "there is no version %(number)s of %(name)s; its newest is %(newest)s",
                name=self.name,
                number=number,
                newest=self.versions[0].number if self.versions else 0,
            )
        )


@dataclass(frozen=True, slots=True)
class Published:
    """``new`` is false when these very files were a version already, which this is."""

    name: str
    version: Version
    new: bool
