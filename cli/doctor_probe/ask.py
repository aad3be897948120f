"""Asking programs, files and other machines, without waiting for what does not answer."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: sudo and cron leave these out, and engine and drivers put programs there.
SYSTEM_PATH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin"]
)


def output(*command: str, timeout: float = 4.0, **variables: str) -> str:
    """Return what a program prints; empty when it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env={**os.environ, "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", **variables},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def text(path: str | Path) -> str:
    """Return a file's text; empty when it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def together(
    questions: Mapping[str, Callable[[], Any]], deadline: float, *, wait: bool = True
) -> Callable[[], dict[str, Any]]:
    """Ask everything at once; return a function that waits for the answers there are.

    A question that has no answer ``deadline`` seconds from now, or fails, is
    absent. A resolver can hang for longer than any timeout of a socket, so
    nobody joins its thread.
    """
    answers: dict[str, Any] = {}

    def ask(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = question()
        except Exception:
            if os.environ.get("ROOM_DEBUG"):
                raise

    threads = [
        threading.Thread(target=ask, args=item, daemon=True, name=f"doctor-{item[0]}")
        for item in questions.items()
    ]
    until = time.monotonic() + deadline
    for thread in threads:
        thread.start()

    def collect() -> dict[str, Any]:
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return dict(answers)

    if wait:
        collect()
    return collect
