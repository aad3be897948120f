"""Our own database: tables, migrations, one transaction a decision."""

from room.store.opening import open_store
from room.store.store import Store

__all__ = ["Store", "open_store"]
