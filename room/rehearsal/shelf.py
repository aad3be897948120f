"""Rehearsals that were kept, as files under ``<data_root>/state/rehearsals``.

Each is a directory of its own: its figures as JSON, and the report in each language. It appears
whole, by a rename.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from room.rehearsal import model
from room.rehearsal.model import Rehearsal

FIGURES = "figures.json"
#: A name that no path can hide in: the day, the time, and six digits that nobody guesses.
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The kept rehearsals in ``directory``; there need not be one yet."""

    directory: Path

    def keep(self, rehearsal: Rehearsal, figures: str, reports: Mapping[str, str]) -> Path:
        """Keep a rehearsal: its JSON, and a report by language. Return its directory."""
        if not _ID.fullmatch(rehearsal.id):
            raise ValueError(f"{rehearsal.id!r} is no rehearsal's name")
        beside = self.directory / f".{rehearsal.id}"
        beside.mkdir(mode=0o700)
        (beside / FIGURES).write_text(figures, "utf-8")
        for language, text in reports.items():
            (beside / _report(language)).write_text(text, "utf-8")
        for path in (beside, *beside.iterdir()):
            # Whose the directory is, the console is: it reads what root has written.
            owner = self.directory.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
        return beside.rename(self.directory / rehearsal.id)

    def all(self, class_name: str) -> list[Rehearsal]:
        """Return a class's rehearsals, the newest first; what cannot be read is left out."""
        try:
            names = sorted((each.name for each in self.directory.iterdir()), reverse=True)
        except FileNotFoundError:
            return []
        found = (self._read(name) for name in names)
        return [each for each in found if each is not None and each.class_name == class_name]

    def find(self, class_name: str, identity: str) -> Rehearsal | None:
        """Return one rehearsal of a class; None: the class has none of that name."""
        found = self._read(identity)
        return found if found is not None and found.class_name == class_name else None

    def report(self, rehearsal: Rehearsal, language: str) -> str:
        """Return the report. Raises ``FileNotFoundError`` where there is none in a language."""
        return (self.directory / rehearsal.id / _report(language)).read_text("utf-8")

    def figures(self, rehearsal: Rehearsal) -> str:
        return (self.directory / rehearsal.id / FIGURES).read_text("utf-8")

    def _read(self, identity: str) -> Rehearsal | None:
        if not _ID.fullmatch(identity):
            return None
        try:
            return model.loads((self.directory / identity / FIGURES).read_text("utf-8"))
        except (OSError, ValueError):
            return None


def _report(language: str) -> str:
    return f"report.{language}.html"
