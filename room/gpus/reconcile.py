"""Rows, containers and servers that must agree: which ones to mend, and how. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from room.models import Lease, Owner


@dataclass(frozen=True, slots=True)
class Container:
    """A server's container as its labels tell."""

    id: str
    owner: Owner
    lease_id: str = ""
    units: tuple[str, ...] = ()
    created_at: datetime | None = None

    @property
    def lease(self) -> Lease | None:
        if not self.lease_id or self.created_at is None:
            return None
        return Lease(self.lease_id, self.owner, self.units, self.created_at)


@dataclass(frozen=True, slots=True)
class Repairs:
    """What has to be done for everything to agree again."""

    #: Containers no server of the hub stands behind: remove, then release.
    remove: tuple[Container, ...] = ()
    #: Leases whose container is gone: release.
    release: tuple[Lease, ...] = ()
    #: Leases that only the labels remember: write them down.
    adopt: tuple[Lease, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.remove or self.release or self.adopt)


def repairs(
    leases: Iterable[Lease],
    containers: Iterable[Container],
    served: Collection[Owner],
    moving: Collection[Owner],
) -> Repairs:
    """Compare rows with containers.

    ``served`` are the servers the hub lists as running. ``moving`` are those that
    start, stop or are being tidied right now: whoever moves them also looks after
    their container and their lease, so they are left alone here.

    Read the leases first, then the containers, then the hub's lists: what was
    granted or made after its reading is not judged by it.
    """
    containers = tuple(containers)
    rows = {lease.id: lease for lease in leases}
    present = {container.lease_id for container in containers if container.lease_id}
    return Repairs(
        remove=tuple(c for c in containers if c.owner not in served and c.owner not in moving),
        release=tuple(
            lease
            for lease in rows.values()
            if lease.id not in present and lease.owner not in moving
        ),
        adopt=tuple(
            c.lease
            for c in containers
            if c.lease is not None
            and c.lease_id not in rows
            and c.owner in served
            and c.owner not in moving
        ),
    )
