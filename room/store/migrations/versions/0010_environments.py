"""Environments of classes: what each has built, and which of these its servers start with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("requirements", sa.Text(), nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.Column("tag", sa.String(length=255), nullable=False),
        sa.Column("base", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("built_at", UTCDateTime(), nullable=False),
        sa.Column("built_by", sa.String(length=255), nullable=False),
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_environments")),
        sa.UniqueConstraint("job", name=op.f("uq_environments_job")),
    )
    op.create_index(op.f("ix_environments_class_name"), "environments", ["class_name"])
    op.create_table(
        "environments_in_force",
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("environment", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment"],
            ["environments.id"],
            name=op.f("fk_environments_in_force_environment_environments"),
        ),
        sa.PrimaryKeyConstraint("class_name", name=op.f("pk_environments_in_force")),
    )


def downgrade() -> None:
    op.drop_table("environments_in_force")
    op.drop_index(op.f("ix_environments_class_name"), table_name="environments")
    op.drop_table("environments")
