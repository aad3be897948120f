"""Environments of classes: what each has built, and which of these its servers start with."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text

from room.store.metadata import UTCDateTime, metadata

#: A row is there once its image is whole on the host, and never changes.
environments = Table(
    "environments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("class_name", String(255), nullable=False, index=True),
    #: As its instructor wrote them, and what they were resolved to.
    Column("requirements", Text, nullable=False),
    Column("lock", Text, nullable=False),
    Column("tag", String(255), nullable=False),
    #: The engine's id of the image that it lies on.
    Column("base", String(255), nullable=False),
    #: Bytes that it adds to that one.
    Column("size", BigInteger, nullable=False),
    Column("built_at", UTCDateTime, nullable=False),
    Column("built_by", String(255), nullable=False),
    #: The build that made it: one that is cut short before it heard so asks again.
    Column("job", String(36), nullable=False, unique=True),
)

#: Which one holds; a class without a row has the room's image.
environments_in_force = Table(
    "environments_in_force",
    metadata,
    Column("class_name", String(255), primary_key=True),
    Column("environment", ForeignKey("environments.id"), nullable=False),
)
