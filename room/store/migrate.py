"""Bring a database to the tables this version expects."""

from __future__ import annotations

import importlib.resources

from alembic import command
from alembic.config import Config

from room.store.store import Store


def upgrade(store: Store) -> None:
    """Run every migration that the database has not seen. Repeating it changes nothing."""
    command.upgrade(_config(store), "head")


def _config(store: Store) -> Config:
    config = Config()
    scripts = importlib.resources.files("room.store") / "migrations"
    config.set_main_option("script_location", str(scripts))
    config.attributes["store"] = store
    return config
