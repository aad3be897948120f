"""Limits and grants set in the running room; what an audit's row changed, and from where."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plan_limits",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=True),
        sa.Column("set_by", sa.String(255), nullable=False),
        sa.Column("set_at", UTCDateTime(), nullable=False),
        sa.Column("behalf", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "key", name="pk_plan_limits"),
    )
    op.create_table(
        "plan_grants",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("granted_at", UTCDateTime(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("granted_by", sa.String(255), nullable=False),
        sa.Column("behalf", sa.String(255), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_plan_grants"),
    )
    op.create_index("ix_plan_grants_subject", "plan_grants", ["kind", "name"])
    op.create_index("ix_plan_grants_until", "plan_grants", ["until"])
    with op.batch_alter_table("audit") as audit:
        audit.add_column(sa.Column("origin", sa.String(64), nullable=False, server_default=""))
        audit.add_column(sa.Column("old", sa.Text(), nullable=True))
        audit.add_column(sa.Column("new", sa.Text(), nullable=True))
        audit.add_column(sa.Column("undoes", sa.Integer(), nullable=True))
    op.create_index("ix_audit_subject", "audit", ["subject"])


def downgrade() -> None:
    op.drop_index("ix_audit_subject", "audit")
    with op.batch_alter_table("audit") as audit:
        for name in ("undoes", "new", "old", "origin"):
            audit.drop_column(name)
    op.drop_table("plan_grants")
    op.drop_table("plan_limits")
