"""What went wrong with an image, in words for the person at the keyboard."""

from __future__ import annotations


class BuildError(Exception):
    """A build that cannot be done, or did not succeed. ``remedy`` says what to do next."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
