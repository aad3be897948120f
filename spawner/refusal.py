"""A start that is refused or has failed, in words for the person who asked for it."""

from __future__ import annotations

from html import escape

from jupyterhub.spawner import SpawnException

from room.models import Reject


class Refusal(SpawnException):
    """Carries a ``Reject`` to the page, the REST answer and the hub's log.

    JupyterHub looks for ``jupyterhub_message`` on what a start raises; its own
    SpawnException does not set it, and would be shown as ``503 SpawnException(…)``.
    """

    def __init__(self, reject: Reject, status_code: int = 400) -> None:
        # tornado formats log_message with %: a literal one must not look like a format.
        text = reject.message.replace("%", "%%")
        super().__init__(text, reason=reject.reason, status_code=status_code)
        self.reject = reject
        self.jupyterhub_message = reject.message
        self.jupyterhub_html_message = escape(reject.message)

    def __str__(self) -> str:
        return f"{self.reject.reason}: {self.reject.message}"
