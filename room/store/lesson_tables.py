"""Lessons of classes, and the profile that each class starts with."""

from __future__ import annotations

from sqlalchemy import JSON, Column, String, Table, Text

from room.store.metadata import UTCDateTime, metadata

#: A lesson is what its link names; it is retired and never removed, as links go on living.
lessons = Table(
    "lessons",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("class_name", String(255), nullable=False, index=True),
    Column("title", String(255), nullable=False),
    #: git or folder.
    Column("kind", String(16), nullable=False),
    Column("repository", Text, nullable=False),
    Column("branch", String(255), nullable=False),
    #: Inside the class's folder.
    Column("path", Text, nullable=False),
    #: Empty: the usual one.
    Column("profile", String(63), nullable=False),
    #: References, as cifar10@2.
    Column("datasets", JSON, nullable=False),
    Column("page", Text, nullable=False),
    #: Where the files come to in a home, under lessons/<class>.
    Column("folder", String(255), nullable=False),
    Column("made_by", String(255), nullable=False),
    Column("made_at", UTCDateTime, nullable=False),
    #: From then on nobody can follow its link.
    Column("retired_at", UTCDateTime, nullable=True),
)

#: What is selected on the start page of who is in the class, until they choose something.
class_defaults = Table(
    "class_defaults",
    metadata,
    Column("class_name", String(255), primary_key=True),
    Column("profile", String(63), nullable=False),
)
