"""Roles in classes, ends of memberships and of access, archived classes, the people's revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("people") as people:
        people.add_column(sa.Column("until", UTCDateTime(), nullable=True))
    with op.batch_alter_table("people_classes") as classes:
        classes.add_column(
            sa.Column("role", sa.String(length=16), nullable=False, server_default="student")
        )
        classes.add_column(sa.Column("until", UTCDateTime(), nullable=True))
    op.create_table(
        "archived_classes",
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("archived_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("class_name", name=op.f("pk_archived_classes")),
    )
    op.create_table(
        "people_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_revision")),
    )


def downgrade() -> None:
    op.drop_table("people_revision")
    op.drop_table("archived_classes")
    with op.batch_alter_table("people_classes") as classes:
        classes.drop_column("until")
        classes.drop_column("role")
    with op.batch_alter_table("people") as people:
        people.drop_column("until")
