"""What is in a home, read from real directories that students could have made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.disk.largest import COUNT, largest
from agent.disk.walk import DEEPEST, measure

MIB = 1024**2


def fill(path: Path, size: int = MIB) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))


def test_files_are_counted_as_they_lie_on_the_disk(tmp_path: Path) -> None:
    fill(tmp_path / "work" / "a")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * MIB)
    found = measure(tmp_path)
    assert MIB <= found.used < 2 * MIB
    assert found.files == 3
    assert found.complete
    assert found.largest[0] == ("work/a", MIB)


def test_no_link_is_followed_and_a_file_of_two_names_counts_once(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    fill(elsewhere / "big", 4 * MIB)
    fill(home / "a")
    (home / "b").hardlink_to(home / "a")
    (home / "away").symlink_to(elsewhere)
    (home / "file").symlink_to(elsewhere / "big")
    (home / "round").symlink_to(home)
    found = measure(home)
    assert MIB <= found.used < 2 * MIB
    assert found.files == 5


def test_a_home_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "there")
    with pytest.raises(OSError, match="Not a directory"):
        measure(tmp_path / "home")


def test_it_ends_in_folders_without_end(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(DEEPEST + 5):
        deep = deep / "d"
        deep.mkdir()
    found = measure(tmp_path)
    assert found.files == DEEPEST + 1
    assert not found.complete


def test_it_ends_after_so_many_files_and_says_so(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).touch()
    found = measure(tmp_path, most_entries=10)
    assert found.files == 10
    assert not found.complete


def test_it_ends_after_so_much_time(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).touch()
    ticks = iter(range(100))
    found = measure(tmp_path, most_seconds=3, clock=lambda: float(next(ticks)))
    assert not found.complete
    assert found.files < 10


def test_a_folder_that_nobody_may_read_hides_only_what_is_in_it(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    (tmp_path / os.fsdecode(b"\xff\n")).mkdir()
    fill(tmp_path / os.fsdecode(b"\xff\n") / "b", 2 * MIB)
    found = measure(tmp_path)
    assert found.largest[0][0] == "?\n/b"


# -- what is said of it ------------------------------------------------------------------------


def test_a_folder_gives_way_to_what_fills_it() -> None:
    directories = {(".cache",): 100, (".cache", "pip"): 90, ("work",): 50}
    files = [(49, ("work", "data.bin")), (10, (".cache", "x")), (60, ("one",))]
    assert largest(directories, files) == (
        (".cache/pip", 90), ("one", 60), ("work/data.bin", 49), (".cache/x", 10)
    )  # fmt: skip


def test_many_small_files_are_told_as_their_folder() -> None:
    files = [(3, ("work", str(n))) for n in range(30)]
    assert largest({("work",): 90}, files) == (("work", 90),)


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.lists(st.sampled_from("abc"), min_size=1, max_size=5)),
        max_size=30,
    )
)
def test_no_line_holds_another_and_none_is_larger_than_the_line_before(
    found: list[tuple[int, list[str]]],
) -> None:
    # A file's name ends in a digit, a folder's does not: no path is both.
    files = [(size, (*path[:-1], f"{path[-1]}{n}")) for n, (size, path) in enumerate(found)]
    directories: dict[tuple[str, ...], int] = {}
    for size, path in files:
        for depth in range(1, min(len(path), 4)):
            directories[path[:depth]] = directories.get(path[:depth], 0) + size
    told = largest(directories, files)
    assert len(told) <= COUNT
    assert [size for _, size in told] == sorted((size for _, size in told), reverse=True)
    paths = [path for path, _ in told]
    assert not any(a != b and b.startswith(f"{a}/") for a in paths for b in paths)
    assert sum(size for _, size in told) <= sum(size for size, _ in files)
