"""Leases: acquire, release, reconcile. Each is one transaction, and may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from sqlalchemy import Connection, delete, insert, select

from room.gpus.placement import place
from room.models import Inventory, Lease, Owner, Reject
from room.store.store import Store
from room.store.tables import lease_units, leases


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Broker:
    """The only writer of leases.

    ``inventory`` is asked at each decision, so that a card that came or went counts at once.
    """

    def __init__(
        self,
        store: Store,
        inventory: Callable[[], Inventory],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._store = store
        self.inventory = inventory
        self._now = now

    def acquire(self, lease_id: str, owner: Owner, count: int) -> Lease | Reject:
        """Lease ``count`` units to ``owner``, or say why not.

        Repeating a ``lease_id`` changes nothing and returns the lease it named.
        """
        inventory = self.inventory()
        with self._store.decide() as connection:
            held = {lease.owner: lease for lease in _all(connection)}
            mine = held.get(owner)
            if mine is not None:
                if mine.id == lease_id:
                    return mine
                return Reject(
                    "gpu-still-held",
                    f"The GPU of your last server is not free yet ({len(mine.units)} held). "
                    "It comes back when that server's container is gone; try again in a minute.",
                )
            taken = {unit for lease in held.values() for unit in lease.units}
            placed = place(inventory, taken, count)
            if isinstance(placed, Reject):
                return placed
            lease = Lease(lease_id, owner, tuple(unit.uuid for unit in placed), self._now())
            _insert(connection, lease)
            return lease

    def release(self, lease_id: str) -> bool:
        """End a lease whose container is confirmed gone. True when there was one."""
        with self._store.decide() as connection:
            return bool(connection.execute(delete(leases).where(leases.c.id == lease_id)).rowcount)

    def adopt(self, lease: Lease) -> bool:
        """Write down the lease that a container's labels show. False when a unit is another's.

        The labels are the second copy of the truth: this mends a database that was
        restored from before the grant.
        """
        with self._store.decide() as connection:
            held = _all(connection)
            if any(lease.id == other.id for other in held):
                return True
            taken = {unit for other in held for unit in other.units}
            if taken.intersection(lease.units) or any(o.owner == lease.owner for o in held):
                return False
            _insert(connection, lease)
            return True

    def leases(self) -> tuple[Lease, ...]:
        """Return every lease there is."""
        with self._store.read() as connection:
            return _all(connection)

    def held_by(self, owner: Owner) -> Lease | None:
        """Return the lease of one server, if it has one."""
        return next((lease for lease in self.leases() if lease.owner == owner), None)


def _all(connection: Connection) -> tuple[Lease, ...]:
    units: dict[str, list[str]] = {}
    for unit, lease_id in connection.execute(
        select(lease_units.c.unit, lease_units.c.lease_id).order_by(lease_units.c.unit)
    ):
        units.setdefault(lease_id, []).append(unit)
    return tuple(
        Lease(row.id, Owner(row.user, row.server), tuple(units.get(row.id, ())), row.granted_at)
        for row in connection.execute(select(leases))
    )


def _insert(connection: Connection, lease: Lease) -> None:
    connection.execute(
        insert(leases).values(
            id=lease.id,
            user=lease.owner.user,
            server=lease.owner.server,
            granted_at=lease.granted_at,
        )
    )
    rows: Iterable[dict[str, str]] = [{"unit": u, "lease_id": lease.id} for u in lease.units]
    connection.execute(insert(lease_units), list(rows))
