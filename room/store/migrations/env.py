"""Alembic's entry: migrate over the connection of the store that was handed in."""

from alembic import context

import room.store.dataset_tables
import room.store.environment_tables
import room.store.lesson_tables
import room.store.people_tables
import room.store.plan_tables
import room.store.tables
import room.store.usage_tables  # noqa: F401  (all fill the metadata)
from room.store.metadata import metadata

with context.config.attributes["store"].decide() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
