"""Which report of a fatal Xid a unit was quarantined for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("unit_marks") as marks:
        marks.add_column(
            sa.Column("report", sa.String(length=64), nullable=False, server_default="")
        )


def downgrade() -> None:
    op.drop_column("unit_marks", "report")
