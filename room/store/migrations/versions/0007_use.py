"""What servers have used of CPU and memory each day, and how far their counters were counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "use_readings",
        sa.Column("container", sa.String(64), nullable=False),
        sa.Column("life", sa.String(64), nullable=False),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("cpu_seconds", sa.Float(), nullable=False),
        sa.Column("memory_byte_seconds", sa.Float(), nullable=False),
        sa.Column("seen_seconds", sa.Float(), nullable=False),
        sa.Column("read_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("container", "life", "epoch", name="pk_use_readings"),
    )
    op.create_index("ix_use_readings_read_at", "use_readings", ["read_at"])
    op.create_table(
        "use_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("class_name", sa.String(255), nullable=False),
        sa.Column("cpu_seconds", sa.Float(), nullable=False),
        sa.Column("memory_byte_seconds", sa.Float(), nullable=False),
        sa.Column("seen_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", "user", "class_name", name="pk_use_days"),
    )


def downgrade() -> None:
    op.drop_table("use_days")
    op.drop_table("use_readings")
