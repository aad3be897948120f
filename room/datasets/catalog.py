"""The datasets of a room and their versions, as its database has them.

Nothing here touches a file. A version is visible from the transaction on that writes its row, and
whoever publishes writes that last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from room.audit import note
from room.datasets.manifest import Summary
from room.datasets.model import (
    EVERYONE,
    HERE,
    About,
    Dataset,
    NoSuchDatasetError,
    Published,
    Version,
)
from room.datasets.names import Reference
from room.datasets.readme import FILES, Kind, Shape
from room.said import said
from room.store import Store
from room.store.dataset_tables import (
    dataset_classes,
    dataset_copies,
    dataset_versions,
    datasets,
)


class Catalog:
    """Writes in its actor's name; ``host`` is the one whose copies are meant."""

    def __init__(
        self,
        store: Store,
        *,
        actor: str,
        origin: str = "",
        host: str = HERE,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.store = store
        self.actor, self.origin, self.host, self.clock = actor, origin, host, clock

    # -- reading -----------------------------------------------------------------------------

    def all(self) -> list[Dataset]:
        """Return every dataset, by name."""
        with self.store.read() as connection:
            return _read(connection, self.host)

    def get(self, name: str) -> Dataset:
        """Return one dataset. Raises ``NoSuchDatasetError``."""
        with self.store.read() as connection:
            return self._found(connection, name)

    def of(self, groups: Iterable[str]) -> list[Dataset]:
        """Return what somebody in these classes finds: datasets with a version to start with."""
        with self.store.read() as connection:
            return [
                each
                for each in _read(connection, self.host, {*groups, EVERYONE})
                if each.newest is not None
            ]

    def _found(self, connection: Connection, name: str) -> Dataset:
        found = _read(connection, self.host, name=name)
        if not found:
            raise NoSuchDatasetError(said("there is no dataset %(name)s", name=name))
        return found[0]

    def made_by(self, job: str) -> Published | None:
        """Return what a publication made; None: nothing, or what was there already."""
        with self.store.read() as connection:
            return self._made_by(connection, job)

    def _made_by(self, connection: Connection, job: str) -> Published | None:
        columns = dataset_versions.c
        row = connection.execute(
            select(columns.dataset, columns.number).where(columns.job == job)
        ).one_or_none()
        if row is None:
            return None
        version = self._found(connection, row.dataset).version(row.number)
        return Published(row.dataset, version, new=True)

    # -- writing -----------------------------------------------------------------------------

    def publish(
        self,
        name: str,
        files: Summary,
        about: About,
        classes: Sequence[str] = (),
        *,
        job: str,
        shape: Shape = FILES,
    ) -> Published:
        """Make files that are whole on this host the newest version, in one transaction.

        Files that are the newest version already stay that one. Those of an older or a retired
        one are a new version beside it, with the same files. ``classes`` come to those it is for.
        ``job`` names the publication: asked again for the same one, nothing is changed.
        """
        now = self.clock()
        with self.store.decide() as connection:
            made_before = self._made_by(connection, job)
            if made_before is not None:
                return made_before
            self._describe(connection, name, about, now)
            for each in classes:
                self._share(connection, name, each, now)
            known = self._found(connection, name)
            same = [each for each in known.versions if each.digest == files.digest]
            for version in same:
                # Those of its files that were damaged or gone are there again.
                if version.pruned_at is None and not (version.here and version.damaged == 0):
                    self._copied(connection, name, version.number, now, 0)
            if same and same[0] == known.newest:
                there = self._found(connection, name).version(same[0].number)
                return Published(name, there, new=False)
            number = max((each.number for each in known.versions), default=0) + 1
            made = Version(number, files.digest, files.size, files.files, now, self.actor)
            connection.execute(
                insert(dataset_versions).values(
                    dataset=name,
                    number=number,
                    digest=files.digest,
                    size=files.size,
                    files=files.files,
                    published_at=now,
                    published_by=self.actor,
                    job=job,
                    shape=shape.kind,
                    example=shape.example,
                )
            )
            self._copied(connection, name, number, now, 0)
            detail = f"{files.files} files, {files.size} bytes, {files.digest[:12]}"
            self._note(connection, "dataset publish", f"{name}@{number}", detail, now)
        return Published(name, replace(made, verified_at=now, damaged=0, shape=shape), new=True)

    def describe(self, name: str, about: About) -> None:
        """Change what is said of a dataset. Raises ``NoSuchDatasetError``."""
        now = self.clock()
        with self.store.decide() as connection:
            self._found(connection, name)
            self._describe(connection, name, about, now)
            self._note(connection, "dataset describe", name, "", now)

    def share(self, name: str, classes: Iterable[str], *, only: bool = False) -> None:
        """Give a dataset to classes; ``only``: and take it from all others."""
        now, chosen = self.clock(), list(classes)
        with self.store.decide() as connection:
            known = self._found(connection, name)
            for each in chosen:
                self._share(connection, name, each, now)
            if only:
                for each in set(known.classes) - set(chosen):
                    self._unshare(connection, name, each, now)

    def unshare(self, name: str, classes: Iterable[str]) -> None:
        with self.store.decide() as connection:
            self._found(connection, name)
            for each in classes:
                self._unshare(connection, name, each, self.clock())

    def retire(self, what: Reference) -> Version:
        """Let no server start with a version any more; None: with any. Servers that run keep it."""
        return self._set_retired(what, self.clock(), "dataset retire")

    def restore(self, what: Reference) -> Version:
        """Take a retirement back. Raises ``NoSuchDatasetError`` when its files are gone."""
        return self._set_retired(what, None, "dataset restore")

    def _set_retired(self, what: Reference, at: datetime | None, action: str) -> Version:
        with self.store.decide() as connection:
            known = self._found(connection, what.name)
            if what.number is None and at is None:
                version = known.version(max(each.number for each in known.versions))
            else:
                version = known.version(what.number)
            if at is None and version.pruned_at is not None:
                raise NoSuchDatasetError(
                    said(
                        "the files of %(what)s were removed on %(day)s; publish it again",
                        what=f"{what.name}@{version.number}",
                        day=f"{version.pruned_at:%Y-%m-%d}",
                    )
                )
            connection.execute(
                update(dataset_versions)
                .where(_version(dataset_versions, what.name, version.number))
                .values(retired_at=at)
            )
            self._note(connection, action, f"{what.name}@{version.number}", "", self.clock())
        return replace(version, retired_at=at)

    def prunable(self, older_than: timedelta) -> list[tuple[str, Version]]:
        """Return the versions that were retired longer ago than that and still have files."""
        before = self.clock() - older_than
        return [
            (each.name, version)
            for each in self.all()
            for version in each.versions
            if version.pruned_at is None
            and version.retired_at is not None
            and version.retired_at <= before
        ]

    def pruned(self, what: Reference) -> bool:
        """Write down that a version's files go. False: another version has the same, which stay.

        Raises ``NoSuchDatasetError`` when it is retired no more.
        """
        with self.store.decide() as connection:
            known = self._found(connection, what.name)
            version = known.version(what.number)
            if version.retired_at is None:
                raise NoSuchDatasetError(
                    said("%(what)s is not retired any more, and stays", what=str(what))
                )
            row = _version(dataset_versions, what.name, version.number)
            connection.execute(update(dataset_versions).where(row).values(pruned_at=self.clock()))
            copy = _version(dataset_copies, what.name, version.number)
            connection.execute(delete(dataset_copies).where(copy))
            self._note(connection, "dataset prune", str(what), "", self.clock())
        return not any(
            each.digest == version.digest and each.pruned_at is None
            for each in known.versions
            if each != version
        )

    def verified(self, what: Reference, damaged: int | None) -> None:
        """Write down that a version's files were read through, and how many were not whole.

        ``damaged`` None: they are not on the host.
        """
        now = self.clock()
        found = "not there" if damaged is None else f"{damaged} files damaged"
        with self.store.decide() as connection:
            number = self._found(connection, what.name).version(what.number).number
            self._copied(connection, what.name, number, now, damaged)
            self._note(connection, "dataset verify", f"{what.name}@{number}", found, now)

    # -- parts -------------------------------------------------------------------------------

    def _copied(
        self, connection: Connection, name: str, number: int, now: datetime, damaged: int | None
    ) -> None:
        """Write down what the host has of a version as of now; None: nothing."""
        there = _version(dataset_copies, name, number) & (dataset_copies.c.host == self.host)
        connection.execute(delete(dataset_copies).where(there))
        if damaged is not None:
            connection.execute(
                insert(dataset_copies).values(
                    dataset=name, number=number, host=self.host, verified_at=now, damaged=damaged
                )
            )

    def _describe(self, connection: Connection, name: str, about: About, now: datetime) -> None:
        told = {
            key: value
            for key in ("description", "licence", "source")
            if (value := getattr(about, key)) is not None
        }
        there = connection.scalar(select(datasets.c.name).where(datasets.c.name == name))
        if there is None:
            values = {"description": "", "licence": "", "source": ""} | told
            connection.execute(
                insert(datasets).values(name=name, owner=self.actor, created_at=now, **values)
            )
        elif told:
            connection.execute(update(datasets).where(datasets.c.name == name).values(**told))

    def _share(self, connection: Connection, name: str, class_name: str, now: datetime) -> None:
        row = _shared(name, class_name)
        if connection.scalar(select(func.count()).select_from(dataset_classes).where(row)):
            return
        connection.execute(insert(dataset_classes).values(dataset=name, class_name=class_name))
        self._note(connection, "dataset share", name, class_name, now)

    def _unshare(self, connection: Connection, name: str, class_name: str, now: datetime) -> None:
        gone = connection.execute(delete(dataset_classes).where(_shared(name, class_name)))
        if gone.rowcount:
            self._note(connection, "dataset unshare", name, class_name, now)

    def _note(
        self, connection: Connection, action: str, subject: str, detail: str, now: datetime
    ) -> None:
        note(connection, self.actor, action, subject, detail, now, self.origin)


def _version(table: Table, name: str, number: int | None) -> ColumnElement[bool]:
    return and_(table.c.dataset == name, table.c.number == number)


def _shared(name: str, class_name: str) -> ColumnElement[bool]:
    columns = dataset_classes.c
    return and_(columns.dataset == name, columns.class_name == class_name)


def _read(
    connection: Connection, host: str, groups: set[str] | None = None, name: str | None = None
) -> list[Dataset]:
    """Return datasets by name, with three statements: of these classes, or of this name, or all."""
    chosen = select(datasets).order_by(datasets.c.name)
    if groups is not None:
        theirs = select(dataset_classes.c.dataset).where(dataset_classes.c.class_name.in_(groups))
        chosen = chosen.where(datasets.c.name.in_(theirs))
    if name is not None:
        chosen = chosen.where(datasets.c.name == name)
    rows = connection.execute(chosen).all()
    names = [row.name for row in rows]
    classes: dict[str, list[str]] = {each: [] for each in names}
    shared = dataset_classes.c
    for row in connection.execute(
        select(dataset_classes).where(shared.dataset.in_(names)).order_by(shared.class_name)
    ):
        classes[row.dataset].append(row.class_name)
    versions: dict[str, list[Version]] = {each: [] for each in names}
    columns, copies = dataset_versions.c, dataset_copies.c
    here = (
        (copies.dataset == columns.dataset)
        & (copies.number == columns.number)
        & (copies.host == host)
    )
    for row in connection.execute(
        select(dataset_versions, copies.host, copies.verified_at, copies.damaged)
        .outerjoin(dataset_copies, here)
        .where(columns.dataset.in_(names))
        .order_by(columns.number.desc())
    ):
        versions[row.dataset].append(
            Version(
                row.number,
                row.digest,
                row.size,
                row.files,
                row.published_at,
                row.published_by,
                row.retired_at,
                row.pruned_at,
                row.verified_at,
                row.damaged,
                row.host is not None,
                Shape(cast(Kind, row.shape), row.example),
            )
        )
    return [
        Dataset(
            row.name,
            row.description,
            row.licence,
            row.source,
            row.owner,
            row.created_at,
            tuple(classes[row.name]),
            tuple(versions[row.name]),
        )
        for row in rows
    ]
