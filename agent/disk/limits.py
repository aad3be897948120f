"""The limits that the hub set for each home, remembered over restarts of the agent."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes; 0: none. At ``soft`` the owner is told; at ``hard`` writing fails where it can."""

    soft: int = 0
    hard: int = 0


class KnownLimits:
    """Remembers limits in ``file``, by the name of the home's directory; without one, in memory."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._limits = self._load()

    def of(self, home: str) -> Limits:
        return self._limits.get(home, Limits())

    def set(self, home: str, limits: Limits) -> None:
        with self._lock:
            if self.of(home) != limits:
                self._limits[home] = limits
                self._save()

    def _load(self) -> dict[str, Limits]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            data = json.loads(self._file.read_text())
            return {home: Limits(int(soft), int(hard)) for home, (soft, hard) in data.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            # Each is told again at the next start of its owner's server.
            log.warning("The limits of homes could not be read: %s", error)
            return {}

    def _save(self) -> None:
        if self._file is None:
            return
        data = {home: (limits.soft, limits.hard) for home, limits in self._limits.items()}
        beside = self._file.with_name(f".{self._file.name}.new")
        try:
            beside.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
            beside.replace(self._file)
        except OSError as error:
            # A full disk must not keep anybody out: they are remembered while the agent runs.
            log.warning("The limits of homes could not be written down: %s", error)
