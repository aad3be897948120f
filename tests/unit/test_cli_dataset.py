"""``room dataset`` as an admin meets it: what it prints, and what it refuses."""

from __future__ import annotations

import errno
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import context
from cli import dataset as command
from cli.errors import FAILED
from publishing import sources
from publishing.job import Desk
from publishing.shelf import Shelf
from publishing.stage import Stage
from room.store import Store
from room.store.migrate import upgrade

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    url = f"sqlite:///{tmp_path / 'room.sqlite'}"
    store = Store(url)
    upgrade(store)
    store.close()
    root = tmp_path / "room"
    root.mkdir()
    told = SimpleNamespace(data_root=root, name="room", engine_socket="/nowhere.sock")
    monkeypatch.setattr(context, "store", lambda: Store(url))
    monkeypatch.setattr(context, "settings", lambda: told)

    def room_dataset(*arguments: Any, status: int = 0) -> Result:
        result = CliRunner().invoke(command.dataset, [str(each) for each in arguments])
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        return result

    return room_dataset


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "train" / "cat").mkdir(parents=True)
    (source / "train" / "cat" / "1.png").write_bytes(b"picture")
    return source


def test_publishing_says_what_it_is_and_who_has_it_where(run: Run, cats: Path) -> None:
    said = run("publish", "Cats", cats, "--class", "ML101", "--licence", "CC0").output
    assert "cats@1 is published: 1 file, 7 bytes." in said
    assert "For ml101, at /datasets/cats from the next start on." in said
    again = run("publish", "cats", cats).output
    assert "These are the files of cats@1 already" in again
    (cats / "more").write_text("more")
    assert "cats@2 is published: 2 files" in run("publish", "cats", cats).output
    assert "Licence: CC0" in run("show", "cats").output


def test_a_dataset_for_nobody_says_how_to_share_it(run: Run, cats: Path) -> None:
    said = run("publish", "cats", cats).output
    assert "Nobody has it yet: room dataset share cats CLASS" in said
    assert "cats is for ml101." in run("share", "cats", "ml101").output
    assert "cats is for everybody, ml101." in run("share", "cats", "--everyone").output
    assert "cats is for everybody." in run("share", "cats", "ml101", "--take").output
    assert "Say which classes" in run("share", "cats", status=FAILED).output


def test_one_file_is_published_under_its_name(run: Run, cats: Path) -> None:
    run("publish", "one", cats / "train/cat/1.png", "--everyone")
    assert "1 file" not in run("list").output
    assert "everybody" in run("list").output


def test_a_stopped_publication_is_listed_and_gone_on_with(run: Run, cats: Path) -> None:
    bad = cats / "out"
    bad.symlink_to("/etc/shadow")
    said = run("publish", "cats", cats, "--class", "ml101", status=FAILED).output
    assert "'out' cannot be in a dataset" in said
    assert "Nothing was published." in said
    listed = run("list").output
    assert "stopped at" in listed
    bad.unlink()
    again = run("publish", "cats", cats).output
    assert "Going on with what was begun" in again
    assert "For ml101" in again
    assert "stopped" not in run("list").output


def test_a_stopped_publication_can_be_cancelled(run: Run, cats: Path) -> None:
    (cats / "out").symlink_to("/etc/shadow")
    run("publish", "cats", cats, status=FAILED)
    begin = run("list").output.strip().splitlines()[-1].split()[0]
    assert "nothing is left of it" in run("cancel", begin).output
    assert "There is no dataset yet" in run("list").output
    assert "no publication has an id" in run("cancel", begin, status=FAILED).output.lower()


def test_versions_are_retired_and_restored_by_number(run: Run, cats: Path) -> None:
    run("publish", "cats", cats)
    (cats / "more").write_text("more")
    run("publish", "cats", cats)
    assert "cats@2 is retired. Servers start with cats@1." in run("retire", "cats").output
    assert "cats@1 is retired. None is left." in run("retire", "cats@1").output
    assert "Every version of cats is retired" in run("retire", "cats", status=FAILED).output
    assert "cats@2 can be started with again" in run("restore", "cats").output


def test_verify_names_the_damaged_file_and_ends_in_failure(
    run: Run, cats: Path, tmp_path: Path
) -> None:
    run("publish", "cats", cats)
    assert "not as published" not in run("verify").output
    (stored,) = (tmp_path / "room/datasets/versions/cats").iterdir()
    picture = stored / "tree/train/cat/1.png"
    picture.chmod(0o644)
    picture.write_bytes(b"PICTURE")
    said = run("verify", "cats@1", status=FAILED).output
    assert "cats@1: train/cat/1.png is not as published" in said
    assert "1 files damaged" in run("list").output


def test_prune_removes_nothing_while_nobody_can_tell_what_runs(run: Run, cats: Path) -> None:
    run("publish", "cats", cats)
    run("retire", "cats")
    said = run("prune", "--older-than", "1m", "--yes", status=FAILED).output
    assert "Nothing was removed" in said


