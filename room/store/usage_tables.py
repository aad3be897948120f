"""What was used: leases that ended, and the containers of servers. Rows are added, never changed.

A row of ``lease_history`` is written by the very transaction that ends its lease, so that each
second is counted once whatever crashes. A lease that runs is in ``leases`` alone.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table

from room.store.metadata import UTCDateTime, metadata

lease_history = Table(
    "lease_history",
    metadata,
    # Not the lease's own id: a start that failed waits on under it, and is leased units again.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("lease_id", String(36), nullable=False, index=True),
    Column("user", String(255), nullable=False),
    Column("server", String(255), nullable=False),
    #: The class in whose name it was leased; empty for none.
    Column("class_name", String(255), nullable=False),
    Column("units", Integer, nullable=False),
    #: Budgeted GPU-seconds a second: the sum of its units' weights.
    Column("rate", Float, nullable=False),
    Column("from_at", UTCDateTime, nullable=False),
    Column("to_at", UTCDateTime, nullable=False),
    #: ended | lost | start-failed. What never came up costs its user nothing.
    Column("why", String(16), nullable=False),
    Index("ix_lease_history_user", "user", "to_at"),
    Index("ix_lease_history_to_at", "to_at"),
)

#: One row a container of a server, from when it was first seen to run.
sessions = Table(
    "sessions",
    metadata,
    #: The engine's id.
    Column("container", String(64), primary_key=True),
    Column("user", String(255), nullable=False),
    Column("server", String(255), nullable=False),
    Column("class_name", String(255), nullable=False),
    Column("profile", String(255), nullable=False),
    #: What was reserved: 0 where there is no limit.
    Column("cores", Float, nullable=False),
    Column("memory", BigInteger, nullable=False),
    Column("from_at", UTCDateTime, nullable=False),
    #: None while it runs.
    Column("to_at", UTCDateTime, nullable=True),
    Index("ix_sessions_user", "user", "to_at"),
    Index("ix_sessions_to_at", "to_at"),
)
