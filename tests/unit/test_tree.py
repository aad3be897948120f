"""What holds for every file of the project: how long, what it names, what it catches."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Lines of one module. Tests are lists of cases and may be longer.
LONGEST, LONGEST_TEST = 400, 600

#: In parts, so that this file does not name what no file may.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("debian", "org"),
        ("ubuntu", "com"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("registry-1", "docker", "io"),
        ("index", "docker", "io"),
        ("hub", "docker", "com"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("nvcr", "io"),
    )
)
#: The Debian package of that name is meant where no path follows.
HOST = re.compile("|".join(map(re.escape, HOSTS)) + r"|docker\.io/\w")
MOVING = re.compile(r"[\w}\"']:" + "latest" + r"\b")
THIS_MACHINE = re.compile(r"(?<![\w.])/(?:" + "|".join(("work/(?:main|shared)", "root/")) + ")")


def tracked() -> list[Path]:
    """Return every file that git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    files = (ROOT / name for name in sorted(set(listed.split("\0"))) if name)
    return [path for path in files if path.is_file()]


FILES = tracked()
MODULES = [path for path in FILES if path.suffix == ".py"]


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a text; a picture has none."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    yield from enumerate(text.splitlines(), 1)


def where(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files
        for number, line in lines_of(path)
        if pattern.search(line)
    ]


def is_test(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] == "tests"


def test_the_project_is_looked_at_at_all():
    assert len(MODULES) > 100
    assert ROOT / "room" / "models.py" in MODULES


def test_every_folder_that_has_tests_is_run(pytestconfig):
    tests = [path.relative_to(ROOT) for path in MODULES if path.name.startswith("test_")]
    assert sorted(pytestconfig.getini("testpaths")) == sorted({str(path.parent) for path in tests})


def test_no_module_is_longer_than_can_be_read():
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in MODULES}
    long = {
        str(path.relative_to(ROOT)): count
        for path, count in lengths.items()
        if count > (LONGEST_TEST if is_test(path) else LONGEST)
    }
    assert long == {}


def test_no_file_names_a_package_registry():
    assert where(HOST, FILES) == []


def test_no_file_names_a_place_of_the_machine_it_was_written_on():
    assert where(THIS_MACHINE, FILES) == []


def test_no_tag_moves():
    # Tests name such tags to see them refused.
    assert where(MOVING, [path for path in FILES if not is_test(path)]) == []


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        pytest.param(HOST, "https://" + HOSTS[0] + "/simple", True, id="registry"),
        pytest.param(HOST, "FROM docker." + "io/library/debian", True, id="docker-path"),
        pytest.param(HOST, "apt-get install docker.io", False, id="docker-package"),
        pytest.param(HOST, "https://mirror.school.example/debian", False, id="mirror"),
        pytest.param(MOVING, "image: debian:" + "latest", True, id="moving"),
        pytest.param(MOVING, "state: latest", False, id="ansible"),
        pytest.param(THIS_MACHINE, "cd /work/" + "main", True, id="machine"),
        pytest.param(THIS_MACHINE, "COPY x /work/", False, id="inside-an-image"),
    ],
)
def test_what_must_not_be_there_is_found(pattern, line, found):
    assert bool(pattern.search(line)) == found


# -- excepts -----------------------------------------------------------------------------------


def broad(source: str) -> list[int]:
    """Return the lines of broad excepts that neither raise again nor give their reason."""
    text = source.splitlines()
    return [
        handler.lineno
        for handler in ast.walk(ast.parse(source))
        if isinstance(handler, ast.ExceptHandler)
        and _is_broad(handler.type)
        and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
        and not re.search(r"# noqa: BLE001 - \w+", text[handler.lineno - 1])
    ]


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(_is_broad, caught.elts))
    return caught is None or (
        isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")
    )


def test_no_except_swallows_what_it_does_not_know():
    found = {
        str(path.relative_to(ROOT)): lines
        for path in MODULES
        if (lines := broad(path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("caught", "then", "found"),
    [
        pytest.param("except OSError:", "pass", False, id="named"),
        pytest.param("except:", "pass", True, id="bare"),
        pytest.param("except Exception:", "pass", True, id="exception"),
        pytest.param("except (OSError, BaseException):", "pass", True, id="among-others"),
        pytest.param("except BaseException:", "tidy(); raise", False, id="raised-again"),
        pytest.param("except Exception:  # noqa: BLE001", "pass", True, id="without-reason"),
        pytest.param("except Exception:  # noqa: BLE001 - why", "pass", False, id="reason"),
    ],
)
def test_a_broad_except_is_found(caught, then, found):
    assert bool(broad(f"try:\n    x()\n{caught}\n    {then}\n")) == found
