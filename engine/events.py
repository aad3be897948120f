"""What happens to containers as the engine tells it, read on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
import requests

from engine.mirror import Event

#: Seconds before the engine is asked again after the stream broke: doubled up to the last.
RETRY_FIRST, RETRY_LAST = 0.2, 10.0
#: A container begins, is sent a signal or runs out of memory, ends, and is gone.
ACTIONS = ["start", "kill", "oom", "die", "destroy"]


def follow(
    connect: Callable[[], docker.APIClient],
    labels: Mapping[str, str],
    tell: Callable[[Event], None],
    joined: Callable[[], None],
    broke: Callable[[], None],
) -> threading.Thread:
    """Call ``tell`` with each event of containers that carry ``labels``.

    ``joined`` is called whenever the stream begins: what happened before is not told. ``broke``
    is called when it ends. All are called on the stream's thread, which ends with the process.
    """

    def run() -> None:
        pause = RETRY_FIRST
        while True:
            try:
                with _stream(connect(), labels) as events:
                    joined()
                    pause = RETRY_FIRST
                    for event in events:
                        tell(_event(event))
            except (requests.exceptions.RequestException, docker.errors.DockerException, OSError):
                pass  # Whoever calls the engine says that it is away; here it is only asked again.
            broke()
            time.sleep(pause)
            pause = min(pause * 2, RETRY_LAST)

    thread = threading.Thread(target=run, name="engine-events", daemon=True)
    thread.start()
    return thread


def _event(told: Mapping[str, Any]) -> Event:
    actor = told.get("Actor") or {}
    return Event(
        container=actor.get("ID", ""),
        action=told.get("Action", ""),
        at=int(told.get("timeNano") or 0) / 1e9,
        labels=actor.get("Attributes") or {},
    )


@contextmanager
def _stream(client: docker.APIClient, labels: Mapping[str, str]) -> Iterator[Any]:
    """Give the engine's events; the connection is closed with them."""
    filters = {
        "type": "container",
        "event": ACTIONS,
        "label": [f"{key}={value}" for key, value in labels.items()],
    }
    events = client.events(filters=filters, decode=True)
    try:
        yield events
    finally:
        events.close()
        client.close()
