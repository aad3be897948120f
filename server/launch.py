"""Starts a user's server: nothing in the home decides whether it comes up.

It runs isolated (``python -I``) in an environment that belongs to root, with its
configuration and its runtime files outside the home. What JupyterLab keeps
for the user (settings, open tabs, kernels, trust) stays in the home as long as it can
be written there, and goes to the runtime directory when it cannot: a full, read-only
or tangled home still gives a server with which it can be tidied. A start that is only for that
(``ROOM_RESCUE=1``) keeps and puts nothing in the home at all.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

CONFIG = Path("/opt/jupyter/etc/jupyter")
EXAMPLES = Path("/opt/examples")
#: What the room mounts beside the home.
BESIDE = (Path("/class"), Path("/datasets"))
RUNTIME = Path("/run/jupyter")
#: Threads that libraries start by default: one a core of the machine, not of the container.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def main() -> None:
    home = Path(os.environ.get("HOME") or "/home/jovyan")
    runtime = runtime_directory()
    cores = cpu_limit(os.environ.get("CPU_LIMIT", ""), _read)
    rescue = os.environ.get("ROOM_RESCUE") == "1"
    keeps = (lambda _: False) if rescue else usable
    os.environ.update(environment(os.environ, home, runtime, keeps, cores))
    if rescue:
        os.environ.update(rescue_environment(runtime))
    else:
        _furnish(home)
    os.chdir("/")
    with contextlib.suppress(OSError):
        os.chdir(home)
    sys.argv[0] = "jupyterhub-singleuser"
    from server import lean

    lean.serve(packages(home))


def _furnish(home: Path) -> None:
    """Put into the home what it is to have; a full or read-only one goes without."""
    from server.examples import give
    from server.mounts import show

    with contextlib.suppress(OSError):
        give(EXAMPLES, home)
    for directory in BESIDE:
        with contextlib.suppress(OSError):
            show(directory, home)
    with contextlib.suppress(OSError):
        # A kernel that runs while the first package is installed finds it without a restart.
        packages(home).mkdir(mode=0o755, parents=True, exist_ok=True)


def rescue_environment(runtime: Path) -> dict[str, str]:
    """Return where kernels and shells write when the home is only there to be tidied."""
    return {
        "IPYTHONDIR": str(runtime / "ipython"),
        "HISTFILE": str(runtime / "history"),
        "PYTHON_HISTORY": str(runtime / "python-history"),
        "XDG_CACHE_HOME": str(runtime / "cache"),
        "MPLCONFIGDIR": str(runtime / "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def environment(
    given: Mapping[str, str],
    home: Path,
    runtime: Path,
    usable: Callable[[Path], bool],
    cores: float | None = None,
) -> dict[str, str]:
    """Return what the server's environment has beside ``given``.

    ``usable`` says whether a directory can be read and written; one that cannot is
    replaced by one under ``runtime``. ``cores`` is the container's CPU limit, None
    without one: more threads than that wait for each other's share of it, and a
    small training takes seven times as long.
    """

    def keep(name: str, *inside: str) -> str:
        wanted = home.joinpath(*inside)
        return str(wanted if usable(wanted) else runtime / name)

    found = {
        "JUPYTER_CONFIG_DIR": str(CONFIG),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_DATA_DIR": keep("data", ".local", "share", "jupyter"),
        "JUPYTERLAB_SETTINGS_DIR": keep("settings", ".jupyter", "lab", "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": keep("workspaces", ".jupyter", "lab", "workspaces"),
    }
    if cores is not None:
        count = str(max(1, math.ceil(cores)))
        found |= {name: count for name in _THREADS if name not in given}
    return found


def packages(home: Path) -> Path:
    """Return where ``pip install`` puts a user's packages: Python looks there if it exists."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return home / ".local" / "lib" / version / "site-packages"


def cpu_limit(told: str, read: Callable[[str], str]) -> float | None:
    """Return the CPU limit in cores: what the hub says, else what the container's cgroup says.

    ``read`` returns a file's text, empty when there is none.
    """
    quota, _, period = read("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:  # cgroup v1
        quota = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        period = read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    for numerator, denominator in ((told, "1"), (quota, period)):
        try:
            cores = float(numerator) / float(denominator)
        except (ValueError, ZeroDivisionError):
            continue
        if math.isfinite(cores) and cores > 0:
            return cores
    return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def usable(directory: Path) -> bool:
    """Return whether ``directory`` is there, or can be made, and takes a file with something in it.

    A full disk lets an empty file be made, so that one byte has to get through.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in os.scandir(directory):
            if entry.is_dir() and not os.access(entry.path, os.R_OK | os.X_OK):
                return False
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".room-") as probe:
            probe.write(b"\n" * 4096)
            probe.flush()
    except (OSError, RuntimeError):  # RuntimeError: links that go round in a circle
        return False
    return True


def runtime_directory() -> Path:
    """Return the directory for sockets and cookies: the image's, or a new one of our own."""
    if usable(RUNTIME):
        return RUNTIME
    return Path(tempfile.mkdtemp(prefix="jupyter-"))
