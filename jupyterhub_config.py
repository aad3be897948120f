"""What JupyterHub loads: read the settings, apply them. Nothing else."""

import os
from pathlib import Path

from room.settings import load
from spawner import hub

hub.configure(
    get_config(),  # noqa: F821  (JupyterHub's config loader provides it)
    load(Path(os.environ["ROOM_CONFIG"])),
    os.environ,
)
