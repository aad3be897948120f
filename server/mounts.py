"""What is mounted beside the home, where JupyterLab's list of files shows it: it shows the home."""

from __future__ import annotations

import os
from pathlib import Path


def show(directory: Path, home: Path) -> None:
    """Have a link in the home lead to ``directory`` while it has something; own files stay.

    Raises ``OSError`` when the home is full or read-only.
    """
    link = home / directory.name
    # The image has /datasets, and a server of nobody's class nothing in it.
    wanted = directory.is_dir() and any(directory.iterdir())
    is_ours = link.is_symlink() and link.readlink() == directory
    if is_ours and not wanted:
        link.unlink()
    elif wanted and not os.path.lexists(link):
        link.symlink_to(directory)
