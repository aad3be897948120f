"""The names of devices in CDI specs: what the engine can be asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

#: Where engines look for specs.
DIRECTORIES = (Path("/etc/cdi"), Path("/var/run/cdi"))


def names(directories: Iterable[Path] = DIRECTORIES) -> Iterator[str]:
    """Yield the qualified device names in CDI specs; one that cannot be read has none."""
    for file in _files(directories):
        spec = _spec(file)
        for device in spec.get("devices") or ():
            if isinstance(device, dict):
                yield f"{spec.get('kind')}={device.get('name')}"


def reader(directories: Iterable[Path] = DIRECTORIES) -> Callable[[], frozenset[str]]:
    """Return a function that reads the specs again only when one has changed."""
    directories = tuple(directories)
    seen: object = None
    known: frozenset[str] = frozenset()

    def read() -> frozenset[str]:
        nonlocal seen, known
        stamp = [(file, _stamp(file)) for file in _files(directories)]
        if stamp != seen:
            known, seen = frozenset(names(directories)), stamp
        return known

    return read


def _files(directories: Iterable[Path]) -> Iterator[Path]:
    for directory in directories:
        yield from sorted([*directory.glob("*.yaml"), *directory.glob("*.json")])


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _spec(file: Path) -> dict[str, Any]:
    try:
        content = file.read_text(errors="replace")
        found = json.loads(content) if file.suffix == ".json" else yaml.safe_load(content)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        # Whoever wrote it, the engine passes it over too.
        return {}
    return found if isinstance(found, dict) else {}
