"""What a fetcher says when it cannot have a file."""

from __future__ import annotations

from room.datasets import fetching


class WrongError(Exception):
    """``why`` is one of ``fetching.KNOWN``; ``address`` is shown, so it has nothing secret."""

    def __init__(self, why: str, address: str = "") -> None:
        self.why = why if why in fetching.KNOWN else "odd"
        super().__init__(fetching.words(self.why, address))
