"""Resolve the project's locks: hashed, for every machine they are meant for, no host in them.

    make locks                      every lock
    make locks ARGS=host            those whose path contains "host"
    make locks ARGS=--check         resolve nothing, look for hosts and missing hashes
    make locks ARGS=--upgrade       with the newest versions that are allowed

Without ``--upgrade`` a version that is locked and still allowed stays.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
#: The oldest Python of a host, and the one of the images.
HOST, IMAGE = "3.10", "3.13"


class Lock(NamedTuple):
    """One lock: ``path`` without ending, the oldest Python it serves, its overrides if any."""

    path: str
    python: str
    overrides: str = ""


#: In this order: test.in takes host.txt for its constraints.
LOCKS = (
    Lock("requirements/host", HOST),
    Lock("requirements/test", HOST, "requirements/never.txt"),
    Lock("requirements/uv", IMAGE),
    Lock("requirements/room", IMAGE, "requirements/never.txt"),
    Lock("images/pytorch/torch-cu128", IMAGE),
    Lock("images/pytorch/requirements", IMAGE),
    Lock("images/pytorch/server", IMAGE, "images/pytorch/never.txt"),
    Lock("images/pytorch/devel-cu126", IMAGE),
    Lock("images/pytorch/devel-cu128", IMAGE),
    Lock("images/pytorch/devel-cu130", IMAGE, "images/pytorch/devel-never.txt"),
    Lock("bench/stock/requirements", IMAGE),
)
#: Resolved where they are built: their index is PyTorch's own, which not every site reaches.
RESOLVED_BY_BUILD = ("images/pytorch/torch-cu126", "images/pytorch/torch-cu130")
#: A host, or a path of the machine that resolved it, must not get into a file that others use.
FORBIDDEN = re.compile(r"https?://|file://|@ /|^--(extra-)?(index-url|find-links)", re.M)


def command(lock: Lock, upgrade: bool) -> list[str]:
    """Return uv's arguments for ``lock``."""
    return [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "--universal",
        f"--python-version={lock.python}",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-annotate",
        "--no-header",
        *([f"--override={lock.overrides}"] if lock.overrides else []),
        *(["--upgrade"] if upgrade else []),
        f"--output-file={lock.path}.txt",
        f"{lock.path}.in",
    ]


def check(text: str) -> list[str]:
    """Return what is wrong with a lock: a host, or a package without a hash."""
    wrong = [f"names a host or a path: {found.group()}" for found in FORBIDDEN.finditer(text)]
    for entry in re.split(r"\n(?=\S)", text.strip()):
        if not entry.startswith("#") and "--hash=sha256:" not in entry:
            wrong.append(f"has no hash: {entry.splitlines()[0]}")
    return wrong


def resolve(lock: Lock, upgrade: bool) -> bool:
    print(f"… {lock.path}.txt", flush=True)
    return subprocess.run(command(lock, upgrade), cwd=ROOT).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("--check", action="store_true", help="only look at what is there")
    parser.add_argument("part", nargs="*", help="only locks whose path contains this")
    chosen = parser.parse_args()
    status = 0
    for lock in LOCKS:
        if chosen.part and not any(part in lock.path for part in chosen.part):
            continue
        if not chosen.check and not resolve(lock, chosen.upgrade):
            status = 1
            continue
        for wrong in check((ROOT / f"{lock.path}.txt").read_text()):
            print(f"✗ {lock.path}.txt {wrong}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
