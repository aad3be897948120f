"""No request is longer than what any page sends: of a longer one the rest is let go by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How many times what is read may come after it, before the connection is closed.
DRAINED = 16


class TooLongError(HTTPException):
    """More was sent than is read. Raised where somebody reads it."""

    def __init__(self) -> None:
        super().__init__(413)


class Bounded:
    """Middleware: whoever reads more than ``most`` bytes of a request gets ``TooLongError``.

    ``longer``: what may be sent by ``PATCH`` to addresses that begin so, and is never held whole.
    """

    def __init__(
        self, app: ASGIApp, most: int, longer: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._app = app
        self._most, self._longer = most, longer

    def _bound(self, scope: Scope) -> int:
        if scope["type"] == "http" and scope["method"] == "PATCH":
            for beginning, most in self._longer.items():
                if scope["path"].startswith(beginning):
                    return most
        return self._most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        came, bound = 0, self._bound(scope)

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came <= bound:
                return message
            # A browser that is cut off while it sends shows no answer of ours.
            while message.get("more_body") and came <= DRAINED * self._most:
                message = await receive()
                came += len(message.get("body", b""))
            raise TooLongError

        await self._app(scope, counted, send)
