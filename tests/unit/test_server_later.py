"""Modules that come when they are asked for: when that is, and that they come whole and once."""

from __future__ import annotations

import builtins
import importlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from server import later
from tests.utils.wait import wait_until

#: A package whose modules need its own code before them, as SQLAlchemy's do.
PACKAGE = {
    "__init__.py": "import builtins\nbuiltins.ran.append('later_pkg')\n"
    "from later_pkg import first\nvalue = first.value\n__version__ = '1.0'\n",
    "first.py": "import builtins\nbuiltins.ran.append('later_pkg.first')\nvalue = 7\n",
    "second.py": "import builtins, sys\nbuiltins.ran.append('later_pkg.second')\n"
    "whole = hasattr(sys.modules['later_pkg'], 'value')\n",
}


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the names of modules whose code has run, in that order."""
    (tmp_path / "later_pkg").mkdir()
    for name, text in PACKAGE.items():
        (tmp_path / "later_pkg" / name).write_text(text)
    (tmp_path / "later_broken.py").write_text("import builtins\nbuiltins.ran.append('x')\n1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    found: list[str] = []
    monkeypatch.setattr("builtins.ran", found, raising=False)
    yield found
    for name in [name for name in sys.modules if name.startswith("later_")]:
        del sys.modules[name]
    later._postponed.clear()


def get(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_a_module_runs_when_something_in_it_is_asked_for(ran: list[str]) -> None:
    later.postpone({"later_pkg": {}})
    module = get("later_pkg")
    assert ran == []
    assert module.value == 7
    assert ran == ["later_pkg", "later_pkg.first"]
    assert get("later_pkg") is module
    assert type(module) is ModuleType


@pytest.mark.parametrize("name", ["__file__", "__name__", "__path__", "__spec__", "__doc__"])
def test_looking_at_what_every_module_has_does_not_run_it(ran: list[str], name: str) -> None:
    later.postpone({"later_pkg": {}})
    assert hasattr(get("later_pkg"), name)
    assert ran == []


def test_a_name_that_no_module_has_does_not_run_it_and_a_version_does(ran: list[str]) -> None:
    later.postpone({"later_pkg": {}})
    assert not hasattr(get("later_pkg"), "__wrapped__")
    assert ran == []
    assert get("later_pkg").__version__ == "1.0"


def test_a_given_name_serves_until_the_real_one_comes(ran: list[str]) -> None:
    later.postpone({"later_pkg": {"value": "given"}})
    assert get("later_pkg").value == "given"
    assert ran == []
    assert later.real("later_pkg").value == 7


def test_after_the_end_a_given_name_is_the_real_one(ran: list[str]) -> None:
    end = later.postpone({"later_pkg": {"value": "given"}})
    waiting = get("later_pkg")
    end()
    assert ran == []
    assert waiting.value == 7


def test_after_the_end_nothing_more_is_postponed(ran: list[str]) -> None:
    later.postpone({"later_pkg": {}})()
    get("later_pkg")
    assert ran == ["later_pkg", "later_pkg.first"]


@pytest.mark.parametrize("ended", [False, True])
def test_a_package_comes_before_a_module_of_it_and_both_run_once(
    ran: list[str], ended: bool
) -> None:
    end = later.postpone({"later_pkg": {}})
    get("later_pkg")
    if ended:
        end()
    assert get("later_pkg.second").whole
    assert ran == ["later_pkg", "later_pkg.first", "later_pkg.second"]


def test_a_module_that_its_package_imports_runs_once(ran: list[str]) -> None:
    later.postpone({"later_pkg": {}})
    get("later_pkg")
    module = get("later_pkg.first")
    assert ran == ["later_pkg", "later_pkg.first"]
    assert module is get("later_pkg").first
    assert module.__spec__ is not None
    assert module.__spec__.origin == module.__file__


def test_a_postponed_modules_postponed_package_comes_first(ran: list[str]) -> None:
    later.postpone({"later_pkg": {}, "later_pkg.second": {}})
    assert get("later_pkg").second is get("later_pkg.second")
    assert ran == []
    assert get("later_pkg.second").whole


def test_a_module_of_a_package_in_parts_comes_alone(ran: list[str]) -> None:
    later.postpone({"later_pkg": {}}, parts=["later_pkg"])
    assert get("later_pkg.first").value == 7
    assert ran == ["later_pkg.first"]


def test_a_module_that_fails_fails_for_everybody_who_asks(ran: list[str]) -> None:
    later.postpone({"later_broken": {}})
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            get("later_broken").anything  # noqa: B018
    assert ran == ["x", "x"]


def test_a_module_that_is_not_there_is_not_found(ran: list[str]) -> None:
    later.postpone({"later_nowhere": {}})
    with pytest.raises(ModuleNotFoundError):
        get("later_nowhere")


def test_what_is_forgotten_is_imported_as_ever(ran: list[str]) -> None:
    end = later.postpone({"later_pkg": {"value": "given"}})
    waiting = get("later_pkg")
    end(forget=True)
    assert get("later_pkg") is not waiting
    assert ran == ["later_pkg", "later_pkg.first"]


def test_a_second_thread_gets_all_of_a_module_that_is_coming(
    ran: list[str], tmp_path: Path
) -> None:
    (tmp_path / "later_slow.py").write_text(
        "import builtins\nbuiltins.ran.append('begun')\nbuiltins.gate.wait(20)\nvalue = 7\n"
    )
    gate = threading.Event()
    builtins.gate = gate  # type: ignore[attr-defined]
    later.postpone({"later_slow": {}})
    module, seen = get("later_slow"), []
    threads = [threading.Thread(target=lambda: seen.append(module.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: ran == ["begun"], timeout=20)
    gate.set()
    for thread in threads:
        thread.join(20)
    assert seen == [7, 7]
    assert ran == ["begun"]


#: One thread brings a package, whose code imports a module of it; the other imports that module,
#: and has Python's lock of it, before the package's code goes on.
TWO_THREADS = """
import builtins, importlib, sys, threading
from server import later

builtins.begun, builtins.wanted = threading.Event(), threading.Event()
seen = []

class Wanted:
    def find_spec(self, name, path, target=None):
        if name == "later_two.inner":
            wanted.set()

later.postpone({"later_two": {}})
sys.meta_path.insert(0, Wanted())
package = importlib.import_module("later_two")

def bring():
    seen.append(package.value)

def import_inner():
    seen.append(importlib.import_module("later_two.inner").value)

threads = [threading.Thread(target=each, daemon=True) for each in (bring, import_inner)]
threads[0].start()
begun.wait()
threads[1].start()
for thread in threads:
    thread.join()
print(seen, sys.modules["later_two.inner"].runs)
"""


def test_two_threads_that_import_a_package_and_its_module_do_not_wait_for_each_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "later_two").mkdir()
    (tmp_path / "later_two" / "__init__.py").write_text(
        "import builtins\nbuiltins.begun.set()\nbuiltins.wanted.wait()\n"
        "from later_two.inner import value\n"
    )
    (tmp_path / "later_two" / "inner.py").write_text(
        "import builtins\nruns = builtins.runs = getattr(builtins, 'runs', 0) + 1\nvalue = 7\n"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-c", TWO_THREADS],
        env={"PYTHONPATH": f"{tmp_path}:{root}"},
        capture_output=True,
        text=True,
        timeout=20,  # waiting for each other, they wait for ever
    )
    assert (found.stdout, found.stderr) == ("[7, 7] 1\n", "")
