"""What counts as work in this server, for the room that ends idle ones. Pure.

The server reports its last activity to the hub by itself, and we only keep that true. A kernel
that computes is work, though it prints nothing. What a page does by itself is none: every ten
seconds an open one asks for files, kernels and terminals, and saves its layout, whoever sits
before it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any

#: Seconds between two looks at the kernels: a report to the hub is due every minute.
EVERY = 20.0
#: Requests that change nothing.
READING = ("GET", "HEAD", "OPTIONS")
#: Where a page saves its layout.
LAYOUT = "/lab/api/workspaces/"


def tracked(handler: Any) -> bool:
    """Say whether a request is a sign of somebody's work; ``handler`` is the one it came to."""
    request = handler.request
    return request.method not in READING and LAYOUT not in request.path


def computes(manager: Any) -> bool:
    """Say whether a kernel of the server's kernel manager works on something now."""
    kernels = (manager.get_kernel(each) for each in manager.list_kernel_ids())
    return any(getattr(kernel, "execution_state", "") == "busy" for kernel in kernels)


def note(times: MutableMapping[str, datetime], manager: Any) -> None:
    """Write down that a kernel computes, where the server looks for its last activity."""
    if computes(manager):
        times["room_kernels"] = datetime.now(timezone.utc)
