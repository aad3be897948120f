"""A start imports what it uses and no more; what it leaves out comes when somebody asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.utils.user_server import PREFIX, UserServer, docker
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images

#: Module that a removed import brings → why it was removed; the figures are in the image's README.
#: Stand-ins have the first module's name, so that each is one which only the real one imports.
NEVER_IN_THE_SERVER = {
    "sqlalchemy.engine": "the hub's database",
    "alembic": "the hub's database's migrations",
    "mako": "templates of those migrations",
    "jupyterhub.handlers.base": "the hub's pages",
    "jupyterhub.user": "the hub's users",
    "cryptography": "the hub's encrypted state",
    "aiohttp.client": "a second HTTP client",
    "requests.api": "a third HTTP client",
    "httpx": "a fourth HTTP client, of PyPI's extension manager",
    "xmlrpc.client": "PyPI's extension manager",
    "websocket._core": "a gateway's kernels",
    "idna.core": "host names outside ASCII",
    "arrow": "jsonschema's optional formats",
    "lark": "jsonschema's optional formats",
    "dateutil.tz.tz": "dates that Python reads itself",
    "unittest.case": "one function of the login's redirect",
    "jupyter_lsp": "an extension without a language server",
    "notebook_shim.nbserver": "an extension for the old Notebook",
    "nbconvert": "exports, which come with the first one",
    "pydantic": "nothing here",
}
NEVER_IN_A_KERNEL = {
    "debugpy": "the debugger",
    "_pydevd_bundle": "the debugger",
    "jupyter_client.manager": "what starts kernels",
    "jupyter_client.provisioning": "what starts kernels",
    "dateutil.parser._parser": "dates that Python reads itself",
    "matplotlib": "the student's",
    "numpy": "the student's",
    "torch": "the student's",
}


@pytest.fixture(scope="module")
def server(pytorch: str) -> Iterator[UserServer]:
    with UserServer(pytorch) as started:
        yield started.wait(timeout=90)


def brought(imported: set[str], never: dict[str, str]) -> dict[str, str]:
    return {name: why for name, why in never.items() if name in imported}


def test_the_servers_start_imports_nothing_that_was_removed(server: UserServer) -> None:
    """A second server in the same container, until it answers its user: Python says each import."""
    url = f"http://127.0.0.1:8889{PREFIX}/"
    server.sh(
        "(timeout 60 /opt/jupyter/bin/python -I -X importtime "
        "/usr/local/bin/jupyterhub-singleuser 2> /tmp/imports) > /dev/null 2>&1 &",
        f"--env=JUPYTERHUB_SERVICE_URL={url}",
    )
    ask = f'curl --silent --header "Authorization: token $JUPYTERHUB_API_TOKEN" {url}lab || true'
    wait_until(
        lambda: "jupyter-config-data" in server.sh(ask),
        timeout=60,
        explain=lambda: server.sh("tail -20 /tmp/imports"),
    )
    said = server.sh("cat /tmp/imports")
    imported = set(re.findall(r"^import time: .*\| +(\S+)$", said, re.M))
    assert "jupyter_server.serverapp" in imported
    assert brought(imported, NEVER_IN_THE_SERVER) == {}
    assert len(imported) < 800, "765 when this was written, 1350 as JupyterHub comes"


async def test_a_kernels_start_imports_nothing_that_was_removed(server: UserServer) -> None:
    for kernel in ("python3", "room"):
        said = await server.run("import sys; ' '.join(sys.modules)", kernel)
        imported = set(said.result.strip("'").split())
        assert "ipykernel.kernelapp" in imported
        assert brought(imported, NEVER_IN_A_KERNEL) == {}
        assert len(imported) < 560, "520 when this was written, 700 as ipykernel comes"


# --- what a start waits for ---------------------------------------------------------------------


#: Takes connections, and answers none of them.
BUSY_HUB = (
    '/opt/jupyter/bin/python -I -c "import socket, time; '
    "hub = socket.create_server(('127.0.0.1', 9999)); time.sleep(600)\" &"
)


def test_a_server_is_up_while_its_hub_is_too_busy_to_say_its_version(pytorch: str) -> None:
    busy = "http://127.0.0.1:9999/hub/api"
    with UserServer(pytorch, f"--env=BEFORE={BUSY_HUB}", f"--env=JUPYTERHUB_API_URL={busy}") as up:
        ask = f"curl --silent http://127.0.0.1:8888{PREFIX}/api || true"
        wait_until(lambda: '"version"' in up.sh(ask), timeout=60, explain=up.logs)


# --- nothing is taken away ----------------------------------------------------------------------


ASKED_LATER = """
from server.lean import POSTPONED
from server.later import postpone
end = postpone(POSTPONED)
import jupyterhub.singleuser.extension, jupyterlab.labapp, jupyterhub.utils
end()
import aiohttp, dateutil.parser, idna, jupyterhub.httpclient, jupyterhub.orm, requests, sqlalchemy
import unittest.mock, websocket, xml.etree.ElementTree
from dateutil.tz import tzlocal
from jupyterhub.handlers import BaseHandler
from jupyterhub.handlers.pages import HealthCheckHandler
from jupyterlab.extensions import get_pypi_manager
from jupyterlab.extensions.pypi import PyPIExtensionManager
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
assert issubclass(HealthCheckHandler, BaseHandler)
assert issubclass(jupyterhub.orm.User, jupyterhub.orm.Base)
assert issubclass(sqlalchemy.exc.OperationalError, SQLAlchemyError)
assert isinstance(tzlocal(), tzlocal)
assert idna.encode("b\\u00fccher.example") == b"xn--bcher-kva.example"
assert aiohttp.ClientSession and requests.get and websocket.WebSocket and unittest.mock.patch
assert jupyterhub.utils.aiohttp is aiohttp and jupyterhub.httpclient.JupyterHubHTTPClient
assert xml.etree.ElementTree.fromstring("<a/>").tag == "a"
assert dateutil.parser.parse("May 4 2026").day == 4
assert isinstance(get_pypi_manager({}, {}), PyPIExtensionManager)
print("all there")
"""


def test_what_the_server_postponed_is_whole_when_asked_for(server: UserServer) -> None:
    said = docker("exec", server.name, "/opt/jupyter/bin/python", "-I", "-c", ASKED_LATER)
    assert said.strip().endswith("all there")


async def test_what_a_kernel_postponed_is_whole_when_asked_for(server: UserServer) -> None:
    said = await server.run(
        "import jupyter_client, dateutil.parser, pandas\n"
        "from dateutil.tz import tzlocal\n"
        "from jupyter_client import BlockingKernelClient, KernelManager, write_connection_file\n"
        "stamp = pandas.Timestamp('2026-05-04 09:00', tz='dateutil/Asia/Shanghai')\n"
        "(isinstance(tzlocal(), tzlocal), dateutil.parser.parse('May 4 2026').day,\n"
        " issubclass(BlockingKernelClient, jupyter_client.KernelClient),\n"
        " write_connection_file.__module__, stamp.hour)"
    )
    assert said.result == "(True, 4, True, 'jupyter_client.connect', 9)", said


#: Debugs a cell: a breakpoint in a function stops there, and the debugger goes on from it.
DEBUGS = """
import sys
from jupyter_client import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
count = 0
def ask(command, **arguments):
    global count
    count += 1
    content = {"seq": count, "type": "request", "command": command, "arguments": arguments}
    message = client.session.msg("debug_request", content)
    client.control_channel.send(message)
    while True:
        reply = client.get_control_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            assert reply["content"].get("success", True), reply["content"]
            return reply["content"]
