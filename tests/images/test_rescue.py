"""A start to tidy up, with the real JupyterLab, in homes in which nothing can be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from spawner.home_traits import RESCUE_TMPFS, RESCUE_VARIABLE
from tests.engine.conftest import opened, running_agent
from tests.utils.loopdisk import btrfs, disk, needs_btrfs, needs_loop
from tests.utils.user_server import UserServer

pytestmark = pytest.mark.images

#: As the hub starts it.
RESCUE = (
    f"--env={RESCUE_VARIABLE}=1",
    "--cpus=1",
    "--memory=1g",
    *(f"--tmpfs={path}:{options}" for path, options in RESCUE_TMPFS.items()),
)
#: Deletes a file by JupyterLab's own way, from inside and with the server's own token.
DELETE = (
    'curl -sS -o /dev/null -w "%{http_code}" -X DELETE '
    '-H "Authorization: token $JUPYTERHUB_API_TOKEN" '
    '"http://127.0.0.1:8888${JUPYTERHUB_SERVICE_PREFIX}api/contents/data.bin"'
)


@pytest.fixture
def without_inodes(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk whose last inode and last block are taken."""
    with disk(tmp_path, "ext4", 16 * 1024**2, "-N", "64", "-m", "0") as point:
        home = point / "home"
        home.mkdir()
        (home / "full").touch()
        assert _fill(home / "full") == errno.ENOSPC
        for path in (home, *home.iterdir()):
            os.chown(path, 1000, 100)
        yield home


def _fill(file: Path) -> int | None:
    """Take every block for ``file`` and every inode beside it; return why no more can be had."""
    with suppress(OSError), file.open("wb", buffering=0) as full:
        while full.write(bytes(64 * 1024)):
            pass
    try:
        for number in range(64):
            (file.parent / f"small-{number}").touch()
    except OSError as error:
        return error.errno
    return None


def _names(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


@needs_loop
async def test_the_server_starts_without_an_inode_or_a_block(
    pytorch: str, without_inodes: Path
) -> None:
    before = _names(without_inodes)
    with UserServer(pytorch, f"--volume={without_inodes}:/home/jovyan", *RESCUE) as server:
        server.wait(timeout=90)
        assert "jupyter-config-data" in server.page("lab")
        outcome = await server.run("import IPython; IPython.paths.get_ipython_dir()")
        assert outcome.result == "'/run/jupyter/ipython'", outcome
        assert _names(without_inodes) == before
        server.api("contents/small-0", "DELETE")
        server.api("contents/full", "DELETE")
        assert server.sh("echo saved > notes && cat notes").strip() == "saved"


@needs_btrfs
def test_a_home_at_its_hard_limit_is_tidied_in_jupyterlab(
    pytorch: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The whole way: the hub, the agent, a quota of btrfs's, and JupyterLab."""
    client = docker.from_env()
    limits = {
        "home_hard": 50_000_000,
        "home_directory": "/home/jovyan",
        "cmd": ["jupyterhub-singleuser"],
    }
    with (
        btrfs(tmp_path) as place,
        running_agent(tmp_path, data_root=place / "data") as agent,
        opened(client, tmp_path_factory.mktemp("room"), pytorch) as room,
    ):
        hub = room.open(traits={**agent, **limits})
        hub.add("alice")
        hub.start_server("alice")
        home = room.container("alice")
        code, said = home.exec_run(["sh", "-c", "head -c 80000000 /dev/zero > data.bin"])
        assert code != 0
        assert b"quota" in said.lower()
        hub.stop_server("alice")

        hub.start_server("alice", {"rescue": "1"})
        home = room.container("alice")
        assert home.exec_run(["sh", "-c", "head -c 4000000 /dev/zero > more"])[0] != 0
        assert home.exec_run(["sh", "-c", DELETE])[1] == b"204"
        assert home.exec_run(["sh", "-c", "head -c 4000000 /dev/zero > more"])[0] == 0
        hub.stop_server("alice")
    client.close()
