"""Publishing a folder: what a version is, what is stored once, and what is refused."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from publishing import copying, folder, upkeep
from publishing.copying import ChangedError
from publishing.job import BusyJobError, CancelledJobError
from publishing.mending import look_through
from publishing.publish import NoSpaceError
from publishing.stage import Stage
from room.datasets.catalog import Catalog
from room.datasets.model import NoSuchDatasetError
from room.datasets.names import Reference
from room.datasets.paths import PathRefusedError
from room.datasets.space import Disk
from tests.utils.published import Library, contents


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.at(tmp_path / "room")


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    root = tmp_path / "flowers"
    for kind in ("rose", "lily"):
        (root / "train" / kind).mkdir(parents=True)
        for number in range(5):
            (root / "train" / kind / f"{number}.png").write_bytes(os.urandom(1000 + number))
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o4755)
    (root / "empty").mkdir()
    (root / "first.png").symlink_to("train/rose/0.png")
    (root / "nothing").write_bytes(b"")
    return root


def test_a_published_folder_is_what_it_was(library: Library, flowers: Path) -> None:
    version = library.publish("flowers", flowers).version
    tree = library.shelf.tree("flowers", version.digest)
    assert contents(tree) == contents(flowers)
    assert (tree / "empty").is_dir()
    assert version.files == 12
    assert version.size == sum(p.stat().st_size for p in flowers.rglob("*.png")) - 1000 + 10
    assert library.broken() == library.leaked() == []


def test_only_the_executable_bit_is_kept_and_nothing_can_be_written(
    library: Library, flowers: Path
) -> None:
    (flowers / "train").chmod(0o700)
    tree = library.shelf.tree("flowers", library.publish("flowers", flowers).version.digest)
    assert {oct(p.lstat().st_mode & 0o7777) for p in tree.rglob("*.png") if p.is_file()} >= {
        "0o444"
    }
    assert oct((tree / "run.sh").stat().st_mode & 0o7777) == "0o555"
    assert oct((tree / "train").stat().st_mode & 0o7777) == "0o755"


def test_the_same_files_are_no_new_version(library: Library, flowers: Path) -> None:
    first = library.publish("flowers", flowers)
    again = library.publish("flowers", flowers)
    assert (first.new, again.new) == (True, False)
    assert again.version == first.version
    assert library.leaked() == []


def test_what_two_versions_share_is_stored_once(library: Library, flowers: Path) -> None:
    old = library.publish("flowers", flowers).version
    (flowers / "train/rose/0.png").write_bytes(b"new")
    new = library.publish("flowers", flowers).version
    assert (old.number, new.number) == (1, 2)
    kept = library.shelf.tree("flowers", old.digest) / "train/lily/3.png"
    also = library.shelf.tree("flowers", new.digest) / "train/lily/3.png"
    assert kept.samefile(also)
    changed = [
        library.shelf.tree("flowers", each.digest) / "train/rose/0.png" for each in (old, new)
    ]
    assert not changed[0].samefile(changed[1])
    assert library.broken() == []


def test_equal_files_of_one_version_are_stored_once(library: Library, tmp_path: Path) -> None:
    source = tmp_path / "twice"
    source.mkdir()
    for name in ("one", "two"):
        (source / name).write_bytes(b"same")
    tree = library.shelf.tree("twice", library.publish("twice", source).version.digest)
    assert (tree / "one").samefile(tree / "two")


def test_a_version_never_changes_with_its_source(library: Library, flowers: Path) -> None:
    version = library.publish("flowers", flowers).version
    for path in flowers.rglob("*.png"):
        if not path.is_symlink():
            path.write_bytes(b"spoilt")
    assert library.broken() == []
    tree = library.shelf.tree("flowers", version.digest)
    assert (tree / "train/rose/0.png").read_bytes() != b"spoilt"


def _outside(root: Path) -> None:
    (root / "out").symlink_to("../../etc/shadow")


def _absolute(root: Path) -> None:
    (root / "out").symlink_to("/etc/shadow")


def _pipe(root: Path) -> None:
    os.mkfifo(root / "out")


def _socket(root: Path) -> None:
    here = Path.cwd()
    os.chdir(root)  # an address has 107 characters at most
    try:
        socket.socket(socket.AF_UNIX).bind("out")
    finally:
        os.chdir(here)


def _line_break(root: Path) -> None:
    (root / "out\nside").write_text("x")


def _bytes(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/out\xff")).write_text("x")


def _case(root: Path) -> None:
    (root / "Out").write_text("x")
    (root / "out").write_text("x")


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        pytest.param(_outside, "not inside the dataset", id="link-out"),
        pytest.param(_absolute, "not inside the dataset", id="absolute-link"),
        pytest.param(_pipe, "a device, a pipe or a socket", id="pipe"),
        pytest.param(_socket, "a device, a pipe or a socket", id="socket"),
        pytest.param(_line_break, "line break", id="line-break"),
        pytest.param(_bytes, "not UTF-8", id="not-utf-8"),
        pytest.param(_case, "upper and lower case", id="case"),
    ],
)
def test_a_folder_is_refused_whole(
    library: Library, flowers: Path, spoil: Callable[[Path], None], rule: str
) -> None:
    spoil(flowers)
    job = library.begin("flowers", flowers)
    with pytest.raises(PathRefusedError, match=rule) as refused:
        library.run(job)
    assert "out" in str(refused.value).lower()
    assert library.catalog.all() == []
    assert library.desk.get(job.id).state == "failed"
    assert upkeep.cancel(library.desk, job.id)
    assert library.leaked() == []


@pytest.mark.parametrize("target", ["file", "directory"])
def test_what_is_swapped_for_a_link_between_look_and_copy_is_not_followed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """A student's home is theirs while it is copied, by root."""
    secret = tmp_path / "secret"
    (secret / "inside").mkdir(parents=True)
    (secret / "inside" / "data").write_text("root's own")
    source = tmp_path / "home"
    (source / "inside").mkdir(parents=True)
    (source / "inside" / "data").write_text("mine")
    listed = folder._listed

    def swap(directory: folder._Open, inside: bytes) -> list[folder._Found]:
        found = listed(directory, inside)
        if target == "directory" and inside == b"":
            (source / "inside").rename(tmp_path / "aside")
            (source / "inside").symlink_to(secret / "inside")
        if target == "file" and inside == b"inside":
            (source / "inside" / "data").unlink()
            (source / "inside" / "data").symlink_to(secret / "inside" / "data")
        return found

    job = library.begin("stolen", source)
    monkeypatch.setattr(folder, "_listed", swap)
    with pytest.raises(ChangedError, match="changed while it was read"):
        library.run(job)
    assert library.catalog.all() == []


