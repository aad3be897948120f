"""What leases and servers have used, for good; what a lease counts towards a budget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lease_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("lease_id", sa.String(36), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("class_name", sa.String(255), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("from_at", UTCDateTime(), nullable=False),
        sa.Column("to_at", UTCDateTime(), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lease_history"),
    )
    op.create_index("ix_lease_history_lease_id", "lease_history", ["lease_id"])
    op.create_index("ix_lease_history_user", "lease_history", ["user", "to_at"])
    op.create_index("ix_lease_history_to_at", "lease_history", ["to_at"])
    op.create_table(
        "sessions",
        sa.Column("container", sa.String(64), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("class_name", sa.String(255), nullable=False),
        sa.Column("profile", sa.String(255), nullable=False),
        sa.Column("cores", sa.Float(), nullable=False),
        sa.Column("memory", sa.BigInteger(), nullable=False),
        sa.Column("from_at", UTCDateTime(), nullable=False),
        sa.Column("to_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("container", name="pk_sessions"),
    )
    op.create_index("ix_sessions_user", "sessions", ["user", "to_at"])
    op.create_index("ix_sessions_to_at", "sessions", ["to_at"])
    # Leases of before count their units, each once.
    op.add_column("leases", sa.Column("rate", sa.Float(), nullable=False, server_default="1"))
    op.execute(
        "UPDATE leases SET rate = (SELECT count(*) FROM lease_units WHERE lease_id = leases.id)"
    )


def downgrade() -> None:
    # Not in a batch: see 0002.
    op.drop_column("leases", "rate")
    op.drop_table("sessions")
    op.drop_table("lease_history")
