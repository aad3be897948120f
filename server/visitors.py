"""Who works in this server beside its owner: the hub is asked about them anew at each second.

JupyterHub keeps an answer about a token for five minutes. For as long, somebody who was to help
here, and is not any more, would have gone on.
"""

from __future__ import annotations

import time
from typing import Any

from jupyterhub.services.auth import _ExpiringDict

#: How long an answer about anybody but the owner is good, seconds.
KEEP = 1.0


class Answers(_ExpiringDict):
    """The hub's answers by token: the owner's are kept as ever, and others' for a second."""

    def __init__(self, max_age: float, owner: str) -> None:
        super().__init__(max_age)
        self._owner = owner

    def _check_age(self, key: Any) -> None:
        if key in self.values and self._is_old(key):
            del self.values[key], self.timestamps[key]
        super()._check_age(key)

    def _is_old(self, key: Any) -> bool:
        # None is an answer too: that the hub knows nobody by this token.
        name = (self.values[key] or {}).get("name")
        return name != self._owner and time.monotonic() - self.timestamps[key] > KEEP


def watch(hub_auth: Any, owner: str) -> None:
    """Let what checks this server's logins forget others' answers early."""
    hub_auth.cache = Answers(hub_auth.cache_max_age, owner)
