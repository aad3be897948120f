"""People, the classes they are in, and the tokens they log in with."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table

from room.store.metadata import UTCDateTime, metadata

#: Everyone who was let in. A revoked person stays, so that no other way in revives the login.
people = Table(
    "people",
    metadata,
    Column("login", String(64), primary_key=True),
    Column("name", String(255), nullable=False, default=""),
    Column("admin", Boolean, nullable=False, default=False),
    Column("added_at", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime, nullable=True),
    Column("last_login_at", UTCDateTime, nullable=True),
    #: The provider's immutable name for who first came in by OAuth under this login.
    Column("oauth_subject", String(255), nullable=True),
    #: From then on nothing lets them in any more.
    Column("until", UTCDateTime, nullable=True),
)

#: A class is a JupyterHub group of the same name. ``source`` is ``roster`` for what the admin
#: said, and ``provider`` for the groups claim of the last login by OAuth.
people_classes = Table(
    "people_classes",
    metadata,
    Column("login", ForeignKey("people.login", ondelete="CASCADE"), primary_key=True),
    Column("class_name", String(255), primary_key=True, index=True),
    Column("source", String(16), primary_key=True, default="roster"),
    #: student | assistant | instructor. Only the admin's word makes somebody more than a student.
    Column("role", String(16), nullable=False, default="student", server_default="student"),
    Column("until", UTCDateTime, nullable=True),
)

#: Classes that are over. Their members' rows stay, so that restoring one is removing its row here.
archived_classes = Table(
    "archived_classes",
    metadata,
    Column("class_name", String(255), primary_key=True),
    Column("archived_at", UTCDateTime, nullable=False),
)

#: One row: a number that every change of who is in, and where, raises.
people_revision = Table(
    "people_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", Integer, nullable=False),
)

#: ``id`` is the token's public half; of the secret half only the SHA-256 is kept.
people_tokens = Table(
    "people_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("login", ForeignKey("people.login", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=True),
    Column("once", Boolean, nullable=False, default=False),
    Column("used_at", UTCDateTime, nullable=True),
)
