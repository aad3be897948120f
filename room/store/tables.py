"""Leases and the record of how servers ended. Tables of people are in ``people_tables``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from room.store.metadata import UTCDateTime, metadata

#: One row a lease. Its owner is one server of one user, and has one lease at most.
leases = Table(
    "leases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user", String(255), nullable=False),
    Column("server", String(255), nullable=False, default=""),
    Column("granted_at", UTCDateTime, nullable=False),
    UniqueConstraint("user", "server", name="uq_leases_owner"),
)

#: The unit is the key: the database itself refuses a second lease on it (invariant 1).
lease_units = Table(
    "lease_units",
    metadata,
    Column("unit", String(96), primary_key=True),
    Column(
        "lease_id",
        String(36),
        ForeignKey("leases.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)

#: How the last container of each server ended.
server_exits = Table(
    "server_exits",
    metadata,
    Column("user", String(255), primary_key=True),
    Column("server", String(255), primary_key=True),
    Column("code", Integer, nullable=False),
    Column("oom_killed", Boolean, nullable=False),
    Column("memory_limit", BigInteger, nullable=True),
    Column("finished_at", UTCDateTime, nullable=False),
    Column("asked", Boolean, nullable=False, default=False),
)
