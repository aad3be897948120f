"""Making ``.venv`` in a checkout: with a real pip, and a real index for what builds the project."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.utils.modules import ROOT


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose locks hold nothing but what builds the project itself."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "tools").mkdir()
    for name in ("bootstrap.py", "bootstrap_rules.py"):
        (root / "tools" / name).write_text((ROOT / "tools" / name).read_text())
    (root / "requirements").mkdir()
    for name in ("host", "test"):
        (root / "requirements" / f"{name}.txt").write_text(_setuptools_of("host"))
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "small"\nversion = "1"\n[project.scripts]\nroom = "small:main"\n'
    )
    (root / "small.py").write_text("def main():\n    print('the room command')\n")
    return root


def _setuptools_of(lock: str) -> str:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    entry = re.search(r"(?m)^setuptools==.*(?:\n    --hash.*)+", text)
    assert entry is not None
    return entry.group() + "\n"


def run(root: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "tools" / "bootstrap.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def wheel(folder: Path, content: str) -> str:
    """Write a wheel of one module into ``folder``; return its line in a lock."""
    file = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        # With a date of its own, and not of the moment: the same content has the same hash.
        archive.writestr(zipfile.ZipInfo("tiny.py"), content)
        archive.writestr(
            zipfile.ZipInfo("tiny-1.dist-info/METADATA"),
            "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        )
        archive.writestr(
            zipfile.ZipInfo("tiny-1.dist-info/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(zipfile.ZipInfo("tiny-1.dist-info/RECORD"), "")
    return f"tiny==1 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


@pytest.fixture
def lock(checkout: Path) -> Iterator[Path]:
    """The lock of the host; what a test writes into it is undone."""
    file = checkout / "requirements" / "host.txt"
    good = file.read_text()
    yield file
    file.write_text(good)


def test_a_checkout_is_made_ready_once_and_then_nothing_is_done(checkout: Path):
    first = run(checkout, "--", "room")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "the room command\n"
    assert "✓ Installing requirements/host.txt" in first.stderr

    second = run(checkout, "--", "room")
    assert (second.stdout, second.stderr) == ("the room command\n", "")


def test_a_lock_that_changed_is_installed_again(checkout: Path, lock: Path):
    assert run(checkout).returncode == 0
    lock.write_text(lock.read_text() + "# changed\n")
    assert "Installing requirements/host.txt" in run(checkout).stderr
    assert run(checkout).stderr == ""


def test_the_tests_environment_is_also_a_good_one_for_the_room_command(checkout: Path):
    assert run(checkout, "--lock", "test").returncode == 0
    assert run(checkout).stderr == ""


def test_a_package_that_is_not_the_locked_one_is_refused_in_words_and_tried_again(
    checkout: Path, lock: Path, tmp_path: Path
):
    line = wheel(tmp_path, "x = 1")
    wheel(tmp_path, "x = 'something else'")
    lock.write_text(lock.read_text() + line)
    refused = run(checkout, PIP_FIND_LINKS=str(tmp_path))
    assert refused.returncode == 2
    assert "Do not install it" in refused.stderr
    assert str(checkout / "build" / "bootstrap.log") in refused.stderr
    assert "Traceback" not in refused.stderr

    # Half an installation is not taken for a finished one.
    wheel(tmp_path, "x = 1")
    repaired = run(checkout, "--", "python", "-c", "import tiny", PIP_FIND_LINKS=str(tmp_path))
    assert repaired.returncode == 0, repaired.stderr
    assert "✓ Installing requirements/host.txt" in repaired.stderr


def test_an_index_that_does_not_answer_is_named_with_the_setting(checkout: Path, lock: Path):
    lock.write_text(f"no-such-package-at-all==1.0 --hash=sha256:{'0' * 64}\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    refused = run(checkout, **nowhere, PIP_CONFIG_FILE="/dev/null", PIP_FIND_LINKS="")
    assert refused.returncode == 2
    assert "mirrors: pypi" in refused.stderr


def test_a_folder_that_is_no_environment_is_not_removed(tmp_path: Path, checkout: Path):
    root = tmp_path / "other"
    for name in ("tools", "requirements"):
        (root / name).mkdir(parents=True)
        for file in (checkout / name).iterdir():
            if file.is_file():
                (root / name / file.name).write_bytes(file.read_bytes())
    (root / "pyproject.toml").write_text("")
    (root / ".venv").mkdir()
    (root / ".venv" / "thesis.txt").write_text("three years")
    refused = run(root)
    assert refused.returncode == 2
    assert "no Python environment" in refused.stderr
    assert (root / ".venv" / "thesis.txt").read_text() == "three years"
