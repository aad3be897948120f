"""What was used: leases that ended, the containers of servers, and what these have used each day.

A row of ``lease_history`` is written by the very transaction that ends its lease, so that each
second is counted once whatever crashes. A lease that runs is in ``leases`` alone.

What is added to ``use_days`` was read from a container's counters; in the same transaction
``use_readings`` keeps how far they were counted.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Float, Index, Integer, String, Table

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

#: How far a container's counters are in ``use_days``: see ``room.accounting.Reading``.
use_readings = Table(
    "use_readings",
    metadata,
    Column("container", String(64), primary_key=True),
    Column("life", String(64), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("cpu_seconds", Float, nullable=False),
    Column("memory_byte_seconds", Float, nullable=False),
    Column("seen_seconds", Float, nullable=False),
    Column("read_at", UTCDateTime, nullable=False),
    Index("ix_use_readings_read_at", "read_at"),
)

#: What servers have used by day, in the room's own zone.
use_days = Table(
    "use_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("user", String(255), primary_key=True),
    #: The class that the servers counted for; empty for none.
    Column("class_name", String(255), primary_key=True),
    Column("cpu_seconds", Float, nullable=False),
    Column("memory_byte_seconds", Float, nullable=False),
    #: For how long servers' memory was seen.
    Column("seen_seconds", Float, nullable=False),
)
