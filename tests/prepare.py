"""``python -m tests.prepare``: what the tests need beyond Python, installed where it is missing.

An engine with simulated GPUs by the room's own roles, the room's images, Debian's Chromium, the
shells in which the room command completes words, and what makes disks with quotas. With
``--beside`` it does not wait for the images: the tests that need none come first, and the fixtures
of the others wait for them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from cli import gpus, host
from cli.doctor import examine
from cli.errors import Problem
from cli.steps import console, step
from engine import images
from room.settings import Settings

#: As many as the tests of the queue ask for.
SIMULATED_GPUS = 8
#: Program → the Debian packages that it takes.
PROGRAMS = {
    "chromium": ["chromium"],
    "zsh": ["zsh"],
    "fish": ["fish"],
    "mkfs.btrfs": ["btrfs-progs"],
    "ip": ["iproute2"],
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
        build_images_beside() if "--beside" in sys.argv else build_images(Settings())
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


def build_images_beside() -> None:
    """Leave the build to a process of its own. What fails there is built and told by a fixture."""
    log = images.ROOT / "build" / "images.log"
    log.parent.mkdir(exist_ok=True)
    where = log.relative_to(images.ROOT)
    console.print(f"… Building the images beside the first tests: {where}", markup=False)
    with log.open("wb") as output:
        subprocess.Popen(
            [sys.executable, "-m", "tests.prepare"],
            cwd=images.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


if __name__ == "__main__":
    main()
