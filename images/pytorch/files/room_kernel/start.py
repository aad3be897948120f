"""What a kernel leaves out of its start, and why. ``later.py`` says how.

Only modules of the kernel's own are postponed, and only until it is there: what a
student imports is imported as ever. Milliseconds are what a kernel's start, 157 of CPU
time now, takes longer without.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from room_kernel.debugger import Debugger
from room_kernel.later import postpone, real


def _local_time() -> Any:
    return real("dateutil.tz").tzlocal()


def _write_connection_file(*arguments: Any, **named: Any) -> Any:
    return import_module("jupyter_client.connect").write_connection_file(*arguments, **named)


def _find_connection_file(*arguments: Any, **named: Any) -> Any:
    return import_module("jupyter_client.connect").find_connection_file(*arguments, **named)


class _BlockingClient:
    """A trait's default that nothing in a kernel makes one of."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:  # type: ignore[misc]
        return real("jupyter_client").BlockingKernelClient(*arguments, **named)


#: Module → what others import from it by name before it is needed.
#: 10 ms. What starts and manages kernels: a kernel needs four modules of this package.
KERNELS = {
    "jupyter_client": {
        "find_connection_file": _find_connection_file,
        "write_connection_file": _write_connection_file,
        "BlockingKernelClient": _BlockingClient,
    },
}
#: 7 ms. Dates in messages: Python itself reads ISO 8601 by now.
DATES = {
    "dateutil": {},
    "dateutil.parser": {"isoparse": datetime.fromisoformat},
    "dateutil.tz": {"tzlocal": _local_time},
}


def _become(told: bytes) -> None:
    """Take on the arguments, the folder and the environment of the kernel that is wanted.

    Everything that is read of them is read after this. Nothing told: none is wanted.
    """
    if not told:
        raise SystemExit
    kernel = json.loads(told)
    sys.argv[1:] = kernel["arguments"]
    os.environ.clear()
    os.environ.update(kernel["environment"])
    os.chdir(kernel["folder"])


def start() -> None:
    """Start a kernel as the command line says, and stay until it ends.

    With ``--wait`` standard input says it, when everything is imported: see
    ``server/spare.py``.
    """
    # 10 ms. What a start makes stays until the end: the collector would find nothing in it.
    gc.disable()
    available = find_spec("debugpy") is not None
    # 48 ms, and for good: a kernel is asked all the time whether it has a debugger.
    postpone({"ipykernel.debugger": {"Debugger": Debugger, "_is_debugpy_available": available}})
    end_kernels = postpone(KERNELS, parts=("jupyter_client",))
    end_dates = postpone(DATES)
    from ipykernel.kernelapp import IPKernelApp

    end_dates(forget=True)
    if sys.argv[1:] == ["--wait"]:
        _become(sys.stdin.buffer.read())
    app = IPKernelApp.instance()
    app.initialize()
    end_kernels()
    gc.freeze()
    gc.enable()
    app.start()
