"""A room's datasets in a directory of a test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from publishing.folder import measure
from publishing.job import Desk, Job
from publishing.publish import publish
from publishing.shelf import Shelf
from publishing.upkeep import verify
from room.datasets.catalog import Catalog
from room.datasets.model import Published
from room.store import Store
from room.store.migrate import upgrade


@dataclass(frozen=True)
class Library:
    """A shelf, and the catalog and desk that belong to it."""

    shelf: Shelf
    desk: Desk
    catalog: Catalog

    @classmethod
    def at(cls, root: Path) -> Library:
        """Return what is at ``root``, made if it is not there."""
        (root / "state").mkdir(parents=True, exist_ok=True)
        return cls.of(Store(f"sqlite:///{root}/state/room.sqlite"), root)

    @classmethod
    def of(cls, store: Store, root: Path) -> Library:
        """Return what is at ``root`` and in a room's database, made if it is not there."""
        upgrade(store)
        shelf = Shelf(root / "datasets")
        shelf.prepare()
        return cls(shelf, Desk(shelf), Catalog(store, actor="root", origin="test"))

    def begin(self, name: str, folder: Path, **more: Any) -> Job:
        source = {"kind": "folder", "path": str(folder)}
        expected = measure(str(folder)).size
        return self.desk.begin(name, "root", source, expected=expected, **more)

    def run(self, job: Job) -> Published:
        return publish(self.catalog, self.desk, job, self.desk.note(job))

    def publish(self, name: str, folder: Path, **more: Any) -> Published:
        return self.run(self.begin(name, folder, **more))

    def broken(self) -> list[str]:
        """Return what is wrong with the versions that anybody can start with."""
        return [
            f"{each.name}@{version.number}: {path}"
            for each in self.catalog.all()
            for version in each.versions
            if version.pruned_at is None
            for path in verify(self.shelf, each.name, version.digest)
        ]

    def leaked(self) -> list[str]:
        """Return what lies there and belongs to no version."""
        known = {
            (each.name, version.digest)
            for each in self.catalog.all()
            for version in each.versions
            if version.pruned_at is None
        }
        versions = {
            (directory.name, path.name)
            for directory in self.shelf.versions.iterdir()
            for path in directory.iterdir()
        }
        found = [f"version {each}" for each in versions ^ known]
        found += [f"staging {path.name}" for path in self.shelf.staging.iterdir()]
        found += [
            f"object {path.name}"
            for path in self.shelf.objects.rglob("*.*.*")
            if path.lstat().st_nlink == 1
        ]
        return found


def contents(folder: Path) -> dict[str, str]:
    """Return every file's SHA-256, and every link's target, by path."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _below(folder)
        if path.is_symlink() or path.is_file()
    }


def _below(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.rglob("*")))
