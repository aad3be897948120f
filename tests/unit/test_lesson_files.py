"""A class's folder as a repository of a student's own, and what git is run with: a real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from server import lessonfiles, lessonwords
from server.lessonfiles import NotBroughtError, bring, environment, snapshot, why


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "class" / "week 1"
    (made / "data").mkdir(parents=True)
    (made / "梅.ipynb").write_text("{}")
    (made / "data" / "a.csv").write_text("1")
    return made


def snapped(folder: Path) -> tuple[Path, list[str]]:
    home = folder.parents[1]
    made = snapshot(folder, home / "place", home / "kept.git")
    listed = git(made, "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "main")
    return made, sorted(listed.splitlines())


def commits(repository: Path) -> int:
    return int(git(repository, "rev-list", "--count", "main"))


def test_what_is_there_now_is_the_newest_commit(folder: Path):
    made, names = snapped(folder)
    assert names == ["data/a.csv", "梅.ipynb"]
    assert snapped(folder)[0] == made
    assert commits(made) == 1, "nothing new is no commit"
    (folder / "data" / "a.csv").unlink()
    (folder / "new.py").write_text("2")
    assert snapped(folder)[1] == ["new.py", "梅.ipynb"]
    assert commits(made) == 2


def test_what_is_handed_in_and_what_jupyterlab_keeps_is_left_out(folder: Path):
    for name in ("hand-in/bob", "data/.ipynb_checkpoints", ".git"):
        (folder / name).mkdir(parents=True)
        (folder / name / "x").write_text("x")
    assert snapped(folder)[1] == ["data/a.csv", "梅.ipynb"]


def test_a_start_that_was_cut_short_is_gone_on_with(folder: Path):
    made, _ = snapped(folder)
    (made / "index.lock").touch()
    (folder / "b").write_text("b")
    assert "b" in snapped(folder)[1]


def test_a_repository_that_was_deleted_goes_on_from_the_student_s_copy(folder: Path):
    made, _ = snapped(folder)
    place = folder.parents[1] / "place"
    git(folder.parent, "clone", "--quiet", str(made), str(place))
    subprocess.run(["rm", "-r", str(made)], check=True)
    (folder / "b").write_text("b")
    snapped(folder)
    git(place, "fetch", "--quiet")
    git(place, "merge", "--quiet", "origin/main")
    assert (place / "b").exists()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        pytest.param("link", "link", id="link"),
        pytest.param("pipe", "link", id="pipe"),
        pytest.param("repository", "link", id="repository"),
        pytest.param("many", "files", id="too-many"),
        pytest.param("large", "size", id="too-large"),
    ],
)
def test_what_no_lesson_can_have_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reason: str
):
    if kind == "link":
        (folder / "data" / "out").symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(folder / "pipe")
    elif kind == "repository":
        (folder / "data" / ".git").mkdir()
    elif kind == "many":
        monkeypatch.setattr(lessonfiles, "MOST_FILES", 1)
    else:
        monkeypatch.setattr(lessonfiles, "MOST_BYTES", 2)
    with pytest.raises(NotBroughtError) as refused:
        snapped(folder)
    assert refused.value.why == reason
    assert not (folder.parents[1] / "kept.git").exists()


def test_a_folder_that_is_not_there_or_empty_is_none(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        with pytest.raises(NotBroughtError) as refused:
            snapshot(tmp_path / name, tmp_path / "place", tmp_path / "kept.git")
        assert refused.value.why == "folder"


def test_a_student_s_own_folder_is_not_taken_for_the_lesson_s(tmp_path: Path):
    (tmp_path / "lessons" / "a").mkdir(parents=True)
    source = {"place": "lessons/a", "kind": "git", "repository": "", "branch": "", "page": ""}
    with pytest.raises(NotBroughtError) as refused:
        bring(source, tmp_path)
    assert (refused.value.why, refused.value.what) == ("taken", "lessons/a")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("nbgitpuller.errors.BranchExistError: Branch not found", "branch"),
        ("nbgitpuller.errors.BranchResolveError: x", "unreachable"),
        ("CalledProcessError: Command '['git', 'ls-remote', '--heads']'", "unreachable"),
        ("fatal: write error: No space left on device", "full"),
        ("error: could not write: Disk quota exceeded", "full"),
        ("CONFLICT (content)", "git"),
    ],
)
def test_what_went_wrong_is_one_of_few_things(told: str, expected: str):
    assert why(told) == expected


def test_git_asks_nobody_and_waits_for_nobody():
    found = environment({"HOME": "/home/jovyan"})
    assert found["GIT_TERMINAL_PROMPT"] == "0"
    count = int(found["GIT_CONFIG_COUNT"])
    assert {f"GIT_CONFIG_KEY_{n}" for n in range(count)} <= found.keys()
    assert found["HOME"] == "/home/jovyan"


def test_each_reason_has_words_in_both_languages():
    assert lessonwords.EN.keys() == lessonwords.ZH.keys()
    reasons = {"branch", "files", "folder", "full", "git", "link", "other", "size", "taken",
               "time", "unreachable"}  # fmt: skip
    assert reasons <= lessonwords.EN.keys()
    for key, text in lessonwords.EN.items():
        assert ("{what}" in text) == ("{what}" in lessonwords.ZH[key]), key


@pytest.mark.parametrize(
    ("cookie", "accepted", "lang"),
    [("", "", "en"), ("", "zh-TW,en", "zh-CN"), ("", "en,zh", "en"), ("zh_CN", "en", "zh-CN"),
     ("en", "zh", "en")],
)  # fmt: skip
def test_the_page_speaks_its_reader_s_language(cookie: str, accepted: str, lang: str):
    assert lessonwords.pick(cookie, accepted)["lang"] == lang