def test_a_folder_of_a_home_is_copied_and_gone_on_with_by_the_same_command(
    run: Run, tmp_path: Path
) -> None:
    home = tmp_path / "room/homes/alice"
    (home / "data/cats").mkdir(parents=True)
    (home / "data/cats/1.png").write_bytes(b"picture")
    bad = home / "data/cats/out"
    bad.symlink_to("/etc/shadow")
    of_alice = ("publish", "cats", "data/cats", "--home", "alice")
    said = run(*of_alice, "--class", "ml101", status=FAILED).output
    assert "'out' cannot be in a dataset" in said
    desk = Desk(Shelf(tmp_path / "room/datasets"))
    assert [sources.agents(job.source) for job in desk.all()] == [False]
    bad.unlink()
    again = run(*of_alice).output
    assert "Going on with what was begun" in again
    assert "cats@1 is published: 1 file, 7 bytes. For ml101" in again
    (home / "data/cats/1.png").write_bytes(b"another")
    (stored,) = (tmp_path / "room/datasets/versions/cats").iterdir()
    assert (stored / "tree/1.png").read_bytes() == b"picture"


def test_a_file_and_an_archive_of_a_home_are_published(
    run: Run, cats: Path, tmp_path: Path
) -> None:
    home = tmp_path / "room/homes/alice"
    home.mkdir(parents=True)
    shutil.make_archive(str(home / "cats"), "zip", cats)
    of_alice = ("~/cats.zip", "--home", "Alice")
    assert "one@1 is published: 1 file" in run("publish", "one", *of_alice).output
    said = run("publish", "cats", *of_alice, "--unpack").output
    assert "cats@1 is published: 1 file, 7 bytes." in said


@pytest.mark.parametrize(
    ("home", "path", "rule"),
    [
        pytest.param("bob", "data", "There is no home of bob", id="nobody's"),
        pytest.param("alice", "~", "No folder is named", id="all-of-it"),
        pytest.param("alice", "../bob", "leads out by ..", id="another's"),
        pytest.param("alice", "none", "There is no folder 'none'", id="nothing"),
        pytest.param("alice", "link/data", "that no link leads to", id="through-a-link"),
        pytest.param("a b", "data", "is no login", id="no-login"),
    ],
)
def test_what_of_a_home_cannot_be_published_is_refused_in_words(
    run: Run, cats: Path, tmp_path: Path, home: str, path: str, rule: str
) -> None:
    (tmp_path / "room/homes/alice").mkdir(parents=True)
    (tmp_path / "room/homes/alice/link").symlink_to(cats)
    said = run("publish", "cats", path, "--home", home, status=FAILED).output
    assert rule in said.replace("\n", " ")
    assert "There is no dataset yet" in run("list").output


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        pytest.param(("show", "dogs"), "There is no dataset dogs", id="unknown"),
        pytest.param(("show", "../x"), "starts with a letter", id="path"),
        pytest.param(("retire", "cats@0"), "names no version", id="number"),
        pytest.param(("retire", "cats@7"), "no version 7 of cats", id="no-such-version"),
        pytest.param(("prune", "--older-than", "soon"), "no length of time", id="time"),
        pytest.param(("share", "cats", "a b/c"), "no class name", id="class"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    run: Run, cats: Path, arguments: tuple[str, ...], rule: str
) -> None:
    run("publish", "cats", cats)
    result = CliRunner().invoke(command.dataset, list(arguments))
    assert result.exit_code == FAILED
    assert rule in result.output.replace("\n", " ")


def test_an_archive_is_unpacked_on_the_way(run: Run, cats: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "cats"), "gztar", cats)
    said = run("publish", "cats", packed, "--unpack", "--everyone").output
    assert "cats@1 is published: 1 file, 7 bytes." in said
    assert "--unpack is for archives" in run("publish", "x", cats, "--unpack", status=FAILED).output


def test_a_hostile_archive_is_refused_by_its_member_s_name_and_leaves_nothing(
    run: Run, tmp_path: Path
) -> None:
    packed = tmp_path / "evil.tar"
    with tarfile.open(packed, "w") as tar:
        for name in ("fine", "../../etc/cron.d/evil"):
            tar.addfile(tarfile.TarInfo(name))
    said = run("publish", "evil", packed, "--unpack", status=FAILED).output
    assert "../../etc/cron.d/evil" in said
    assert "Nothing was published." in said
    assert "There is no dataset evil" in run("show", "evil", status=FAILED).output
    assert list((tmp_path / "room/datasets/staging").rglob("fine")) == []
    begun = run("list").output.strip().splitlines()[-1].split()[0]
    run("cancel", begun)
    assert list((tmp_path / "room/datasets/staging").iterdir()) == []


def test_an_archive_is_gone_on_with_from_its_beginning(
    run: Run, cats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = shutil.make_archive(str(tmp_path / "cats"), "zip", cats)
    finish = Stage.finish

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Stage, "finish", full)
    assert "disk is full" in run("publish", "cats", packed, "--unpack", status=FAILED).output
    monkeypatch.setattr(Stage, "finish", finish)
    said = run("publish", "cats", packed, "--unpack").output
    assert "cats@1 is published: 1 file, 7 bytes." in said
