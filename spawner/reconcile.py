"""At the hub's start and every minute: leases, containers and the hub's servers agree again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jupyterhub import orm
from sqlalchemy.exc import SQLAlchemyError

from engine.client import EngineRefusedError, EngineUnavailableError
from room import usage
from room.gpus.reconcile import Container, Repairs, repairs
from room.models import (
    LABEL_GPUS,
    LABEL_LEASE,
    LABEL_SERVER,
    LABEL_USER,
    Lease,
    Owner,
)
from room.store import Store

if TYPE_CHECKING:
    from spawner.services import Services

#: Seconds between two comparisons. Invariant 5 allows two minutes from any crash to agreement.
EVERY = 60.0


@dataclass(slots=True)
class Comparison:
    """What came of the comparisons, for who looks after the room. Seconds since 1970."""

    #: When the last one that came to its end did.
    at: float | None = None
    #: Why none has since.
    problem: str = ""
    #: Servers that run on units which are leased to another one.
    doubled: tuple[str, ...] = ()


def served(db: Any) -> set[Owner]:
    """Return the servers that the hub's own database lists, pending ones too."""
    rows: Iterable[Any] = (
        db.query(orm.User.name, orm.Spawner.name)
        .join(orm.Spawner, orm.Spawner.user_id == orm.User.id)
        .filter(orm.Spawner.server_id.isnot(None))
    )
    return {Owner(user, server or "") for user, server in rows}


def from_listing(entry: Mapping[str, Any]) -> Container:
    """Return what reconcile needs of one entry of the engine's list."""
    labels = entry.get("Labels") or {}
    units = labels.get(LABEL_GPUS, "")
    return Container(
        id=entry["Id"],
        owner=Owner(labels.get(LABEL_USER, ""), labels.get(LABEL_SERVER, "")),
        lease_id=labels.get(LABEL_LEASE, ""),
        units=tuple(units.split(",")) if units else (),
        created_at=datetime.fromtimestamp(entry["Created"], timezone.utc),
    )


async def once(
    services: Services, list_served: Callable[[], set[Owner]], *, first: bool = False
) -> Repairs:
    """Compare and mend. The order of the three readings is what makes it safe to do so.

    ``first``: the hub has just started, and will start again what its end cut short: the
    place in the queue is kept for it.
    """
    leases: tuple[Lease, ...] = await services.store.run(services.broker.leases)
    services.running_since = await services.store.run(_unended, services.store)
    listing = await services.watch.list()
    found = repairs(leases, map(from_listing, listing), list_served(), services.moving())
    gone = services.running_since.keys() - {entry["Id"] for entry in listing}
    if gone:
        await services.store.run(_close, services.store, gone)
        services.count_soon()
    for container in found.remove:
        services.log.warning(
            "No server of the hub stands behind container %s of %s: removing it",
            container.id[:12],
            container.owner,
        )
        await services.engine.remove_until_gone(container.id)
        rows = [lease for lease in leases if lease.id == container.lease_id]
        await _give_back(services, rows, first)
    for lease in found.release:
        services.log.warning("Lease %s of %s has no container: released", lease.id, lease.owner)
    await _give_back(services, found.release, first)
    doubled = []
    for lease in found.adopt:
        if await services.store.run(services.broker.adopt, lease):
            services.log.warning("Lease %s of %s was only on its container", lease.id, lease.owner)
        else:
            doubled.append(str(lease.owner))
            services.log.error(
                "%s runs with GPUs %s, which are leased to another server: stop one of the two",
                lease.owner,
                ", ".join(lease.units),
            )
    services.comparison = Comparison(time.time(), doubled=tuple(doubled))
    return found


async def _give_back(services: Services, leases: Iterable[Lease], first: bool) -> None:
    broker = services.broker
    for lease in leases:
        cut_short = first and lease.ready_at is None
        if cut_short:
            await services.store.run(broker.requeue, lease.id)
        else:
            await services.store.run(broker.release, lease.id, "lost")


def _unended(store: Store) -> dict[str, datetime]:
    with store.read() as connection:
        return usage.running(connection)


def _close(store: Store, containers: Iterable[str]) -> None:
    with store.decide() as connection:
        usage.close(connection, containers, datetime.now(timezone.utc))


async def keep(services: Services, list_served: Callable[[], set[Owner]]) -> None:
    """Run ``once`` for as long as the hub does; an engine that is down is asked again."""
    while True:
        try:
            await once(services, list_served, first=not services.compared.is_set())
            services.compared.set()
        except (EngineUnavailableError, EngineRefusedError, SQLAlchemyError) as error:
            services.comparison.problem = str(error)
            services.log.warning("Could not compare leases with containers: %s", error)
        await asyncio.sleep(EVERY)
