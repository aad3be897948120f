"""A kernel's debugger that is not there before somebody debugs.

debugpy is a fifth of a kernel's imports, and most kernels never meet it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from room_kernel.later import real


class Debugger:
    """Takes ipykernel's debugger's place, and becomes its front when the first request comes."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments
        self._real: Any = None
        self._wanted = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        if self._real is None:
            self._real = real("ipykernel.debugger").Debugger(*self._arguments)
            self._wanted.set()
        return getattr(self._real, name)

    async def handle_stopped_event(self) -> None:
        """Wait for a stop. The kernel asks from its first moment: that alone wants no debugger."""
        await self._wanted.wait()
        await self._real.handle_stopped_event()
