"""Imports point one way, and the domain knows neither JupyterHub nor Docker nor a web framework."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

JUPYTERHUB = {"jupyterhub", "dockerspawner", "oauthenticator", "traitlets"}
DOCKER = {"docker", "requests"}
WEB = {"tornado", "fastapi", "starlette", "uvicorn", "aiohttp", "flask", "jinja2", "httpx"}
TERMINAL = {"click", "rich"}


@dataclass(frozen=True)
class Rule:
    """Which of our packages one may import beside itself, and which of others never."""

    ours: frozenset[str]
    never: frozenset[str]


RULES = {
    "room": Rule(frozenset(), frozenset(JUPYTERHUB | DOCKER | WEB | TERMINAL)),
    "engine": Rule(frozenset({"room"}), frozenset(JUPYTERHUB | WEB | TERMINAL)),
    "spawner": Rule(frozenset({"engine", "room"}), frozenset(TERMINAL)),
    # What it is asked for over the web it fetches; it serves nothing.
    "publishing": Rule(
        frozenset({"room"}), frozenset(JUPYTERHUB | DOCKER | (WEB - {"httpx"}) | TERMINAL)
    ),
    "agent": Rule(frozenset({"engine", "publishing", "room"}), frozenset(JUPYTERHUB | TERMINAL)),
    # It signs people in with the hub's own client; what the hub does it asks the hub to do.
    "console": Rule(
        frozenset({"room"}), frozenset(DOCKER | TERMINAL | (JUPYTERHUB - {"jupyterhub"}))
    ),
    "cli": Rule(frozenset({"engine", "publishing", "room"}), frozenset(JUPYTERHUB)),
    # JupyterLab's server is tornado's; nothing else of the web is in a user's server.
    "server": Rule(frozenset(), frozenset(DOCKER | WEB | TERMINAL) - {"tornado"}),
    "jupyterhub_config": Rule(frozenset({"spawner", "room"}), frozenset(DOCKER | WEB | TERMINAL)),
}
#: Folders that products never import from.
AROUND = {"tests", "tools", "bench", "ansible"}


def sources(package: str) -> list[Path]:
    single = ROOT / f"{package}.py"
    return [single] if single.exists() else sorted((ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, first part of the module's name) of every import, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." if node.level else (node.module or "").partition(".")[0]


def wrong(package: str, source: str) -> list[str]:
    """Return the imports of one file that the rule of its package does not allow."""
    rule = RULES[package]
    forbidden = (RULES.keys() | AROUND) - rule.ours - {package}
    return [
        f"line {line}: {name}"
        for line, name in imported(ast.parse(source))
        if name in forbidden or name in rule.never or name == "."
    ]


@pytest.mark.parametrize("package", RULES)
def test_imports_point_one_way(package):
    files = sources(package)
    assert files
    found = {
        str(path.relative_to(ROOT)): mistakes
        for path in files
        if (mistakes := wrong(package, path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("package", "source", "count"),
    [
        pytest.param("room", "from room.names import key", 0, id="own"),
        pytest.param("spawner", "from engine.client import Engine", 0, id="allowed"),
        pytest.param("room", "import docker.errors", 1, id="room-docker"),
        pytest.param("room", "def f():\n    from jupyterhub import orm", 1, id="lazily"),
        pytest.param("room", "if TYPE_CHECKING:\n    from fastapi import FastAPI", 1, id="typing"),
        pytest.param("engine", "from spawner import hub", 1, id="backwards"),
        pytest.param("agent", "import cli.main", 1, id="sideways"),
        pytest.param("server", "from room import names", 1, id="server-stands-alone"),
        pytest.param("cli", "from tests.utils import wait", 1, id="from-around"),
        pytest.param("room", "from . import names", 1, id="relative"),
    ],
)
def test_a_wrong_import_is_found(package, source, count):
    assert len(wrong(package, source)) == count


def test_every_package_has_a_rule():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - AROUND <= RULES.keys()


@pytest.mark.parametrize(
    ("modules", "others"),
    [
        pytest.param({"__init__", "launch", "examples", "mounts"}, set(), id="before-the-server"),
        pytest.param({"later", "spare"}, set(), id="beside-it"),
        # A lean start's functions import what they stand for; only serve() imports the server.
        pytest.param({"lean"}, {"jupyterhub"}, id="the-start"),
        pytest.param({"lease", "presence"}, set(), id="what-it-knows-of-itself"),
        # nbgitpuller is called in a process of its own.
        pytest.param({"lessonfiles", "lessonwords"}, set(), id="a-lesson-s-files"),
        pytest.param(
            {"extension", "hub", "lessons", "library"},
            {"jupyter_server", "tornado"},
            id="in-the-server",
        ),
        pytest.param({"visitors"}, {"jupyterhub"}, id="beside-its-owner"),
        pytest.param({"kernels"}, {"jupyter_client", "jupyter_server", "zmq"}, id="to-its-kernels"),
    ],
)
def test_a_users_server_stands_alone(modules: set[str], others: set[str]):
    """The launcher loads nothing of the web, as whatever it loads delays each start."""
    names = {
        name
        for path in sources("server")
        if path.stem in modules
        for _, name in imported(ast.parse(path.read_text()))
    }
    assert names - set(sys.stdlib_module_names) - {"server"} == others


def test_every_module_of_the_server_is_named_above():
    found = {path.stem for path in sources("server")}
    before = {"__init__", "launch", "examples", "later", "lean", "mounts"}
    running = {"lease", "extension", "hub", "kernels", "presence", "spare", "visitors"}
    lessons = {"lessonfiles", "lessons", "lessonwords", "library"}
    assert found == before | running | lessons


def test_the_config_file_only_sets_things():
    text = (ROOT / "jupyterhub_config.py").read_text()
    assert len(text.splitlines()) < 60
    allowed = (ast.Import, ast.ImportFrom, ast.Expr)
    assert all(isinstance(node, allowed) for node in ast.parse(text).body)
