"""What the files of a dataset's version look like, so that a page can say how to load them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dataset_versions") as table:
        table.add_column(
            sa.Column("shape", sa.String(length=16), nullable=False, server_default="files")
        )
        table.add_column(sa.Column("example", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("dataset_versions") as table:
        table.drop_column("example")
        table.drop_column("shape")
