"""An environment of a class, and a build of one: the values that everybody passes on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

#: waiting: for its turn. built: its image is there, and the room's database does not say so yet.
State = Literal["waiting", "resolving", "installing", "built", "failed"]


@dataclass(frozen=True, slots=True)
class Environment:
    """One that a class has or had. ``base``: the engine's id of the image that it lies on.

    ``size``: bytes that it adds to that image. ``job``: the build that made it.
    """

    id: int
    class_name: str
    requirements: str
    lock: str
    tag: str
    base: str
    size: int
    built_at: datetime
    built_by: str
    job: str


@dataclass(frozen=True, slots=True)
class Build:
    """What the agent works on for a class, or has worked on.

    ``replaces``: the environment that is built anew on a new image, 0: an instructor asked for it.
    ``pins``: versions to keep to where that can be. ``began`` in seconds since 1970. ``base``,
    ``lock``, ``tag`` and ``size`` are there once it is built; a failed one says ``why``, and has
    the ``base`` that it failed on.
    """

    id: str
    class_name: str
    actor: str
    requirements: str
    began: float
    replaces: int = 0
    pins: str = ""
    state: State = "waiting"
    why: str = ""
    base: str = ""
    lock: str = ""
    tag: str = ""
    size: int = 0

    @property
    def over(self) -> bool:
        return self.state in ("built", "failed")


def as_dict(build: Build) -> dict[str, Any]:
    return asdict(build)


def from_dict(data: Mapping[str, Any]) -> Build:
    """Return a build that was written down. Raises ``TypeError`` for what is none."""
    return Build(**data)
