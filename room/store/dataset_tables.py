"""Datasets, their versions, who they are for, and on which hosts they are."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from room.store.metadata import UTCDateTime, metadata

#: What is said of a dataset; it may change, its versions do not.
datasets = Table(
    "datasets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("description", Text, nullable=False, default=""),
    Column("licence", String(255), nullable=False, default=""),
    #: Where it comes from, in words or as an address, without a password.
    Column("source", Text, nullable=False, default=""),
    Column("owner", String(255), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)

#: A row is there once the files are whole on a host, and not before.
dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset", ForeignKey("datasets.name"), primary_key=True),
    Column("number", Integer, primary_key=True),
    #: SHA-256 of the manifest.
    Column("digest", String(64), nullable=False),
    #: Bytes of all files, and how many.
    Column("size", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("published_at", UTCDateTime, nullable=False),
    Column("published_by", String(255), nullable=False),
    #: How its files are meant to be read, and the path that begins from: ``readme.Shape``.
    Column("shape", String(16), nullable=False, server_default="files"),
    Column("example", Text, nullable=False, server_default=""),
    #: The publication that made it: one that is cut short before it heard so asks again.
    Column("job", String(36), nullable=False, unique=True),
    #: From then on no server starts with it. Its files are there until they are pruned.
    Column("retired_at", UTCDateTime, nullable=True),
    Column("pruned_at", UTCDateTime, nullable=True),
    Index("ix_dataset_versions_digest", "dataset", "digest"),
)

#: Who a dataset is for; the class ``*`` is everybody.
dataset_classes = Table(
    "dataset_classes",
    metadata,
    Column("dataset", ForeignKey("datasets.name"), primary_key=True),
    Column("class_name", String(255), primary_key=True, index=True),
)

#: Where a version's files are, and when they were last read through and found as published.
dataset_copies = Table(
    "dataset_copies",
    metadata,
    Column("dataset", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("host", String(255), primary_key=True),
    Column("verified_at", UTCDateTime, nullable=True),
    #: How many files were not as published; null: never looked.
    Column("damaged", Integer, nullable=True),
    ForeignKeyConstraint(
        ["dataset", "number"], ["dataset_versions.dataset", "dataset_versions.number"]
    ),
)
