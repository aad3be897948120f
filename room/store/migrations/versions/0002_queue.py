"""the queue: tickets, ends of leases, usage, marks of units, audit

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("ends_at", UTCDateTime(), nullable=True))
        leases.add_column(sa.Column("ready_at", UTCDateTime(), nullable=True))
    with op.batch_alter_table("server_exits") as exits:
        exits.add_column(sa.Column("why", sa.Text(), nullable=False, server_default=""))
    # Leases of before belong to servers that run: they are no start's.
    op.execute("UPDATE leases SET ready_at = granted_at")
    op.create_table(
        "tickets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("server", sa.String(length=255), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("lease_seconds", sa.Float(), nullable=True),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("arrived_at", UTCDateTime(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("avoid", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("user", "server", name="uq_tickets_owner"),
    )
    op.create_table(
        "usage",
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("settled", sa.Text(), nullable=False),
        sa.Column("last_grant", UTCDateTime(), nullable=True),
        sa.Column("grant_before", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("user", "class_name", name=op.f("pk_usage")),
    )
    op.create_table(
        "queue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", UTCDateTime(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue")),
    )
    op.create_table(
        "unit_marks",
        sa.Column("unit", sa.String(length=96), nullable=False),
        sa.Column("mark", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("said_by", sa.String(length=255), nullable=False),
        sa.Column("said_at", UTCDateTime(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("unit", name=op.f("pk_unit_marks")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )


def downgrade() -> None:
    for table in ("audit", "unit_marks", "queue", "usage", "tickets"):
        op.drop_table(table)
    # Not in a batch: on SQLite that makes the table anew, and dropping the old one would take the
    # units of every lease with it.
    op.drop_column("server_exits", "why")
    op.drop_column("leases", "ready_at")
    op.drop_column("leases", "ends_at")
