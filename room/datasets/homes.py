"""What of somebody's home can be published. Pure."""

from __future__ import annotations

import re

from room.datasets.paths import check
from room.said import said

#: How people write where their home is.
_HOME = re.compile(r"^(?:~|/home/jovyan)(?:/|$)")


def below(text: str) -> str:
    """Return a folder or a file from the home on. Raises ``ValueError``.

    All of a home is no folder of it: keys and passwords are in there.
    """
    path = _HOME.sub("", text.strip()).rstrip("/")
    if path in ("", "."):
        raise ValueError(said("no folder is named: write which one of your home, as data/cats"))
    return check(path)
