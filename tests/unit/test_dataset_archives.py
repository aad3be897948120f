"""Archives as people make them come out as they went in; no archive grows beyond its limits."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publishing.archives import ArchiveRefusedError, Limits, unpack
from publishing.shelf import Shelf
from publishing.stage import Stage
from room.datasets.manifest import Directory, Entry, File, Link
from room.datasets.paths import Names, PathRefusedError, check, link_target
from tests.utils.archives import (
    GIB,
    LIMITS,
    OneWay,
    Recording,
    Zipped,
    deflated,
    end64,
    gzip_of,
    header,
    made_zip,
    member,
    pax,
    tar,
    unpacked,
    zstd,
    zstd_of_zeros,
)  # fmt: skip

MIB = 1024**2
#: What stands in a field of a zip whose number is in its zip64 field.
FULL = 0xFFFFFFFF
#: A path, and what is there: bytes, a link's target, or nothing for a folder.
Tree = dict[str, "bytes | str | None"]


# -- what people pack --------------------------------------------------------------------------


def zipped(tree: Tree, method: int = zipfile.ZIP_DEFLATED, one_way: bool = False) -> bytes:
    """Return a zip. ``one_way``: written where nobody can go back to fill in sizes."""
    file = io.BytesIO()
    out: BinaryIO = _WriteOnly(file) if one_way else file
    with zipfile.ZipFile(out, "w", method) as made:
        for path, content in tree.items():
            info = zipfile.ZipInfo(path + ("/" if content is None else ""))
            info.compress_type = method
            kind = {bytes: stat.S_IFREG, str: stat.S_IFLNK}.get(type(content), stat.S_IFDIR)
            info.external_attr = (kind | 0o755) << 16
            made.writestr(info, content or b"")
    return file.getvalue()


class _WriteOnly(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        return self._file.write(data)


def tarred(tree: Tree, form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, encoding="utf-8") as made:
        for path, content in tree.items():
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            made.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return file.getvalue()


PACKERS: dict[str, Callable[[Tree], bytes]] = {
    "zip": zipped,
    "zip-stored": lambda tree: zipped(tree, zipfile.ZIP_STORED),
    "zip-one-way": lambda tree: zipped(tree, one_way=True),
    "tar": tarred,
    "tar-gnu": lambda tree: tarred(tree, tarfile.GNU_FORMAT),
    "tar.gz": lambda tree: gzip.compress(tarred(tree)),
    "tar.gz-members": lambda tree: b"".join(gzip.compress(part) for part in cut(tarred(tree), 700)),
    "tar.zst": lambda tree: zstandard.ZstdCompressor(write_checksum=True).compress(tarred(tree)),
    "tar.zst-frames": lambda tree: b"".join(zstd(part) for part in cut(tarred(tree), 700)),
}
each_kind = pytest.mark.parametrize("kind", PACKERS)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def good(make: Callable[[str], str], path: str) -> bool:
    try:
        return make(path) == path
    except PathRefusedError:
        return False


paths = st.lists(
    st.text("abAB1é猫 .-", min_size=1, max_size=5) | st.just("x" * 120), min_size=1, max_size=4
).map("/".join)
targets = st.sampled_from(["a", "b/c", "../a", "../../b", ".", "x" * 120])
contents = st.one_of(
    st.none(),
    targets,
    st.binary(max_size=40),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(), st.just(9000)),
    st.just(b"the same " * 80_000),
)


@st.composite
def trees(draw) -> Tree:
    names, tree = Names(), Tree()
    for path, content in draw(st.lists(st.tuples(paths, contents), max_size=8)):
        if not good(check, path):
            continue
        if isinstance(content, str) and not good(partial(link_target, path), content):
            continue
        kind = {bytes: "file", str: "link"}.get(type(content), "directory")
        try:
            names.add(path, kind)
        except PathRefusedError:
            continue
        tree[path] = content
    return tree


@each_kind
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees())
def test_any_tree_comes_out_as_it_was_packed(kind: str, tree: Tree) -> None:
    data = PACKERS[kind](tree)
    sink = unpacked(data)
    assert sink.files == {path: x for path, x in tree.items() if isinstance(x, bytes)}
    assert sink.links == {path: x for path, x in tree.items() if isinstance(x, str)}
    assert sink.directories == {path for path, x in tree.items() if x is None}
    assert sink.executable == sink.files.keys()
    if not kind.startswith("zip"):
        streamed = Recording()
        unpack(OneWay(data), "set", streamed, LIMITS)
        assert streamed.files == sink.files


TREE: Tree = {"a/1": b"one" * 500, "a/2": b"", "b": None, "a/l": "../a/1", "猫" * 60: b"cat"}


@pytest.mark.parametrize(
    ("data", "files"),
    [
        pytest.param(tar(header(b"./", b"5"), member(b"./a", b"1")), {"a": b"1"}, id="top-folder"),
        pytest.param(tar(member(b"a", b"1", magic=b"")), {"a": b"1"}, id="older-than-ustar"),
        pytest.param(tar(header(b"d/", b"\0"), member(b"d/a")), {"d/a": b""}, id="old-folder"),
        pytest.param(tar(member(b"a", b"1", kind=b"7")), {"a": b"1"}, id="contiguous"),
        pytest.param(tar(member(b"a", b"1", prefix=b"d/e")), {"d/e/a": b"1"}, id="prefix"),
        pytest.param(
            tar(member(b"a", b"1", magic=b"ustar  \0", prefix=b"\x15\0")), {"a": b"1"}, id="gnu"
        ),
        pytest.param(tar(pax(path=b"b") + member(b"/a", b"1")), {"b": b"1"}, id="pax-overrides"),
        pytest.param(
            tar(pax(size=b"3") + header(b"a") + b"abc" + bytes(509)), {"a": b"abc"}, id="pax-size"
        ),
        pytest.param(
            tar(pax(b"g", comment=b"a1b2") + member(b"a", b"1") + pax(mtime=b"1.5") + member(b"b")),
            {"a": b"1", "b": b""},
            id="git-archive",
        ),
        pytest.param(
            tar(header(b"a", size=b"\x80" + bytes(10) + b"\2"), b"ab" + bytes(510)),
            {"a": b"ab"},
            id="size-in-bytes",
        ),
        pytest.param(
            tar(member(b"d/a", b"1"), header(b"b", b"1", target=b"./d/a")),
            {"d/a": b"1", "b": b"1"},
            id="hard-link",
        ),
        pytest.param(tar(), {}, id="empty-tar"),
        pytest.param(made_zip(), {}, id="empty-zip"),
        pytest.param(
            made_zip(Zipped(b"a", b"1"), comment=b"hello"), {"a": b"1"}, id="comment-of-a-zip"
        ),
        pytest.param(
            made_zip(Zipped(b"./", b"", 0, mode=0), Zipped(b"./a", b"1", mode=0)),
            {"a": b"1"},
            id="zip-without-modes",
        ),
    ],
)
def test_what_tools_write_is_read(data: bytes, files: dict[str, bytes]) -> None:
    assert unpacked(data).files == files


LATER = Zipped(b"a", b"1" * 90)
NUMBERS = (zlib.crc32(LATER.data), len(deflated(LATER.data)), 90)


@pytest.mark.parametrize("magic", [b"PK\x07\x08", b""])
@pytest.mark.parametrize("numbers", ["<3L", "<L2Q"])
def test_sizes_behind_a_member_are_read_in_each_form(magic: bytes, numbers: str) -> None:
    later = magic + struct.pack(numbers, *NUMBERS)
    said = {"checksum": 0, "packed": 0, "size": 0}
    one = Zipped(b"a", LATER.data, flags=8, later=later, local=said)
    assert unpacked(made_zip(one, Zipped(b"b", b"2"))).files == {"a": LATER.data, "b": b"2"}


def test_a_name_in_utf_8_beside_another_is_taken() -> None:
    raw, name = b"caf\x82", "café".encode()
    extra = struct.pack("<2HBL", 0x7075, len(name) + 5, 1, zlib.crc32(raw)) + name
    one = Zipped(raw, b"1", local={"extra": extra}, listed={"extra": extra})
    assert unpacked(made_zip(one)).files == {"café": b"1"}


def test_zip64_members_are_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made, made.open("a", "w", force_zip64=True) as out:
        out.write(b"1")
    assert unpacked(file.getvalue()).files == {"a": b"1"}


@pytest.mark.parametrize(
    ("mode", "executable"),
    [
        (0o644, False),
        (0o755, True),
        (0o4755, True),
        (0o6644, False),
        (0o2111, True),
        (0o011, False),
    ],
)
def test_only_executable_by_its_owner_is_kept_of_a_mode(mode: int, executable: bool) -> None:
    for data in (
        made_zip(Zipped(b"a", mode=stat.S_IFREG | mode)),
        tar(member(b"a", b"x", mode=mode)),
    ):
        assert bool(unpacked(data).executable) == executable


def test_a_sink_that_reads_nothing_is_given_the_next_member_all_the_same() -> None:
    class Deaf(Recording):
        def file(self, path: str, stream: BinaryIO, *, executable: bool) -> None:
            self.files[path] = stream.read(1)

    for kind in PACKERS:
        sink = Deaf()
        unpack(io.BytesIO(PACKERS[kind](TREE)), "set", sink, LIMITS)
        assert sink.files == {"a/1": b"o", "a/2": b"", "猫" * 60: b"c"}


@each_kind
def test_what_a_sink_raises_is_raised(kind: str) -> None:
    class Full(Recording):
        def file(self, path: str, stream: BinaryIO, *, executable: bool) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        unpack(io.BytesIO(PACKERS[kind](TREE)), "set", Full(), LIMITS)


@each_kind
def test_progress_is_told_while_a_file_comes(kind: str) -> None:
    told: list[tuple[int, int]] = []
    data = PACKERS[kind]({"a": bytes(MIB), "b": b"1"})
    unpack(io.BytesIO(data), "set", Recording(), LIMITS, lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1] == (2, MIB + 1)
    assert any(files == 0 and 0 < size < MIB for files, size in told)


def test_a_zip_that_cannot_be_sought_is_no_archive_that_can_be_read() -> None:
    with pytest.raises(io.UnsupportedOperation, match="seekable"):
        unpack(OneWay(zipped(TREE)), "set.zip", Recording(), LIMITS)


# -- limits ------------------------------------------------------------------------------------


def stopped(file: BinaryIO, limits: Limits = LIMITS) -> tuple[ArchiveRefusedError, Recording]:
    sink = Recording(keep=False)
    with pytest.raises(ArchiveRefusedError) as caught:
        unpack(file, "bomb", sink, limits)
    return caught.value, sink


TEN_GIB = header(b"zeros", size=10 * GIB)


def bomb_of_zips(size: int, said: int) -> bytes:
    """Return a zip with a member that says one size and has another."""
    packer = zlib.compressobj(9, wbits=-15)
    one = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = one * (size // MIB) + packer.flush()
    return made_zip(
        Zipped(b"zeros", b"", 8, packed=packed, listed={"size": said}, local={"size": said})
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(bomb_of_zips(4 * GIB - MIB, 4 * GIB - MIB), "200 times", id="zip"),
        pytest.param(bomb_of_zips(10 * GIB, 1000), "its size is not", id="zip-that-lies"),
        pytest.param(gzip_of(TEN_GIB, bytes(MIB), 10 * 1024), "200 times", id="tar.gz"),
        pytest.param(zstd_of_zeros(TEN_GIB, 10 * 1024), "200 times", id="tar.zst"),
        pytest.param(zstd_of_zeros(b"", 10 * 1024), "200 times", id="zeros-behind-the-end"),
    ],
)
def test_ten_gigabytes_of_zeros_are_refused_before_they_are_written(
    data: bytes, expected: str
) -> None:
    assert len(data) < 11 * MIB
    error, sink = stopped(io.BytesIO(data))
    assert expected in str(error)
    assert sink.bytes == 0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip_of(TEN_GIB, bytes(MIB), 10 * 1024), id="tar.gz"),
        pytest.param(zstd_of_zeros(TEN_GIB, 10 * 1024), id="tar.zst"),
    ],
)
def test_a_stream_of_unknown_size_is_stopped_at_the_floor(data: bytes) -> None:
    limits = Limits(bytes=20 * GIB, floor=64 * MIB)
    error, sink = stopped(OneWay(data), limits)
    assert "200 times" in str(error)
    assert 0 < sink.bytes <= limits.floor


def test_members_that_are_many_and_small_add_up() -> None:
    packer = zlib.compressobj(9, wbits=31)
    data = b""
    for number in range(200):
        data += packer.compress(member(b"%d" % number, bytes(MIB)))
    data += packer.flush()
    limits = Limits(bytes=20 * GIB, floor=32 * MIB)
    error, sink = stopped(io.BytesIO(data), limits)
    assert "200 times" in str(error)
    assert 0 < sink.bytes <= limits.ratio * len(data)


@each_kind
def test_below_the_floor_anything_may_expand(kind: str) -> None:
    assert unpacked(PACKERS[kind]({"zeros": bytes(20 * MIB)})).bytes == 20 * MIB


@each_kind
def test_no_more_bytes_are_written_than_the_limit(kind: str) -> None:
    data = PACKERS[kind]({"a": b"1" * 600, "b": b"2" * 401})
    assert unpacked(data, Limits(bytes=1001)).bytes == 1001
    error, sink = stopped(io.BytesIO(data), Limits(bytes=1000))
    assert error.member == "'b'"
    assert "more than 1000 bytes" in str(error)
    assert sink.bytes == (0 if kind.startswith("zip") else 600)


def test_hard_links_count_like_files() -> None:
    links = b"".join(header(b"%d" % number, b"1", target=b"a") for number in range(10))
    data = tar(member(b"a", b"x" * 100), links)
    assert len(unpacked(data, Limits(bytes=1100)).files) == 11
    error, _ = stopped(io.BytesIO(data), Limits(bytes=1099))
    assert error.member == "'9'"


@each_kind
@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({str(number): b"" for number in range(11)}, id="files"),
        pytest.param({str(number): "a" for number in range(11)}, id="links"),
        pytest.param({str(number): None for number in range(11)}, id="folders"),
        pytest.param({"/".join("a" * 11): b""}, id="folders-that-are-implied"),
    ],
)
def test_files_links_and_folders_are_counted(kind: str, tree: Tree) -> None:
    data = PACKERS[kind](tree)
    assert unpacked(data, Limits(bytes=1000, files=11))
    error, _ = stopped(io.BytesIO(data), Limits(bytes=1000, files=10))
    assert "more than 10 files and folders" in str(error)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(header(b"same/", b"5"), id="the-same-folder"),
        pytest.param(pax(b"g", a=b"b"), id="properties"),
    ],
)
def test_a_tar_of_a_million_headers_is_refused_on_the_way(part: bytes) -> None:
    data = gzip_of(b"", part * 1000, 1000)
    error, sink = stopped(io.BytesIO(data), Limits(bytes=GIB, files=60_000))
    assert "more than 60,000 files and folders" in str(error)
    assert not sink.files


def test_a_zip_of_a_million_members_is_refused_by_its_end() -> None:
    size, full = 46_000_000, {"here": 0xFFFF, "count": 0xFFFF, "length": FULL, "offset": FULL}
    end = made_zip(behind=end64(size, 0, size, 1_000_000), **full)
    error, _ = stopped(io.BytesIO(b"PK\3\4".ljust(size, b"\0") + end))
    assert "more than 500,000 files and folders" in str(error)


# -- any bytes ---------------------------------------------------------------------------------

CHANGES = ("flip", "zero", "full", "cut", "twice")
SEEDS = [PACKERS[kind](TREE) for kind in PACKERS]


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(
            st.integers(0, 1 << 20), st.sampled_from(["flip", "zero", "full", "cut", "twice"])
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_whatever_bytes_change_nothing_unchecked_comes_out(data: bytes, changes) -> None:
    changed = bytearray(data)
    for place, how in changes:
        at = place % len(changed)
        if how == "flip":
            changed[at] ^= 1 << place % 8
        elif how in ("zero", "full"):
            size = min(4, len(changed) - at)
            changed[at : at + size] = (b"\0" if how == "zero" else b"\xff") * size
        elif how == "cut" and at:
            del changed[at:]
        elif how == "twice":
            changed[at:at] = changed[at : at + 512]
    seen = survivors(bytes(changed))
    if seen is not None:
        assert len(seen.files) + len(seen.links) <= 2 * len(TREE)


@settings(deadline=None)
@given(
    st.binary(max_size=2000), st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b""])
)
def test_whatever_bytes_come_nothing_is_raised_but_a_refusal(data: bytes, magic: bytes) -> None:
    survivors(magic + data)


def survivors(data: bytes) -> Recording | None:
    """Return what came out, of which the sink saw that it was checked, or None where refused."""
    try:
        return unpacked(data)
    except ArchiveRefusedError as refused:
        said = str(refused)
    assert said.isprintable()
    return None


# -- into a version ----------------------------------------------------------------------------


def test_an_archive_becomes_the_tree_of_a_version(tmp_path: Path) -> None:
    data = tar(
        member(b"a", b"one", mode=0o755),
        header(b"d/b", b"1", target=b"a"),
        header(b"l", b"2", target=b"d/b"),
        header(b"empty", b"5"),
    )
    told: list[int] = []
    shelf = Shelf(tmp_path / "datasets")
    shelf.prepare()
    (tmp_path / "staged").mkdir()
    stage = Stage(shelf, tmp_path / "staged", told.append)
    unpack(io.BytesIO(data), "set.tar", stage, LIMITS)
    found: list[Entry] = []
    stage.finish(lambda entries, _: found.extend(entries) or "")
    digest = hashlib.sha256(b"one").hexdigest()
    assert found == [
        File("a", 3, digest, executable=True),
        File("d/b", 3, digest, executable=True),
        Directory("empty"),
        Link("l", "d/b"),
    ]
    assert (stage.tree / "l").read_bytes() == (stage.tree / "d" / "b").read_bytes() == b"one"
    assert sum(told) == 6


def test_a_hard_link_is_a_copy_where_no_more_links_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    shelf = Shelf(tmp_path / "datasets")
    shelf.prepare()
    (tmp_path / "staged").mkdir()
    stage = Stage(shelf, tmp_path / "staged", lambda _: None)
    monkeypatch.setattr("os.link", full)
    data = tar(member(b"a", b"one"), header(b"b", b"1", target=b"a"))
    unpack(io.BytesIO(data), "set.tar", stage, LIMITS)
    assert (stage.tree / "b").read_bytes() == b"one"
    assert (stage.tree / "b").stat().st_ino != (stage.tree / "a").stat().st_ino
