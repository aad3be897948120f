"""One kernel's process, started before anybody opens a notebook.

While the page loads in the browser, this process imports what a kernel imports, and then
waits to be told which kernel it is: the connection, the folder and the environment of the
notebook that was opened, before anything of ipykernel's runs. The first kernel takes it;
there is no second one. Who opens no notebook has it for some minutes, and then not any more.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: What the kernel "Python 3 (ipykernel)" is started with, up to its connection's file.
COMMAND = ("/usr/bin/python3", "-m", "room_kernel")
#: Seconds for which it waits: 40 MB of the container's memory, and no CPU.
PATIENCE = 300.0


def decides_imports(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment Python reads when it starts, and never again."""
    return {
        name: value
        for name, value in environment.items()
        if name == "HOME" or name.startswith(("PYTHON", "LD_"))
    }


def changed(packages: Path) -> int:
    """Return when something was last installed into ``packages``; 0 when it is not there."""
    try:
        return packages.stat().st_mtime_ns
    except OSError:
        return 0


class Spare:
    """The process, from its start until it is taken or let go."""

    def __init__(self, packages: Path) -> None:
        self._packages = packages
        self._changed = changed(packages)
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [*COMMAND, "--wait"],
            stdin=subprocess.PIPE,
            cwd="/",
            # ipykernel reads this one when it is imported: it ends with its server.
            env={**os.environ, "JPY_PARENT_PID": str(os.getpid())},
            # A group of its own, which is what the server interrupts.
            start_new_session=True,
        )

    def take(
        self, command: Sequence[str], folder: str, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes] | None:
        """Make it the kernel that ``command`` starts. None: it is gone, or would be another one.

        Another one it would be with packages that were installed since, for it has
        imported some already.
        """
        if tuple(command[: len(COMMAND)]) != COMMAND:
            return None
        process, self._process = self._process, None
        if process is None:
            return None
        told = {
            "arguments": list(command[len(COMMAND) :]),
            "folder": folder,
            "environment": {**environment, "JPY_PARENT_PID": str(os.getpid())},
        }
        same = decides_imports(environment) == decides_imports(os.environ)
        if same and changed(self._packages) == self._changed and _tell(process, told):
            return process
        _end(process)
        return None

    def let_go(self) -> None:
        """End it, if nobody took it."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)


def _tell(process: subprocess.Popen[bytes], told: Mapping[str, Any]) -> bool:
    """Return whether the process is there to be told, and was."""
    try:
        with process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(told).encode())
    except OSError:
        return False
    return process.poll() is None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


#: This server's, from the moment at which it answers.
current: Spare | None = None


def prepare(packages: Path) -> Spare:
    global current
    current = Spare(packages)
    return current
