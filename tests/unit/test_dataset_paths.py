"""Which paths a dataset may have: inside the tree, readable, and different on every system."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from room.datasets import paths
from room.datasets.paths import (
    NAME_MOST,
    PATH_MOST,
    SHOWN,
    Names,
    PathRefusedError,
    check,
    link_target,
)
from room.said import Said, reason

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("path", "checked"),
    [
        pytest.param("train/1.jpg", "train/1.jpg", id="plain"),
        pytest.param(b"train/1.jpg", "train/1.jpg", id="bytes"),
        pytest.param("./train/./1.jpg", "train/1.jpg", id="dots"),
        pytest.param("train//1.jpg", "train/1.jpg", id="two-slashes"),
        pytest.param("train/", "train", id="folder"),
        pytest.param("猫/é.jpg", "猫/é.jpg", id="letters-of-all-kinds"),
        pytest.param("猫".encode(), "猫", id="utf-8"),
        pytest.param(DECOMPOSED, DECOMPOSED, id="stays-as-it-is-written"),
        pytest.param("a b /c. ", "a b /c. ", id="spaces-and-dots-at-the-end"),
        pytest.param("...", "...", id="three-dots"),
        pytest.param("..a/b..", "..a/b..", id="dots-in-a-name"),
        pytest.param("a/b:c", "a/b:c", id="colon"),
        pytest.param("x" * NAME_MOST, "x" * NAME_MOST, id="longest-name"),
        pytest.param("/".join("x" * 1536), "/".join("x" * 1536), id="nearly-longest-path"),
    ],
)
def test_a_good_path_is_normalised(path: str | bytes, checked: str) -> None:
    assert check(path) == checked


@pytest.mark.parametrize(
    ("path", "says"),
    [
        pytest.param("/etc/passwd", "absolute", id="absolute"),
        pytest.param("//etc", "absolute", id="two-slashes-first"),
        pytest.param("/", "absolute", id="root"),
        pytest.param("..", "leads out by ..", id="up"),
        pytest.param("a/../b", "leads out by ..", id="up-inside"),
        pytest.param("a/..", "leads out by ..", id="up-at-the-end"),
        pytest.param(b"../a", "leads out by ..", id="up-in-bytes"),
        pytest.param("a\\..\\b", "backslash", id="backslash"),
        pytest.param("C:/a", "absolute", id="drive"),
        pytest.param("c:a", "absolute", id="drive-relative"),
        pytest.param("", "no name of its own", id="empty"),
        pytest.param(b"", "no name of its own", id="no-bytes"),
        pytest.param("./.", "no name of its own", id="only-dots"),
        pytest.param("a\0.jpg", "U+0000", id="nul"),
        pytest.param("a\nb", "U+000A", id="newline"),
        pytest.param("a\x7f", "U+007F", id="delete"),
        pytest.param("a\x85", "U+0085", id="next-line"),
        pytest.param("a\u2028b", "U+2028", id="line-separator"),
        pytest.param("a\u202egpj.exe", "U+202E", id="right-to-left-override"),
        pytest.param(b"a\xff", "not UTF-8", id="latin-1"),
        pytest.param("a\udcff", "not UTF-8", id="surrogate-escape"),
        pytest.param("a\ud800", "not UTF-8", id="lone-surrogate"),
        pytest.param(b"\xed\xa0\x80", "not UTF-8", id="surrogate-in-bytes"),
        pytest.param(b"\xc0\xae\xc0\xae/a", "not UTF-8", id="overlong-dots"),
        pytest.param("x" * 256, "has 256 bytes, and the most is 255", id="name-too-long"),
        pytest.param("é" * 128, "has 256 bytes, and the most is 255", id="bytes-are-counted"),
        pytest.param("/".join(["xy" * 100] * 16), "3215 bytes, and the most is 3072", id="long"),
    ],
)
def test_a_bad_path_is_refused_by_its_rule(path: str | bytes, says: str) -> None:
    with pytest.raises(PathRefusedError) as caught:
        check(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{paths.shown(path)} cannot be in a dataset: ")
    assert str(caught.value).isprintable()
    assert isinstance(reason(caught.value), Said)


@settings(deadline=None)
@given(st.one_of(st.text(), st.binary()))
@example("a/./..")
def test_what_is_accepted_stays_below_any_root_and_is_accepted_again(path: str | bytes) -> None:
    try:
        checked = check(path)
    except PathRefusedError:
        return
    assert check(checked) == checked
    assert os.path.normpath(Path("/tree") / checked) == f"/tree/{checked}"
    assert len(checked.encode()) <= PATH_MOST


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param("a'b", '"a\'b"', id="quoted"),
        pytest.param("a\n\u202eb", r"'a\n\u202eb'", id="nothing-acts"),
        pytest.param(b"a\xff", r"'a\xff'", id="bytes"),
        pytest.param("猫", "'猫'", id="letters"),
    ],
)
def test_a_path_is_shown_safely(path: str | bytes, shown: str) -> None:
    assert paths.shown(path) == shown


@pytest.mark.parametrize("path", ["x" * 5_000_000, b"\xff" * 5_000_000, "\n" * 150], ids=type)
def test_and_never_long(path: str | bytes) -> None:
    found = paths.shown(path)
    assert len(found) == SHOWN
    assert found.endswith("...")


@pytest.mark.parametrize(
    ("path", "is_top"),
    [("./", True), (b".", True), (b"./", True), ("", False), ("/", False), ("a/.", False)],
)
def test_the_tree_itself_is_known(path: str | bytes, is_top: bool) -> None:
    assert paths.is_top(path) == is_top


# -- links -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target", "kept"),
    [
        pytest.param("a", "b", "b", id="beside"),
        pytest.param("a/b", "../c", "../c", id="up-inside"),
        pytest.param("a/b/c", "../../d/e", "../../d/e", id="up-and-down"),
        pytest.param("a/b", "./c//d/", "c/d", id="normalised"),
        pytest.param("a/b", "..", "..", id="the-tree-itself"),
        pytest.param("a/b", ".", ".", id="its-own-folder"),
        pytest.param("a", b"\xe7\x8c\xab", "猫", id="bytes"),
    ],
)
def test_a_link_inside_is_kept(path: str, target: str | bytes, kept: str) -> None:
    assert link_target(path, target) == kept


@pytest.mark.parametrize(
    ("path", "target", "says"),
    [
        pytest.param("a", "/etc/passwd", "not inside", id="absolute"),
        pytest.param("a", "C:/x", "not inside", id="drive"),
        pytest.param("a", "..", "not inside", id="up"),
        pytest.param("a", "../a", "not inside", id="out-and-in-again"),
        pytest.param("a/b", "../../c", "not inside", id="one-too-many"),
        pytest.param("a/b", "c/../d", "down and up", id="down-and-up"),
        pytest.param("a", "", "is empty", id="empty"),
        pytest.param("a", "b\\c", "backslash", id="backslash"),
        pytest.param("a", "b\nc", "U+000A", id="newline"),
        pytest.param("a", b"\xff", "not UTF-8", id="not-utf-8"),
        pytest.param("a", "x" * 256, "255", id="too-long"),
        pytest.param("a" * 100 + "/b", "/".join(["y" * 200] * 15), "3072", id="too-deep"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused(path: str, target: str | bytes, says: str) -> None:
    with pytest.raises(PathRefusedError) as caught:
        link_target(path, target)
    assert says in str(caught.value)
    assert f"it is a symbolic link to {paths.shown(target)}: " in str(caught.value)
    assert str(caught.value).startswith(repr(path))


parts = st.sampled_from(["a", "b", "c"])
some_path = st.lists(parts, min_size=1, max_size=4).map("/".join)
some_target = st.lists(st.sampled_from(["a", "b", "..", "."]), min_size=1, max_size=6).map("/".join)


@settings(deadline=None)
@given(st.lists(st.tuples(some_path, some_target), max_size=8), st.lists(some_path, max_size=4))
def test_no_set_of_links_leads_out_of_a_real_tree(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str]], folders: list[str]
) -> None:
    top = tmp_path_factory.mktemp("links") / "tree"
    top.mkdir()
    names, made = Names(), []
    for folder in folders:
        names.add(folder, "directory")
        (top / folder).mkdir(parents=True, exist_ok=True)
    for path, target in links:
        try:
            kept = link_target(path, target)
            names.add(path, "link")
        except PathRefusedError:
            continue
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).symlink_to(kept)
        made.append(path)
    assume(made)
    for path in made:
        # A loop resolves as far as it goes.
        real = os.path.realpath(top / path)
        assert posixpath.commonpath([real, str(top)]) == str(top)


# -- names beside each other -------------------------------------------------------------------


def taken(*members: tuple[str, paths.Kind]) -> Names:
    names = Names()
    for path, kind in members:
        names.add(path, kind)
    return names


@pytest.mark.parametrize(
    ("members", "count"),
    [
        pytest.param([("a/1", "file"), ("a/2", "file"), ("b", "link")], 4, id="a-tree"),
        pytest.param([("a/1", "file"), ("a", "directory"), ("a", "directory")], 2, id="again"),
        pytest.param([("a", "directory"), ("a/b/c/1", "file")], 4, id="folders-are-implied"),
        pytest.param([("a1", "file"), ("a 1", "file"), ("a1 ", "file")], 3, id="spaces"),
    ],
)
def test_different_names_are_taken(members: list[tuple[str, paths.Kind]], count: int) -> None:
    assert len(taken(*members)) == count


@pytest.mark.parametrize(
    ("members", "says"),
    [
        pytest.param([("a", "file"), ("a", "file")], ["twice"], id="twice"),
        pytest.param([("a", "file"), ("a", "link")], ["twice"], id="file-and-link"),
        pytest.param([("a", "link"), ("a", "link")], ["twice"], id="two-links"),
        pytest.param([("a", "file"), ("a/b", "file")], ["'a' is a dir"], id="file-above"),
        pytest.param([("a/b", "file"), ("a", "file")], ["'a' is a dir"], id="later-above"),
        pytest.param([("a/b", "file"), ("a", "link")], ["'a' is a dir"], id="link-above"),
        pytest.param([("a", "file"), ("a", "directory")], ["'a' is a dir"], id="later-folder"),
        pytest.param([("a", "link"), ("a/b", "file")], ["'a', before it"], id="behind-a-link"),
        pytest.param(
            [("a", "link"), ("a/b/c", "file")],
            ["'a', before it"],
            id="deep-behind",
        ),
        pytest.param([("A/1", "file"), ("a/1", "file")], ["'a/1' and 'A/1' differ"], id="case"),
        pytest.param([("A/1", "file"), ("a/2", "file")], ["'a' and 'A' differ"], id="folders-case"),
        pytest.param([("A", "directory"), ("a", "directory")], ["upper and lower"], id="folders"),
        pytest.param([("STRASSE", "file"), ("straße", "file")], ["differ"], id="casefold"),
        pytest.param(
            [(COMPOSED, "file"), (DECOMPOSED, "file")],
            [r"'cafe\u0301' and 'caf\xe9' are one name"],
            id="two-forms",
        ),
        pytest.param(
            [(COMPOSED.upper(), "file"), (DECOMPOSED, "file")], ["upper and lower"], id="both"
        ),
    ],
)
def test_names_that_meet_are_refused_with_both(
    members: list[tuple[str, paths.Kind]], says: list[str]
) -> None:
    names = taken(*members[:-1])
    with pytest.raises(PathRefusedError) as caught:
        names.add(*members[-1])
    for text in says:
        assert text in str(caught.value)
    assert str(caught.value).startswith(repr(members[-1][0]))


def test_names_take_so_much_memory_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "NAMES_MOST", 1024**2)
    names = taken(*((f"{number:01000}", "file") for number in range(1048)))
    with pytest.raises(PathRefusedError, match="more than 1 MiB"):
        names.add("x" * 1000, "file")
    assert len(names) == 1048


@settings(deadline=None)
@given(st.lists(st.tuples(some_path, st.sampled_from(["file", "directory", "link"])), max_size=12))
def test_what_names_take_a_real_folder_takes(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, paths.Kind]]
) -> None:
    top = tmp_path_factory.mktemp("names")
    names, seen = Names(), set()
    for path, kind in members:
        try:
            names.add(path, kind)
        except PathRefusedError:
            continue
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        if kind == "directory":
            (top / path).mkdir(exist_ok=True)
        elif kind == "link":
            (top / path).symlink_to("nowhere")
        else:
            (top / path).touch(exist_ok=False)
        seen.add(path)
    assert len(names) == sum(1 for _ in top.rglob("*"))
