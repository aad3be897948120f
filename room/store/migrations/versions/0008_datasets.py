"""Datasets, their versions, who they are for, and on which hosts they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("licence", sa.String(length=255), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=False),
        sa.Column("published_by", sa.String(length=255), nullable=False),
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("retired_at", UTCDateTime(), nullable=True),
        sa.Column("pruned_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset"], ["datasets.name"], name=op.f("fk_dataset_versions_dataset_datasets")
        ),
        sa.PrimaryKeyConstraint("dataset", "number", name=op.f("pk_dataset_versions")),
        sa.UniqueConstraint("job", name=op.f("uq_dataset_versions_job")),
    )
    op.create_index("ix_dataset_versions_digest", "dataset_versions", ["dataset", "digest"])
    op.create_table(
        "dataset_classes",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"], ["datasets.name"], name=op.f("fk_dataset_classes_dataset_datasets")
        ),
        sa.PrimaryKeyConstraint("dataset", "class_name", name=op.f("pk_dataset_classes")),
    )
    op.create_index(op.f("ix_dataset_classes_class_name"), "dataset_classes", ["class_name"])
    op.create_table(
        "dataset_copies",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("verified_at", UTCDateTime(), nullable=True),
        sa.Column("damaged", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset", "number"],
            ["dataset_versions.dataset", "dataset_versions.number"],
            name=op.f("fk_dataset_copies_dataset_dataset_versions"),
        ),
        sa.PrimaryKeyConstraint("dataset", "number", "host", name=op.f("pk_dataset_copies")),
    )


def downgrade() -> None:
    op.drop_table("dataset_copies")
    op.drop_index(op.f("ix_dataset_classes_class_name"), table_name="dataset_classes")
    op.drop_table("dataset_classes")
    op.drop_index("ix_dataset_versions_digest", table_name="dataset_versions")
    op.drop_table("dataset_versions")
    op.drop_table("datasets")
