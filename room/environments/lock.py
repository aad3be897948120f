"""What a resolution found: each package, its version and its hash; and the name that follows. Pure.

The tag follows from the base image and the lock alone, so that the same packages on the same image
are the same image, whichever class asked for them and whenever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

#: Hexadecimal digits of a tag: as many as make two locks with one tag a matter of no life's length.
DIGITS = 24


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One that is installed. ``sha256``: of the one file that is downloaded for it."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def packages_of(found: Iterable[Mapping[str, Any]]) -> tuple[Package, ...]:
    """Return what ``pip install --report`` would install, by name."""
    return tuple(
        sorted(
            Package(canonicalize_name(each["name"]), str(each["version"]), str(each["sha256"]))
            for each in found
        )
    )


def lock_of(packages: Iterable[Package]) -> str:
    """Return the lock: what pip takes with ``--require-hashes``, each line one package."""
    return "".join(f"{package}\n" for package in packages)


def packages_in(lock: str) -> tuple[Package, ...]:
    """Return the packages of a lock that ``lock_of`` made."""
    found = []
    for line in lock.splitlines():
        what, _, sha256 = line.partition(" --hash=sha256:")
        name, _, version = what.partition("==")
        found.append(Package(name, version, sha256))
    return tuple(found)


def pins_of(lock: str) -> str:
    """Return a lock's versions as constraints, without hashes: those of another Python differ."""
    return "".join(f"{package.name}=={package.version}\n" for package in packages_in(lock))


def repository(room: str) -> str:
    """Return under which name a room's images of classes are: one room never removes another's."""
    return f"torchroom/class-{room}"


def tag_of(room: str, base: str, lock: str) -> str:
    """Return the tag of a lock on a base image, which is given by the engine's own id of it."""
    digest = hashlib.sha256(b"\0".join((base.encode(), lock.encode()))).hexdigest()
    return f"{repository(room)}:{digest[:DIGITS]}"
