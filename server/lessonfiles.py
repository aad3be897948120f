"""A lesson's files: a class's folder as a repository, and nbgitpuller to bring one to a home.

nbgitpuller keeps what a student changed and takes what the instructor did; it pulls from a
repository alone. So what lies in a class's folder is committed to one of the student's own first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

#: A class's folder is small files: what is large is a dataset, and mounted.
MOST_FILES, MOST_BYTES = 5000, 500 * 1024**2
#: Seconds that bringing a lesson may take.
PATIENCE = 600
#: Characters of git's own words that a page shows.
TOLD = 4000

_CLASSES = Path("/class")
_BRANCH = "main"
#: Left out: what is handed in there, at the top of a class's folder; and what JupyterLab keeps for
#: itself, anywhere.
_HAND_IN, _CHECKPOINTS = "hand-in", ".ipynb_checkpoints"

Why = Literal["branch", "files", "folder", "full", "git", "link", "other", "size", "taken", "time",
              "unreachable"]  # fmt: skip


class NotBroughtError(Exception):
    """``why`` in one word, the path or number that is meant, and what git said of it."""

    def __init__(self, why: Why, what: str = "", told: str = "") -> None:
        super().__init__(why)
        self.why: Why = why
        self.what, self.told = what, told[-TOLD:]


def bring(source: Mapping[str, str], home: Path) -> str:
    """Bring a lesson's files to the home; return the path there of what opens.

    ``source`` is the hub's answer. Raises ``NotBroughtError``. A student's changes stay: see
    nbgitpuller's rules.
    """
    place = home / source["place"]
    # Without this git would take the student's own repository around the folder for the lesson's.
    if os.path.lexists(place) and not (place / ".git").is_dir():
        raise NotBroughtError("taken", source["place"])
    repository, branch = source["repository"], source["branch"]
    if source["kind"] == "folder":
        folder = _CLASSES / source["class"] / source["path"]
        repository, branch = str(snapshot(folder, place, _kept(home, source["place"]))), _BRANCH
    _pull(repository, branch, place)
    there = (place / source["page"]).exists()
    return f"{source['place']}/{source['page']}" if source["page"] and there else source["place"]


def _kept(home: Path, place: str) -> Path:
    return home / ".local/state/torchroom" / f"{place}.git"


def snapshot(folder: Path, place: Path, repository: Path) -> Path:
    """Commit what is in a folder now to a repository of the student's own, and return that.

    Raises ``NotBroughtError`` for what no lesson can have.
    """
    _look_through(folder)
    git = ("git", f"--git-dir={repository}", f"--work-tree={folder}")
    if not (repository / "HEAD").exists():
        repository.parent.mkdir(parents=True, exist_ok=True)
        _run(*git, "init", "--quiet", f"--initial-branch={_BRANCH}")
        if (place / ".git").is_dir():
            # It was deleted: go on from what the student's copy knows, or nothing could be merged.
            known = f"refs/remotes/origin/{_BRANCH}:refs/heads/{_BRANCH}"
            _run(*git, "fetch", "--quiet", "--update-head-ok", str(place), known)
    # Of a start that was cut short.
    (repository / "index.lock").unlink(missing_ok=True)
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info" / "exclude").write_text(f"/{_HAND_IN}/\n{_CHECKPOINTS}/\n")
    _run(*git, "add", "--all")
    who = ("-c", "user.name=Torchroom", "-c", "user.email=lessons@torchroom.invalid")
    if _run(*git, "status", "--porcelain", "--untracked-files=no"):
        _run(
            *git[:1], *who, *git[1:], "commit", "--quiet", "--message=As it is in the class folder"
        )
    elif not _run(*git, "for-each-ref", "refs/heads"):
        raise NotBroughtError("folder", str(folder))
    return repository


def _look_through(folder: Path) -> None:
    """Refuse a folder that is not there, is too large, or has what is no plain file."""
    if not folder.is_dir():
        raise NotBroughtError("folder", str(folder))
    files = size = 0
    for entry in _entries(folder, top=True):
        shown = os.path.relpath(entry.path, folder)
        if entry.is_dir(follow_symlinks=False) and entry.name == ".git":
            raise NotBroughtError("link", shown)
        if entry.is_dir(follow_symlinks=False):
            continue
        if not entry.is_file(follow_symlinks=False):
            raise NotBroughtError("link", shown)
        files, size = files + 1, size + entry.stat(follow_symlinks=False).st_size
        if files > MOST_FILES:
            raise NotBroughtError("files", str(MOST_FILES))
        if size > MOST_BYTES:
            raise NotBroughtError("size", f"{MOST_BYTES // 1024**2} MiB")


def _entries(folder: Path, *, top: bool = False) -> Iterator[os.DirEntry[str]]:
    left_out = {_CHECKPOINTS, *((_HAND_IN, ".git") if top else ())}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in left_out:
                continue
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def _pull(repository: str, branch: str, place: Path) -> None:
    """Let nbgitpuller bring a repository, in a process of its own: it takes no part in a start."""
    fresh = not place.exists()
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        _run(sys.executable, "-I", "-c", "from nbgitpuller.pull import main; main()",
             repository, branch, str(place))  # fmt: skip
    except NotBroughtError as error:
        if fresh:
            # Half a clone would be taken for the student's own folder the next time.
            shutil.rmtree(place, ignore_errors=True)
            if error.why == "git":
                raise NotBroughtError("unreachable", told=error.told) from error
        else:
            with suppress(NotBroughtError):
                _run("git", "-C", str(place), "merge", "--abort")
        raise


def _run(*command: str) -> str:
    """Run something and return what it printed. Raises ``NotBroughtError``."""
    try:
        done = subprocess.run(
            command,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotBroughtError("time", str(PATIENCE // 60)) from error
    if done.returncode:
        raise NotBroughtError(why(done.stdout), told=done.stdout)
    return done.stdout


def why(told: str) -> Why:
    """Return what went wrong, of what nbgitpuller or git printed."""
    if "No space left" in told or "Disk quota exceeded" in told:
        return "full"
    if "BranchExistError" in told:
        return "branch"
    if "BranchResolveError" in told or "'ls-remote'" in told:
        return "unreachable"
    return "git"


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what git runs with: it asks nobody for a password, and gives up on who is silent."""
    settings = {
        # Names outside ASCII come as they are: nbgitpuller looks for the files that it reads of.
        "core.quotePath": "false",
        "commit.gpgSign": "false",
        "gc.auto": "0",
    }
    numbered = enumerate(settings.items())
    pairs = {
        key: value
        for number, (name, said) in numbered
        for key, value in (
            (f"GIT_CONFIG_KEY_{number}", name),
            (f"GIT_CONFIG_VALUE_{number}", said),
        )
    }
    return {
        **given,
        **pairs,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:http:file",
        "GIT_HTTP_LOW_SPEED_LIMIT": "1",
        "GIT_HTTP_LOW_SPEED_TIME": "30",
    }