def test_a_file_that_changes_while_it_is_read_is_not_published(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copying.copy

    def grow(source: int, target: int, tell: Callable[[int], None]) -> tuple[str, int]:
        found = copy(source, target, tell)
        with (flowers / "run.sh").open("a") as more:
            more.write("more")
        return found

    monkeypatch.setattr(copying, "copy", grow)
    monkeypatch.setattr(copying, "clone", lambda *_: False)
    with pytest.raises(ChangedError, match=r"run\.sh"):
        library.publish("flowers", flowers)


def test_what_does_not_fit_is_refused_with_the_numbers(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(library.shelf), "disk", lambda _: Disk(10**12, 10**9))
    job = library.desk.begin(
        "big", "root", {"kind": "folder", "path": str(flowers)}, expected=2 * 10**9
    )
    with pytest.raises(NoSpaceError, match=r"takes 1\.863 GiB and there is room for"):
        library.run(job)


def test_what_others_have_yet_to_write_is_not_free(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(library.shelf), "disk", lambda _: Disk(10**9, 5 * 10**8))
    library.desk.begin("other", "root", {"kind": "folder", "path": "/x"}, expected=4 * 10**8)
    job = library.desk.begin(
        "mine", "root", {"kind": "folder", "path": str(flowers)}, expected=2 * 10**8
    )
    with pytest.raises(NoSpaceError, match="promised"):
        library.run(job)


def test_a_publication_that_is_cancelled_leaves_nothing(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publishing.job.NOTE_EVERY", 0.0)
    job = library.begin("flowers", flowers)
    library.desk.ask_to_stop(job)
    with pytest.raises(CancelledJobError):
        library.run(job)
    assert library.leaked() == []
    assert library.catalog.all() == []


def test_what_was_a_file_may_be_a_directory_when_a_publication_goes_on(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Stage.finish

    def cut_short(stage: Stage, readme: Callable[..., str]) -> None:
        stage._flush()
        raise ChangedError("cut short")

    job = library.begin("flowers", flowers)
    monkeypatch.setattr(Stage, "finish", cut_short)
    with pytest.raises(ChangedError):
        library.run(job)
    monkeypatch.setattr(Stage, "finish", finish)
    (flowers / "run.sh").unlink()
    (flowers / "run.sh" / "deep").mkdir(parents=True)
    (flowers / "run.sh" / "deep" / "file").write_text("x")
    for path in (flowers / "train" / "rose").iterdir():
        path.unlink()
    (flowers / "train" / "rose").rmdir()
    (flowers / "train" / "rose").write_text("a file now")
    (flowers / "first.png").unlink()
    (flowers / "first.png").mkdir()
    version = library.run(library.desk.get(job.id)).version
    assert contents(library.shelf.tree("flowers", version.digest)) == contents(flowers)
    assert library.broken() == library.leaked() == []


def test_two_processes_do_not_work_on_one_publication(library: Library, flowers: Path) -> None:
    job = library.begin("flowers", flowers)
    with library.desk.held(job):
        assert library.desk.running(job)
        assert not upkeep.cancel(library.desk, job.id)
        with pytest.raises(BusyJobError):
            library.run(job)
    assert not library.desk.running(job)


def test_readers_see_the_old_version_until_the_new_one_is_whole(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = library.publish("flowers", flowers, classes=["ml101"]).version
    (flowers / "more").write_text("more")
    seen: list[int] = []
    take = Stage.take

    def look(stage: Stage, path: str | bytes, source: int) -> None:
        take(stage, path, source)
        (found,) = library.catalog.of(["ml101"])
        assert found.newest is not None
        seen.append(found.newest.number)
        assert upkeep.verify(library.shelf, "flowers", old.digest) == []

    monkeypatch.setattr(Stage, "take", look)
    assert library.publish("flowers", flowers).version.number == 2
    assert set(seen) == {1}


def test_versions_are_retired_restored_and_pruned(library: Library, flowers: Path) -> None:
    first = library.publish("flowers", flowers).version
    (flowers / "more").write_text("more")
    second = library.publish("flowers", flowers).version
    library.catalog.retire(Reference("flowers", 1))
    now = timedelta(0)
    kept = upkeep.prune(library.catalog, library.desk, now, {("flowers", first.digest)})
    assert kept.kept == (Reference("flowers", 1),)
    library.catalog.restore(Reference("flowers", 1))
    assert upkeep.prune(library.catalog, library.desk, now, ()).versions == ()
    library.catalog.retire(Reference("flowers", 1))
    assert upkeep.prune(library.catalog, library.desk, timedelta(days=1), ()).versions == ()
    assert upkeep.prune(library.catalog, library.desk, now, ()).versions == (
        Reference("flowers", 1),
    )
    assert not library.shelf.version("flowers", first.digest).exists()
    assert library.shelf.version("flowers", second.digest).exists()
    assert library.broken() == library.leaked() == []
    with pytest.raises(NoSuchDatasetError, match="publish it again"):
        library.catalog.restore(Reference("flowers", 1))


def test_pruning_one_version_leaves_another_with_the_same_files(
    library: Library, flowers: Path
) -> None:
    library.publish("flowers", flowers)
    library.catalog.retire(Reference("flowers", 1))
    again = library.publish("flowers", flowers)
    assert again.version.number == 2
    upkeep.prune(library.catalog, library.desk, timedelta(0), ())
    assert library.broken() == library.leaked() == []


def _flip(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    path.chmod(0o444)


@pytest.mark.parametrize(
    ("damage", "path"),
    [
        pytest.param(_flip, "train/rose/0.png", id="other-bytes"),
        pytest.param(Path.unlink, "train/rose/0.png", id="gone"),
        pytest.param(lambda p: p.chmod(0o666), "train/rose/0.png", id="writable"),
        pytest.param(lambda p: p.write_text("x"), "train/rose/new.png", id="more"),
        pytest.param(lambda p: p.write_text("{}"), "../manifest.jsonl", id="manifest"),
    ],
)
def test_verify_names_what_is_not_as_published(
    library: Library, flowers: Path, damage: Callable[[Path], None], path: str
) -> None:
    version = library.publish("flowers", flowers).version
    tree = library.shelf.tree("flowers", version.digest)
    damage(tree / path)
    found = upkeep.verify(library.shelf, "flowers", version.digest)
    assert Path(path).name in [Path(each).name for each in found]


@pytest.mark.parametrize(
    ("damage", "path"),
    [
        pytest.param(_flip, "train/rose/0.png", id="other-bytes"),
        pytest.param(Path.unlink, "train/rose/0.png", id="gone"),
        pytest.param(lambda p: shutil.rmtree(p), "train", id="a-directory-is-gone"),
        pytest.param(lambda p: (shutil.rmtree(p), p.touch()), "train", id="a-file-instead"),
        pytest.param(lambda p: (p.unlink(), p.mkdir()), "run.sh", id="a-directory-instead"),
        pytest.param(Path.unlink, "first.png", id="a-link-is-gone"),
        pytest.param(Path.rmdir, "empty", id="an-empty-directory-is-gone"),
        pytest.param(lambda p: p.chmod(0o666), "train/rose/0.png", id="writable"),
        pytest.param(lambda p: p.write_text("x"), "train/rose/new.png", id="more"),
        pytest.param(lambda p: p.write_text("{}"), "../manifest.jsonl", id="manifest"),
        pytest.param(Path.unlink, "../README.md", id="page"),
    ],
)
def test_what_is_damaged_is_put_right_in_its_place_when_it_is_published_again(
    library: Library, flowers: Path, damage: Callable[[Path], None], path: str
) -> None:
    version = library.publish("flowers", flowers).version
    tree = library.shelf.tree("flowers", version.digest)
    place = tree.stat().st_ino
    damage(tree / path)
    damaged = look_through(library.shelf, "flowers", version.digest)
    library.catalog.verified(Reference("flowers", 1), len(damaged or ()))
    assert (library.catalog.get("flowers").usable is None) is (damaged != [])
    again = library.publish("flowers", flowers)
    assert (again.new, again.version.damaged) == (False, 0)
    assert library.catalog.get("flowers").usable == library.catalog.get("flowers").versions[0]
    assert contents(tree) == contents(flowers)
    assert tree.stat().st_ino == place, "servers that run have it mounted"
    assert (tree.parent / "README.md").read_text().startswith("# flowers")
    assert library.broken() == library.leaked() == []


def test_what_is_not_on_the_host_is_there_again_when_it_is_published_again(
    library: Library, flowers: Path
) -> None:
    version = library.publish("flowers", flowers).version
    library.shelf.clear(library.shelf.version("flowers", version.digest))
    assert look_through(library.shelf, "flowers", version.digest) is None
    library.catalog.verified(Reference("flowers", 1), None)
    (gone,) = library.catalog.get("flowers").versions
    assert (gone.here, gone.usable, gone.verified_at) == (False, False, None)
    assert library.publish("flowers", flowers).version.here
    assert library.catalog.get("flowers").versions[0].usable
    assert library.broken() == library.leaked() == []


def test_a_copy_is_one_host_s(library: Library, flowers: Path) -> None:
    library.publish("flowers", flowers)
    other = Catalog(library.catalog.store, actor="root", host="far")
    assert [each.here for each in other.get("flowers").versions] == [False]
    other.verified(Reference("flowers", 1), 2)
    assert [each.damaged for each in other.get("flowers").versions] == [2]
    assert [each.damaged for each in library.catalog.get("flowers").versions] == [0]


def test_many_publications_at_once_keep_every_file(library: Library, tmp_path: Path) -> None:
    sources = []
    for number in range(4):
        source = tmp_path / f"s{number}"
        source.mkdir()
        for each in range(40):
            (source / str(each)).write_bytes(f"{(number + each) % 50}".encode() * 500)
        sources.append(source)
    threads = [
        threading.Thread(target=library.publish, args=(f"set{n % 2}", source))
        for n, source in enumerate(sources)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(len(each.versions) for each in library.catalog.all()) == [2, 2]
    assert library.broken() == library.leaked() == []


def test_a_version_that_is_mostly_the_one_before_needs_room_for_the_rest_only(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "large"
    source.mkdir()
    for number in range(20):
        (source / str(number)).write_bytes(os.urandom(50_000))
    library.publish("large", source)
    (source / "0").write_bytes(os.urandom(60_000))
    found = folder.measure(str(source), before=library.shelf.newest("large"))
    assert (found.size, found.same) == (1_010_000, 950_000)
    monkeypatch.setattr(type(library.shelf), "disk", lambda _: Disk(10**6, 100_000))
    job = library.begin("large", source, same=found.same)
    assert library.desk.left(job) == 60_000
    assert library.run(job).version.number == 2
    with pytest.raises(NoSpaceError):
        library.publish("another", source)


def test_what_is_the_same_as_before_is_read_and_not_written(
    library: Library, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.publish("flowers", flowers)
    written: list[int] = []
    copy = copying.copy

    def note(source: int, target: int, tell: Callable[[int], None]) -> tuple[str, int]:
        written.append(os.fstat(source).st_size)
        return copy(source, target, tell)

    monkeypatch.setattr(copying, "copy", note)
    monkeypatch.setattr(copying, "clone", lambda *_: False)
    (flowers / "train/rose/1.png").write_bytes(b"x" * 1001)
    (flowers / "new.png").write_bytes(b"new")
    library.publish("flowers", flowers)
    assert sorted(written) == [3, 1001]
