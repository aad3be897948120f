"""leases, exits, people

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

from room.store.metadata import UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("server", sa.String(length=255), nullable=False),
        sa.Column("granted_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
        sa.UniqueConstraint("user", "server", name="uq_leases_owner"),
    )
    op.create_table(
        "people",
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("last_login_at", UTCDateTime(), nullable=True),
        sa.Column("oauth_subject", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("login", name=op.f("pk_people")),
    )
    op.create_table(
        "server_exits",
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("server", sa.String(length=255), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("oom_killed", sa.Boolean(), nullable=False),
        sa.Column("memory_limit", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=False),
        sa.Column("asked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user", "server", name=op.f("pk_server_exits")),
    )
    op.create_table(
        "lease_units",
        sa.Column("unit", sa.String(length=96), nullable=False),
        sa.Column("lease_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["lease_id"],
            ["leases.id"],
            name=op.f("fk_lease_units_lease_id_leases"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("unit", name=op.f("pk_lease_units")),
    )
    op.create_index(op.f("ix_lease_units_lease_id"), "lease_units", ["lease_id"])

    op.create_table(
        "people_classes",
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["login"],
            ["people.login"],
            name=op.f("fk_people_classes_login_people"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("login", "class_name", "source", name=op.f("pk_people_classes")),
    )
    op.create_index(op.f("ix_people_classes_class_name"), "people_classes", ["class_name"])

    op.create_table(
        "people_tokens",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["login"],
            ["people.login"],
            name=op.f("fk_people_tokens_login_people"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_tokens")),
    )
    op.create_index(op.f("ix_people_tokens_login"), "people_tokens", ["login"])


def downgrade() -> None:
    for table in (
        "people_tokens",
        "people_classes",
        "people",
        "server_exits",
        "lease_units",
        "leases",
    ):
        op.drop_table(table)
