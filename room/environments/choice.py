"""Which environment a server starts with: what its user chose, and what their classes have. Pure.

Of a class that somebody is not in they hear the same as of one that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from room.environments.model import Environment
from room.models import Reject
from room.said import said

#: What says: the room's own image.
NONE = "none"


def choose(
    theirs: Sequence[Environment], asked: str | None, *, own_image: bool
) -> Environment | Reject | None:
    """Return what the server gets, None: the room's own image; or refuse what was asked for.

    ``theirs``: what holds in the user's classes, by class. ``own_image``: the chosen profile names
    no image of its own. Where nothing was asked for it is that of the first class that has one.
    """
    if asked == NONE:
        return None
    if asked:
        found: Mapping[str, Environment] = {each.class_name: each for each in theirs}
        if asked not in found:
            return Reject(
                "environment-unknown",
                said(
                    "There is no environment %(name)s for you. Choose one of those on the start "
                    "page, or none.",
                    name=repr(asked if len(asked) <= 60 else asked[:57] + "..."),
                ),
            )
        return found[asked] if own_image else None
    return next(iter(theirs), None) if own_image else None
