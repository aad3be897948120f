"""The examples library in JupyterLab: what there is, and a copy of one for the home."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyter_server.base.handlers import APIHandler
from tornado import web

from server import examples

#: Notebooks of the image's, beside the one that each home is given.
LIBRARY = Path("/opt/library")


class _Handler(APIHandler):
    @property
    def home(self) -> Path:
        return Path(self.settings["server_root_dir"])


class LibraryHandler(_Handler):
    """``GET room/examples``: title and words of each, in every language, and whether it is here."""

    @web.authenticated
    async def get(self) -> None:
        found = await asyncio.to_thread(examples.listed, LIBRARY, self.home)
        self.finish({"examples": found})


class CopyHandler(_Handler):
    """``POST room/examples/<name>``: copy one, unless there is one; say where it is."""

    @web.authenticated
    async def post(self, name: str) -> None:
        try:
            path = await asyncio.to_thread(examples.take, LIBRARY, self.home, name)
        except LookupError:
            raise web.HTTPError(404) from None
        except OSError as error:
            # The page has words for a home that takes nothing.
            self.log.warning("Cannot copy the example %s: %s", name, error)
            raise web.HTTPError(507) from error
        self.finish({"path": path})
