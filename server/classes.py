"""The folders of classes, where JupyterLab's list of files shows them: it shows the home alone."""

from __future__ import annotations

import os
from pathlib import Path


def show(classes: Path, home: Path) -> None:
    """Have ``home/class`` lead to ``classes`` while that is there; what a user put there stays.

    Raises ``OSError`` when the home is full or read-only.
    """
    link = home / "class"
    is_ours = link.is_symlink() and link.readlink() == classes
    if is_ours and not classes.is_dir():
        link.unlink()
    elif classes.is_dir() and not os.path.lexists(link):
        link.symlink_to(classes)
