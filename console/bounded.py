"""No request is longer than what any page sends: of a longer one the rest is let go by."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How many times what is read may come after it, before the connection is closed.
DRAINED = 16


class TooLongError(HTTPException):
    """More was sent than is read. Raised where somebody reads it."""

    def __init__(self) -> None:
        super().__init__(413)


class Bounded:
    """Middleware: whoever reads more than ``most`` bytes of a request gets ``TooLongError``."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came <= self._most:
                return message
            # A browser that is cut off while it sends shows no answer of ours.
            while message.get("more_body") and came <= DRAINED * self._most:
                message = await receive()
                came += len(message.get("body", b""))
            raise TooLongError

        await self._app(scope, counted, send)
