"""The ends of containers as the engine tells them, read on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
import requests

#: Seconds before the engine is asked again after the stream broke: doubled up to the last.
RETRY_FIRST, RETRY_LAST = 0.2, 10.0


def follow(
    connect: Callable[[], docker.APIClient],
    labels: Mapping[str, str],
    tell: Callable[[Mapping[str, str]], None],
    joined: Callable[[], None],
) -> threading.Thread:
    """Call ``tell`` with the labels of each container that carries ``labels`` and ends or goes.

    ``joined`` is called whenever the stream begins: what happened before is not told. Both are
    called on the stream's thread, which ends with the process.
    """

    def run() -> None:
        pause = RETRY_FIRST
        while True:
            try:
                with _stream(connect(), labels) as events:
                    joined()
                    pause = RETRY_FIRST
                    for event in events:
                        tell(event.get("Actor", {}).get("Attributes", {}))
            except (requests.exceptions.RequestException, docker.errors.DockerException, OSError):
                pass  # Whoever calls the engine says that it is away; here it is only asked again.
            time.sleep(pause)
            pause = min(pause * 2, RETRY_LAST)

    thread = threading.Thread(target=run, name="engine-events", daemon=True)
    thread.start()
    return thread


@contextmanager
def _stream(client: docker.APIClient, labels: Mapping[str, str]) -> Iterator[Any]:
    """Give the engine's events; the connection is closed with them."""
    filters = {
        "type": "container",
        "event": ["die", "destroy"],
        "label": [f"{key}={value}" for key, value in labels.items()],
    }
    events = client.events(filters=filters, decode=True)
    try:
        yield events
    finally:
        events.close()
        client.close()
