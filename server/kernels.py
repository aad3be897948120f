"""The way from an open page to its kernel, without the waits that need not be."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.provisioning import LocalProvisioner
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from server import spare

#: Milliseconds until a kernel that does not listen yet is called again. ZeroMQ's own are 100.
_AGAIN = 10
#: Seconds between two questions to a kernel that a page is being connected to.
_EVERY = 0.02


class Provisioner(LocalProvisioner):
    """Starts kernels as Jupyter does, except for the first one of the usual kind."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        process = None
        if spare.current is not None:
            folder = str(kwargs.get("cwd") or Path.cwd())
            process = spare.current.take(cmd, folder, kwargs.get("env") or os.environ)
        if process is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = process
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info


class Kernels(AsyncMappingKernelManager):
    """Calls a kernel that is starting as soon as it listens."""

    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        context.setsockopt(zmq.RECONNECT_IVL, _AGAIN)
        # A kernel that died is not called a hundred times a second.
        context.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        return context


class Connection(ZMQChannelsWebsocketConnection):
    """Asks a kernel for a sign of life more often than every half second.

    A page is connected when the kernel's broadcasts arrive. What the kernel broadcast
    before they could is lost, and the first question's answer is lost every second time.
    """

    def connect(self) -> Any:
        # A result is several small frames: without this the second waits for the page to say
        # that it has the first, and the page takes 40 ms before it says so.
        self.websocket_handler.set_nodelay(True)
        return super().connect()

    def nudge(self) -> asyncio.Future[None]:
        connected = super().nudge()
        if not connected.done():
            self._asking = asyncio.ensure_future(self._ask_until(connected))
        return connected

    async def _ask_until(self, connected: asyncio.Future[None]) -> None:
        channel = self.kernel_manager.connect_control()
        try:
            every = _EVERY
            while not (await asyncio.wait([connected], timeout=every))[0]:
                self.session.send(channel, "kernel_info_request")
                every = min(2 * every, 0.5)
        finally:
            channel.close()
