"""The locks: hashed, without a host, and of what the project says it needs."""

from __future__ import annotations

import re

import pytest

from tests.utils.modules import ROOT, load

lock = load("tools/lock.py")
NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", re.M)


def names(text: str) -> set[str]:
    return {re.sub(r"[-_.]+", "-", name).lower() for name in NAME.findall(text)}


@pytest.mark.parametrize("path", [one.path for one in lock.LOCKS])
def test_a_lock_names_no_host_and_leaves_no_package_unhashed(path):
    assert lock.check((ROOT / f"{path}.txt").read_text()) == []


@pytest.mark.parametrize("path", [one.path for one in lock.LOCKS])
def test_a_lock_holds_what_was_asked_for(path):
    asked = names(re.sub(r"(?m)^(#|-).*$", "", (ROOT / f"{path}.in").read_text()))
    assert asked <= names((ROOT / f"{path}.txt").read_text())


def test_every_input_is_resolved_by_make_locks_or_by_its_build():
    known = {f"{one.path}.in" for one in lock.LOCKS}
    found = {
        str(file.relative_to(ROOT))
        for folder in ("requirements", "images", "bench")
        for file in (ROOT / folder).rglob("*.in")
    }
    assert found - {f"{path}.in" for path in lock.RESOLVED_BY_BUILD} == known


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        pytest.param("a==1 \\\n    --hash=sha256:00\n", 0, id="good"),
        pytest.param("# a remark\na==1 \\\n    --hash=sha256:00\n", 0, id="remark"),
        pytest.param("a==1\n", 1, id="no-hash"),
        pytest.param("--index-url https://x\na==1 \\\n    --hash=sha256:00\n", 3, id="host"),
        pytest.param("a @ https://x/a.whl \\\n    --hash=sha256:00\n", 1, id="address"),
    ],
)
def test_what_is_wrong_with_a_lock_is_found(text, wrong):
    assert len(lock.check(text)) == wrong


def test_the_host_lock_has_what_the_project_depends_on():
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"(?ms)^dependencies = \[(.*?)^\]", project)
    assert listed is not None
    wanted = names(re.sub(r'[ "]', "", listed.group(1)))
    assert wanted
    assert wanted <= names((ROOT / "requirements" / "host.txt").read_text())


def test_the_test_lock_holds_the_host_lock_in_the_same_versions():
    def pins(path: str) -> set[str]:
        return set(re.findall(r"(?m)^\S+==.*?(?= \\$)", (ROOT / path).read_text()))

    # A marker may be written another way where the same version is needed by more.
    bare = {pin.split(" ;")[0] for pin in pins("requirements/host.txt")}
    assert bare <= {pin.split(" ;")[0] for pin in pins("requirements/test.txt")}
