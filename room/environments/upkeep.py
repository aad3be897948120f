"""Which environments are to be built anew: the image is gone, or the room has another. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from room.environments.model import Build, Environment


def due(
    in_force: Iterable[Environment],
    base: str,
    images: Collection[str],
    builds: Collection[Build],
) -> list[Environment]:
    """Return those of which a build is to begin by itself.

    ``base``: the engine's id of the room's image, empty where it has none: then nothing can be
    built. One that failed on this image is not tried again, until somebody asks for it.
    """
    if not base:
        return []
    return [
        each
        for each in in_force
        if (each.base != base or each.tag not in images) and not _tried(each, base, builds)
    ]


def _tried(environment: Environment, base: str, builds: Iterable[Build]) -> bool:
    """Say whether something is under way for the class, or this very thing did not succeed."""
    return any(
        not build.over
        or build.state == "built"
        or (build.replaces == environment.id and build.base == base)
        for build in builds
        if build.class_name == environment.class_name
    )
