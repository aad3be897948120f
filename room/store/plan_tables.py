"""Limits and grants that were set in the running room. Those of room.yaml are in no table."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from room.store.metadata import UTCDateTime, metadata

#: One row a subject and limit: two people who change different limits of one subject meet nowhere.
plan_limits = Table(
    "plan_limits",
    metadata,
    #: room | class | user
    Column("kind", String(8), primary_key=True),
    #: Empty for the room.
    Column("name", String(255), primary_key=True),
    Column("key", String(32), primary_key=True),
    #: As people write it: ``20/week``, ``8G``, ``none``.
    Column("value", Text, nullable=False),
    Column("until", UTCDateTime, nullable=True),
    Column("set_by", String(255), nullable=False),
    Column("set_at", UTCDateTime, nullable=False),
    #: The class in whose name an instructor set it; empty for an admin.
    Column("behalf", String(255), nullable=False, default=""),
)

#: What was given on top, until some time. A row that is over or taken back stays, for the history.
plan_grants = Table(
    "plan_grants",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),
    Column("name", String(255), nullable=False),
    Column("key", String(32), nullable=False),
    Column("amount", Text, nullable=False),
    Column("granted_at", UTCDateTime, nullable=False),
    Column("until", UTCDateTime, nullable=False),
    Column("granted_by", String(255), nullable=False),
    Column("behalf", String(255), nullable=False, default=""),
    Column("revoked_at", UTCDateTime, nullable=True),
    Index("ix_plan_grants_subject", "kind", "name"),
    Index("ix_plan_grants_until", "until"),
)
