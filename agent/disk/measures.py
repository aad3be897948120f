"""What homes held when they were last read through. One is read at a time, and last of all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

from agent.disk import kernel
from agent.disk.walk import Measured, measure

log = logging.getLogger(__name__)


class Measures:
    """The last measure of each home since the agent began, and the way to a newer one."""

    def __init__(
        self,
        read: Callable[[Path], Measured] = measure,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._read = read
        self._now = now
        self._known: dict[Path, Measured] = {}
        self._running: dict[Path, Future[None]] = {}
        self._lock = threading.Lock()
        # What reads for people who look must not slow down those who compute.
        self._thread = ThreadPoolExecutor(1, "measures", initializer=kernel.be_modest)

    def latest(self, home: Path, max_age: float, patience: float = 0.0) -> Measured | None:
        """Return what is known; one older than ``max_age`` seconds is measured anew.

        For the newer one ``patience`` seconds are waited, and it is had later in any case.
        """
        with self._lock:
            known = self._known.get(home)
            if known is not None and (self._now() - known.at).total_seconds() <= max_age:
                return known
            running = self._running.get(home)
            if running is None:
                running = self._running[home] = self._thread.submit(self._measure, home)
        if patience:
            wait([running], timeout=patience)
        return self._known.get(home, known)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _measure(self, home: Path) -> None:
        try:
            found = self._read(home)
        except OSError as error:
            log.warning("%s could not be measured: %s", home, error)
            found = None
        with self._lock:
            if found is not None:
                self._known[home] = found
            del self._running[home]