def wait_for(event):
    while True:
        message = client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "debug_event" and message["content"]["event"] == event:
            return message["content"]["body"]
code = "def double(x):\\n    y = 2 * x\\n    return y\\ndouble(21)"
assert ask("debugInfo")["body"]["isStarted"] is False
ask("initialize", clientID="x", adapterID="", pathFormat="path", linesStartAt1=True,
    columnsStartAt1=True)
ask("attach")
path = ask("dumpCell", code=code)["body"]["sourcePath"]
ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": 3}], sourceModified=False)
ask("configurationDone")
client.execute(code)
stopped = wait_for("stopped")
frames = ask("stackTrace", threadId=stopped["threadId"])["body"]["stackFrames"]
ask("continue", threadId=stopped["threadId"])
ask("disconnect", restart=False, terminateDebuggee=False)
manager.shutdown_kernel(now=True)
print("stopped in", frames[0]["name"], "at", frames[0]["line"])
"""


def test_the_debugger_stops_at_a_breakpoint(server: UserServer) -> None:
    said = docker("exec", server.name, "/opt/jupyter/bin/python", "-I", "-c", DEBUGS)
    assert "stopped in double at 3" in said.splitlines(), said


def test_a_notebook_is_exported(server: UserServer) -> None:
    page = server.page("nbconvert/html/examples/01-first-lesson.ipynb")
    assert "<html" in page
    assert "loss" in page


def test_a_file_is_uploaded_and_a_checkpoint_brings_its_first_version_back(
    server: UserServer,
) -> None:
    def write(content: str) -> None:
        server.api("contents/notes.txt", "PUT",
                   {"type": "file", "format": "text", "content": content})  # fmt: skip

    write("first")
    checkpoint = server.api("contents/notes.txt/checkpoints", "POST")
    write("second")
    assert server.api("contents/notes.txt")["content"] == "second"
    server.api(f"contents/notes.txt/checkpoints/{checkpoint['id']}", "POST")
    assert server.api("contents/notes.txt")["content"] == "first"


def test_terminals_open(server: UserServer) -> None:
    name = server.api("terminals", "POST")["name"]
    assert name in [terminal["name"] for terminal in server.api("terminals")]


def test_jupyterlab_lists_its_extensions_and_lets_nobody_install_one(server: UserServer) -> None:
    config = server.page("lab")
    data = json.loads(re.findall(r'id="jupyter-config-data"[^>]*>(.*?)</script>', config, re.S)[0])
    names = [extension["name"] for extension in data["federated_extensions"]]
    assert "@jupyter-widgets/jupyterlab-manager" in names
    said = docker("exec", server.name, "/opt/jupyter/bin/jupyter", "labextension", "list")
    assert "torchroom-lease" in said
    assert data["extensionManager"]["can_install"] is False
    assert isinstance(json.loads(server.page("lab/api/extensions")), list)
