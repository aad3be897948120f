"""The kernel that is started before anybody asks: whose it becomes, and that it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cli import kernel as kernels
from cli.errors import Problem
from cli.kernel import Kernel
from tests.images.conftest import Home
from tests.utils.user_server import PREFIX, TOKEN, UserServer, docker
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images

#: What a kernel says of itself.
ITSELF = (
    "import os, pathlib\n"
    "(pathlib.Path('/proc/self/cmdline').read_text().split(chr(0))[1:-1],"
    " os.getcwd(), os.environ.get('JPY_SESSION_NAME'), os.environ.get('PATH').split(':')[0],"
    " os.getpgid(0) == os.getpid(), os.environ['JPY_PARENT_PID'])"
)


@pytest.fixture
def server(pytorch: str) -> Iterator[UserServer]:
    with UserServer(pytorch) as started:
        yield started.wait(timeout=90)


def spares(server: UserServer) -> list[str]:
    """Return the processes that wait, or waited, for a kernel's orders."""
    return server.sh("pgrep -f '[r]oom_kernel --wait' || true").split()


async def opened(server: UserServer, kernel: str) -> Kernel:
    async def interrupt() -> None:
        server.api(f"kernels/{kernel}/interrupt", "POST")

    return await kernels.connect(
        f"ws://127.0.0.1:{server.port}{PREFIX}/api/kernels/{kernel}/channels",
        headers={"Authorization": f"token {TOKEN}"},
        origin=f"http://127.0.0.1:{server.port}",
        ssl_context=None,
        timeout=30,
        interrupt=interrupt,
    )


def session(server: UserServer, path: str, kernel: str = "python3") -> str:
    body = {
        "path": path,
        "name": path.rpartition("/")[2],
        "type": "notebook",
        "kernel": {"name": kernel},
    }
    return str(server.api("sessions", "POST", body)["kernel"]["id"])


async def itself(server: UserServer, path: str, kernel: str = "python3") -> Any:
    connection = await opened(server, session(server, path, kernel))
    try:
        await connection.ready(60)
        said = await connection.execute(ITSELF, 60)
    finally:
        await connection.close()
    assert said.error == "", said
    return eval(said.result)


async def test_the_first_kernel_takes_it_with_its_notebooks_folder_and_name(
    server: UserServer,
) -> None:
    server.sh("mkdir -p course/week1")
    [waiting] = wait_until(lambda: spares(server), timeout=20, explain=server.logs)
    command, folder, name, first, leads, parent = await itself(server, "course/week1/a.ipynb")
    assert command == ["-m", "room_kernel", "--wait"]
    assert folder == "/home/jovyan/course/week1"
    assert name.endswith("course/week1/a.ipynb")
    assert first == "/home/jovyan/.local/bin"
    assert leads, "an interrupt goes to a kernel's whole group"
    assert server.sh(f"cut -d' ' -f4 /proc/{waiting}/stat").strip() == parent
    # There is no second one, and the next kernel starts as any other.
    assert spares(server) == [waiting]
    command, folder, *_ = await itself(server, "b.ipynb")
    assert command[:3] == ["-m", "room_kernel", "-f"]
    assert folder == "/home/jovyan"


async def test_it_is_interrupted_and_restarted_as_any_kernel(server: UserServer) -> None:
    kernel = session(server, "a.ipynb")
    connection = await opened(server, kernel)
    await connection.ready(60)
    await connection.execute("kept = 1", 60)
    with pytest.raises(Problem):
        await connection.execute("import time\nfor _ in range(600): time.sleep(0.1)", 2)
    await connection.interrupt()
    # What was sent before the interrupt arrived is aborted with the cell.
    results = [(await connection.execute("kept", 60)).result for _ in range(2)]
    assert results[-1] == "1"
    server.api(f"kernels/{kernel}/restart", "POST")
    await connection.close()
    again = await opened(server, kernel)
    await again.ready(60)
    assert "NameError" in (await again.execute("kept", 60)).error
    await again.close()
    server.api(f"kernels/{kernel}", "DELETE")
    wait_until(lambda: not spares(server), timeout=20, explain=server.logs)


async def test_packages_installed_meanwhile_get_a_kernel_that_has_not_imported_the_old_ones(
    server: UserServer,
) -> None:
    wait_until(lambda: spares(server), timeout=20, explain=server.logs)
    site = ".local/lib/python3.13/site-packages"
    server.sh(f"mkdir {site}/traitlets && echo 'raise SystemExit(3)' > {site}/new.py")
    server.sh(f"rmdir {site}/traitlets")
    command, *_ = await itself(server, "a.ipynb")
    assert command[:3] == ["-m", "room_kernel", "-f"]
    assert spares(server) == []


async def test_another_kind_of_kernel_leaves_it_for_the_usual_one(server: UserServer) -> None:
    wait_until(lambda: spares(server), timeout=20, explain=server.logs)
    command, *_ = await itself(server, "a.ipynb", "room")
    assert command[:4] == ["-s", "-m", "room_kernel", "-f"]
    assert len(spares(server)) == 1


async def test_a_home_that_breaks_it_gives_the_same_kernel_later(pytorch: str, home: Home) -> None:
    """It ends at once; the kernel that is asked for ends as it would, and says why."""
    site = "$HOME/.local/lib/python3.13/site-packages"
    home.prepare(f"mkdir -p {site}/zmq; echo 'raise ImportError(7)' > {site}/zmq/__init__.py")
    with UserServer(pytorch, home.mount) as server:
        server.wait(timeout=90)
        assert (await server.run("6 * 7", "room")).result == "42"
        server.api("kernels", "POST", {"name": "python3"})
        wait_until(lambda: server.logs().count("ImportError: 7") >= 2, timeout=30)


ENDS = """
from pathlib import Path
from server.spare import Spare
patience_over, server_gone = Spare(Path("/nowhere")), Spare(Path("/nowhere"))
first, second = patience_over._process, server_gone._process
patience_over.let_go()
assert first.returncode == -9, first.returncode
assert patience_over.take(["/usr/bin/python3", "-m", "room_kernel", "-f", "x"], "/", {}) is None
second.stdin.close()
assert second.wait(30) == 0
print("both ended")
"""


def test_it_ends_when_nobody_took_it_and_when_its_server_is_gone(server: UserServer) -> None:
    said = docker("exec", server.name, "/opt/jupyter/bin/python", "-I", "-c", ENDS)
    assert said.strip().endswith("both ended")
