"""Tickets, leases, what was used, and how servers ended. Of people: ``people_tables``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
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
    #: None: the lease has no end.
    Column("ends_at", UTCDateTime, nullable=True),
    #: When its server was ready. A lease without it belongs to a start.
    Column("ready_at", UTCDateTime, nullable=True),
    #: What it counts towards a budget: see ``lease_history`` in ``usage_tables``.
    Column("rate", Float, nullable=False, server_default="1"),
    UniqueConstraint("user", "server", name="uq_leases_owner"),
)

#: One row a ticket, from when it was taken until its lease has ended: a lease has its ticket's id.
tickets = Table(
    "tickets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user", String(255), nullable=False),
    Column("server", String(255), nullable=False, default=""),
    #: The class in whose name it waits; empty for who is in none.
    Column("class_name", String(255), nullable=False, default=""),
    #: GPURequest as JSON.
    Column("request", Text, nullable=False),
    Column("lease_seconds", Float, nullable=True),
    Column("cap", Integer, nullable=True),
    Column("arrived_at", UTCDateTime, nullable=False),
    Column("seq", Integer, nullable=False),
    #: Units on which its start failed, comma-separated.
    Column("avoid", Text, nullable=False, default=""),
    #: page | rest: where the start was asked for, and so how long it waits unseen.
    Column("origin", String(16), nullable=False, default="page"),
    Column("seen_at", UTCDateTime, nullable=False),
    UniqueConstraint("user", "server", name="uq_tickets_owner"),
)

#: What each user has used as a member of a class: see ``room.gpus.usage``.
usage = Table(
    "usage",
    metadata,
    Column("user", String(255), primary_key=True),
    Column("class_name", String(255), primary_key=True),
    #: An integer that outgrows every integer type: its decimal digits.
    Column("settled", Text, nullable=False),
    Column("last_grant", UTCDateTime, nullable=True),
    Column("grant_before", UTCDateTime, nullable=True),
)

#: One row: the instant as of which ``usage`` counts, and a number that every decision raises.
queue = Table(
    "queue",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ref", UTCDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
)

#: What was said of a unit: an admin's mark, or failures that have not led to one yet.
unit_marks = Table(
    "unit_marks",
    metadata,
    Column("unit", String(96), primary_key=True),
    #: drained | quarantined, or empty.
    Column("mark", String(16), nullable=False, default=""),
    Column("why", Text, nullable=False, default=""),
    Column("said_by", String(255), nullable=False, default=""),
    Column("said_at", UTCDateTime, nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    #: The report of a fatal Xid that was answered by a quarantine: what the agent says of it
    #: again is nothing new.
    Column("report", String(64), nullable=False, default=""),
)

#: Who did what to whom, for good.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("detail", Text, nullable=False, default=""),
    #: From where: the command, a page or the API, with the address it was asked from.
    Column("origin", String(64), nullable=False, default=""),
    #: What a change of plans replaced, and by what: JSON, none for nothing.
    Column("old", Text, nullable=True),
    Column("new", Text, nullable=True),
    #: The row that this one takes back.
    Column("undoes", Integer, nullable=True),
    Index("ix_audit_subject", "subject"),
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
    #: Why the room ended it, in words; empty when it did not.
    Column("why", Text, nullable=False, default=""),
)
