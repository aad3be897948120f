"""A small disk of its own for a test: a file, mounted, that can be filled without harm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Disks are mounted by root, and btrfs has to be made by its own program.
needs_loop = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk")
needs_btrfs = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None,
    reason="only root mounts a disk, and btrfs-progs makes it",
)


def run(*command: str) -> str:
    """Run a command; fail with its own words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def disk(directory: Path, kind: str, size: int, *options: str) -> Iterator[Path]:
    """Make and mount a disk of ``size`` bytes below ``directory``; ``options`` are of mkfs."""
    image, point = directory / f"{kind}.img", directory / kind
    with image.open("wb") as file:
        file.truncate(size)
    run(f"mkfs.{kind}", "-q", *options, str(image))
    point.mkdir()
    run("mount", "-o", "loop", str(image), str(point))
    try:
        yield point
    finally:
        # Containers that were just removed may hold it for a moment yet.
        run("umount", "--lazy", str(point))


@contextmanager
def btrfs(directory: Path, size: int = 300 * 1024**2, *, quotas: bool = True) -> Iterator[Path]:
    with disk(directory, "btrfs", size) as point:
        if quotas:
            run("btrfs", "quota", "enable", str(point))
        yield point
