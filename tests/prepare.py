"""``python -m tests.prepare``: what the tests need beyond Python, installed where it is missing.

An engine with simulated GPUs by the room's own roles, the room's images, Debian's Chromium, and
the shells in which the room command completes words.
"""

from __future__ import annotations

import shutil
import subprocess

from cli import gpus, host
from cli.doctor import examine
from cli.errors import Problem
from cli.steps import step
from engine import images
from room.settings import Settings

#: As many as the tests of the queue ask for.
SIMULATED_GPUS = 8
#: Program → the Debian packages that it takes.
PROGRAMS = {
    "chromium": ["chromium"],
    "zsh": ["zsh"],
    "fish": ["fish"],
    # The server itself is on nobody's PATH.
    "pg_createcluster": ["postgresql"],
    # Where no container registry answers. The role that installs it for a room makes the room's
    # data root too, which no test has any business with.
    "mmdebstrap": ["mmdebstrap", "debian-archive-keyring"],
}


def main() -> None:
    try:
        prepare_engine(Settings())
        install_programs()
        build_images(Settings())
    except Problem as problem:
        problem.show()
        raise SystemExit(problem.exit_code) from None


def prepare_engine(settings: Settings) -> None:
    """Install and start an engine, and give it the GPUs that are not there."""
    findings = examine(settings, SIMULATED_GPUS)
    needed = {f.prepare for f in findings if f.prepare == "engine"} | gpus.needed(SIMULATED_GPUS)
    if needed:
        host.prepare(settings, simulate_gpus=SIMULATED_GPUS, needed=needed)


def install_programs() -> None:
    missing = [
        package
        for name, packages in PROGRAMS.items()
        if shutil.which(name) is None
        for package in packages
    ]
    if not missing:
        return
    with step(f"Installing {', '.join(missing)}"):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", "--quiet=2", *command], check=True, capture_output=True)


def build_images(settings: Settings) -> None:
    with step("Building the images") as current:
        images.ensure(settings, progress=current.say)


if __name__ == "__main__":
    main()
