"""Lessons, and the profile that a class starts with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("profile", sa.String(length=63), nullable=False),
        sa.Column("datasets", sa.JSON(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("retired_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
    )
    op.create_index(op.f("ix_lessons_class_name"), "lessons", ["class_name"])
    op.create_table(
        "class_defaults",
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("profile", sa.String(length=63), nullable=False),
        sa.PrimaryKeyConstraint("class_name", name=op.f("pk_class_defaults")),
    )


def downgrade() -> None:
    op.drop_table("class_defaults")
    op.drop_index(op.f("ix_lessons_class_name"), table_name="lessons")
    op.drop_table("lessons")
