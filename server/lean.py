"""What a user's server leaves out of its start, and why. ``later.py`` says how.

``tests/images/test_boot_imports.py`` fails when a start imports one of these again, or
when one of them is not whole once it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from server.later import postpone, real


class _HealthCheckHandler:
    """The hub's own page; no handler of a user's server is one."""


class _DatabaseError(Exception):
    """Nothing raises it before there is a database's code to raise it."""


async def _fetch(url: str, **options: Any) -> Any:
    from server.hub import fetch

    return await fetch(url, **options)


def _local_time() -> Any:
    return real("dateutil.tz").tzlocal()


def _version_rule(name: str) -> Any:
    def rule(*arguments: Any) -> Any:
        return getattr(real("jupyter_builder.jupyterlab_semver"), name)(*arguments)

    return rule


def _pypi_manager(*arguments: Any) -> Any:
    return real("jupyterlab.extensions.pypi").PyPIExtensionManager(*arguments)


#: Module → what others import from it by name before it is needed. Milliseconds are what a
#: server's start, 270 of CPU time now, takes longer when the group is not in this table.
POSTPONED: Mapping[str, Mapping[str, Any]] = {
    # 214 ms. The hub's own: its log function and its scopes' arithmetic are in modules that
    # import the hub's pages, its database and the database's migrations on the way.
    "jupyterhub.handlers": {},
    "jupyterhub.handlers.pages": {"HealthCheckHandler": _HealthCheckHandler},
    "jupyterhub.orm": {},
    "jupyterhub.roles": {},
    "sqlalchemy": {},
    "sqlalchemy.exc": {"SQLAlchemyError": _DatabaseError},
    # 48 ms. aiohttp, for three kinds of request to the hub: tornado, which is here already,
    # makes them. With it come host names outside ASCII, which jsonschema would import too.
    "jupyterhub.httpclient": {"fetch": _fetch},
    "aiohttp": {},
    "idna": {"IDNAError": UnicodeError},
    # 28 ms. Lists of blocked extensions, on a server elsewhere that no room names.
    "requests": {},
    # 17 ms. PyPI's extension manager, with httpx: the room's is read-only.
    "jupyterlab.extensions.pypi": {"PyPIExtensionManager": _pypi_manager},
    # 6 ms. Versions of extensions as npm orders them: 34 regular expressions.
    "jupyter_builder.jupyterlab_semver": {
        name: _version_rule(name) for name in ("Range", "gt", "gte", "lt", "lte", "make_semver")
    },
    # 8 ms. A gateway's kernels, of which a room has none; news about JupyterLab, which are
    # turned off; a helper of the login's redirect that lives in Python's own test library.
    "websocket": {},
    "xml.etree.ElementTree": {},
    "unittest": {},
    "unittest.mock": {},
    # 5 ms. Dates in kernels' messages: Python itself reads ISO 8601 by now.
    "dateutil": {},
    "dateutil.parser": {"isoparse": datetime.fromisoformat},
    "dateutil.tz": {"tzlocal": _local_time},
}


def serve(packages: Path) -> None:
    """Start JupyterHub's single-user server, and stay until it ends.

    ``packages`` is where the user's own packages are.
    """
    end = postpone(POSTPONED)
    # 21 ms. What a start makes stays until the end: the collector would find nothing in it.
    gc.disable()
    from jupyterhub.singleuser.extension import JupyterHubSingleUser as Server

    check = Server.check_hub_version

    async def started(self: Any) -> None:
        """Called when everything is imported; the hub's version is asked while we answer.

        As it comes, the check holds up the start until the hub has time, at 09:00 for
        seconds. It still ends a server whose hub cannot be reached at all.
        """
        end()
        gc.freeze()
        gc.enable()
        self._hub_check = asyncio.ensure_future(check(self))
        _spare_kernel(packages)

    Server.check_hub_version = started
    Server.launch_instance()


def _spare_kernel(packages: Path) -> None:
    from server import spare

    with contextlib.suppress(OSError):
        kernel = spare.prepare(packages)
        asyncio.get_running_loop().call_later(spare.PATIENCE, kernel.let_go)
