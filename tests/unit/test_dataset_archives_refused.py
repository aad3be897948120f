"""Hostile and damaged archives: each is refused by its rule, and a zip before its first member."""

from __future__ import annotations

import io
import stat
import struct
import zlib

import pytest
import zstandard

from publishing.archives import ArchiveRefusedError, unpack
from room.datasets import archive_rules as rules
from room.said import Said, reason
from tests.utils.archives import (
    LIMITS,
    Recording,
    Zipped,
    contents,
    deflated,
    end64,
    gzipped,
    header,
    made_zip,
    member,
    pax,
    tar,
    unpacked,
    zstd,
)  # fmt: skip

GOOD = member(b"good", b"good")
LINK = 0o120777


def refused(data: bytes) -> tuple[ArchiveRefusedError, Recording]:
    """Return why an archive is refused, and what came out of it before."""
    sink = Recording()
    with pytest.raises(ArchiveRefusedError) as caught:
        unpack(io.BytesIO(data), "set.zip", sink, LIMITS)
    return caught.value, sink


# -- paths, in every kind of archive -----------------------------------------------------------

PATHS = [
    pytest.param([b"../a"], "leads out by ..", id="up"),
    pytest.param([b"a/../../b"], "leads out by ..", id="up-inside"),
    pytest.param([b"/etc/cron.d/a"], "absolute", id="absolute"),
    pytest.param([b"a\\..\\b"], "backslash", id="backslash"),
    pytest.param([b"C:/a"], "absolute", id="drive"),
    pytest.param([b"a\nb"], "U+000A", id="newline"),
    pytest.param([b"a\x1b[31m"], "U+001B", id="escape"),
    pytest.param([b"caf\xe9"], "not UTF-8", id="latin-1"),
    pytest.param([b"\xd6\xd0\xce\xc4"], "not UTF-8", id="gbk"),
    pytest.param([b"a", b"a"], "twice", id="twice"),
    pytest.param([b"a", b"./a"], "twice", id="twice-by-another-spelling"),
    pytest.param([b"a", b"A"], "'A' and 'a' differ in upper and lower case", id="case"),
    pytest.param([b"d/a", b"D/b"], "'D' and 'd' differ", id="folders-by-case"),
    pytest.param(["é".encode(), "e\u0301".encode()], "are one name", id="two-forms"),
    pytest.param([b"a", b"a/b"], "'a' is a directory, and a file", id="file-and-folder"),
    pytest.param([b"x" * 200 + b"/" + b"y" * 256], "has 256 bytes", id="long-name"),
]


@pytest.mark.parametrize(("names", "says"), PATHS)
def test_a_zip_with_such_paths_is_refused_whole(names: list[bytes], says: str) -> None:
    error, sink = refused(made_zip(Zipped(b"good"), *map(Zipped, names)))
    assert says in str(error)
    assert not sink.files


@pytest.mark.parametrize("pack", [bytes, gzipped, zstd], ids=["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("written", ["pax", "gnu"])
@pytest.mark.parametrize(("names", "says"), PATHS)
def test_a_tar_with_such_paths_is_refused(pack, written: str, names, says: str) -> None:
    long = {
        "pax": lambda name: pax(path=name),
        "gnu": lambda name: header(b"././@LongLink", b"L", len(name) + 1) + contents(name + b"\0"),
    }[written]
    members = [part for name in names for part in (long(name), member(b"harmless"))]
    error, sink = refused(pack(tar(GOOD, *members)))
    assert says in str(error)
    assert len(sink.files) == len(names)
    assert "good" in sink.files


def test_what_is_said_names_archive_and_member_and_can_be_translated() -> None:
    error, _ = refused(made_zip(Zipped(b"a\nb")))
    assert str(error) == (
        r"'set.zip' is refused because of 'a\nb': its path has a line break, "
        "or another control character (U+000A): rename it"
    )
    assert error.member == r"'a\nb'"
    assert isinstance(reason(error), Said)
    assert isinstance(error.reason, Said)


# -- tar ---------------------------------------------------------------------------------------

TARS = [
    pytest.param(member(b"\0"), "no name of its own", id="no-name"),
    pytest.param(header(b"..", b"5"), "leads out by ..", id="folder-up"),
    pytest.param(member(b"b", prefix=b"../a"), "leads out by ..", id="up-in-prefix"),
    pytest.param(header(b"a", b"2", target=b"/etc/passwd"), "not inside", id="link-absolute"),
    pytest.param(header(b"a/b", b"2", target=b"../../c"), "not inside", id="link-out"),
    pytest.param(header(b"a", b"2", target=b"b/../../c"), "down and up", id="link-down-and-up"),
    pytest.param(header(b"a", b"2"), "is empty", id="link-to-nothing"),
    pytest.param(
        pax(linkpath=b"../../etc") + header(b"a", b"2", target=b"b"),
        "not inside",
        id="by-pax",
    ),
    pytest.param(
        header(b"@", b"K", 10) + contents(b"../../etc\0") + header(b"a", b"2", target=b"b"),
        "not inside",
        id="by-gnu",
    ),
    pytest.param(
        header(b"a", b"2", target=b"b") + member(b"a/c"),
        "'a', before it",
        id="behind-a-link",
    ),
    pytest.param(
        header(b"a", b"2", target=b"b") + member(b"a"), "twice", id="link-replaced-by-file"
    ),
    pytest.param(
        member(b"a/c") + header(b"a", b"2", target=b"b"), "directory", id="folder-replaced-by-link"
    ),
    pytest.param(header(b"a", b"1", target=b"/etc/shadow"), "absolute", id="hard-absolute"),
    pytest.param(header(b"a", b"1", target=b"../a"), "leads out by ..", id="hard-out"),
    pytest.param(header(b"a", b"1", target=b"later") + member(b"later"), "hard link", id="later"),
    pytest.param(header(b"a", b"1", target=b"a"), "hard link", id="hard-to-itself"),
    pytest.param(header(b"a", b"1"), "no name of its own", id="hard-to-nothing"),
    pytest.param(
        header(b"l", b"2", target=b"good") + header(b"a", b"1", target=b"l"),
        "hard link",
        id="hard-to-a-link",
    ),
    pytest.param(
        header(b"a", b"1", 4, target=b"good") + contents(b"evil"), "contents", id="hard-with-data"
    ),
    pytest.param(header(b"a", b"2", 4, target=b"b"), "contents", id="link-with-data"),
    pytest.param(header(b"a", b"5", 512), "contents", id="folder-with-data"),
    pytest.param(header(b"a/", b"0", 512), "contents", id="old-folder-with-data"),
    pytest.param(header(b"a", b"3"), "device", id="character-device"),
    pytest.param(header(b"a", b"4"), "device", id="block-device"),
    pytest.param(header(b"a", b"6"), "a pipe", id="fifo"),
    pytest.param(header(b"a", b"S", 512), "sparse", id="sparse-of-gnu"),
    pytest.param(
        pax(GNU__sparse__major=b"1", GNU__sparse__realsize=b"10000000000") + member(b"a"),
        "sparse",
        id="sparse-of-pax",
    ),
    pytest.param(pax(GNU__sparse__map=b"0,1") + member(b"a"), "sparse", id="sparse-map"),
    pytest.param(header(b"a", b"V"), "no file, folder or link", id="volume-label"),
    pytest.param(header(b"a", b"M"), "no file, folder or link", id="continued"),
    pytest.param(header(b"a", b"Z"), "no file, folder or link", id="unknown-type"),
    pytest.param(pax(b"g", path=b"b") + member(b"a"), "damaged", id="one-path-for-all"),
    pytest.param(pax(path=b"b") + pax(path=b"c") + member(b"a"), "two names", id="two-pax"),
    pytest.param(pax(x=b"b") + pax(y=b"c") + member(b"a"), "two names", id="two-pax-of-others"),
    pytest.param(
        header(b"@", b"L", 2) + contents(b"b\0") + pax(path=b"c") + member(b"a"),
        "two names",
        id="gnu-and-pax",
    ),
    pytest.param(pax(size=b"-1") + member(b"a"), "damaged", id="negative-size-by-pax"),
    pytest.param(pax(size=b"1e9") + member(b"a"), "damaged", id="size-in-words"),
    pytest.param(pax(size=b"9" * 5000) + member(b"a"), "damaged", id="size-of-5000-digits"),
    pytest.param(pax(size=b"9" * 18) + member(b"a"), "more than 20 GiB", id="huge-by-pax"),
    pytest.param(header(b"a", size=b"\x80" + b"\x7f" * 11), "more than 20 GiB", id="huge-by-gnu"),
    pytest.param(header(b"a", size=b"\xff" * 12), "damaged", id="negative-by-gnu"),
    pytest.param(header(b"a", size=b"0000000009z\0"), "damaged", id="size-in-letters"),
    pytest.param(pax(comment=b"x" * 2_000_000) + member(b"a"), "1 MiB", id="huge-properties"),
    pytest.param(header(b"@", b"L", 2_000_000), "1 MiB", id="huge-name"),
    pytest.param(header(b"p", b"x", 5) + contents(b"5 a=b"), "damaged", id="no-newline"),
    pytest.param(header(b"p", b"x", 7) + contents(b"99 a=b\n"), "damaged", id="record-too-long"),
    pytest.param(header(b"p", b"x", 6) + contents(b"6 abc\n"), "damaged", id="no-value"),
    pytest.param(header(b"p", b"x", 4) + contents(b"0 a="), "damaged", id="record-of-length-0"),
    pytest.param(header(b"p", b"x", 5) + contents(b"-5 a\n"), "damaged", id="negative-length"),
    pytest.param(pax(path=b"b"), "damaged", id="properties-of-nothing"),
    pytest.param(GOOD.replace(b"good", b"goof", 1), "damaged", id="checksum"),
    pytest.param(bytes(512) + GOOD, "damaged", id="one-block-of-zeros"),
    pytest.param(bytes(1024) + GOOD, "behind the end", id="second-tar-behind-the-end"),
    pytest.param(bytes(2048) + b"x", "behind the end", id="garbage-behind-the-end"),
]


@pytest.mark.parametrize(("parts", "says"), TARS)
def test_a_tar_like_this_is_refused(parts: bytes, says: str) -> None:
    error, sink = refused(tar(GOOD, parts))
    assert says in str(error)
    assert len(sink.files) <= 2


@pytest.mark.parametrize("size", [512, 600, 1024, 1300, 1536, 2047])
def test_a_tar_that_ends_anywhere_is_truncated(size: int) -> None:
    whole = tar(member(b"a", b"x" * 600))
    assert len(whole) == 2560
    for packed in (whole[:size], gzipped(whole[:size]), zstd(whole[:size])):
        error, _ = refused(packed)
        assert error.reason == rules.TRUNCATED


# -- compression -------------------------------------------------------------------------------

BEFORE = bytes(range(256)) * 40
WHOLE = tar(member(b"a", BEFORE))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(gzipped(WHOLE)[:-1], rules.TRUNCATED, id="gzip-cut"),
        pytest.param(gzipped(WHOLE)[:-9], rules.TRUNCATED, id="gzip-cut-in-the-data"),
        pytest.param(gzipped(WHOLE)[:-8] + bytes(8), rules.DAMAGED, id="gzip-checksum"),
        pytest.param(gzipped(WHOLE) + b"garbage", rules.DAMAGED, id="gzip-behind"),
        pytest.param(gzipped(WHOLE) + bytes(9) + b"xyz", rules.DAMAGED, id="gzip-behind-zeros"),
        pytest.param(gzipped(WHOLE) + gzipped(GOOD), rules.BEHIND, id="gzip-second-member"),
        pytest.param(gzipped(WHOLE) + gzipped(b"")[:9], rules.TRUNCATED, id="gzip-second-cut"),
        pytest.param(zstd(WHOLE)[:-1], rules.TRUNCATED, id="zstd-cut"),
        pytest.param(zstd(WHOLE) + b"garbage", rules.DAMAGED, id="zstd-behind"),
        pytest.param(zstd(WHOLE) + zstd(GOOD), rules.BEHIND, id="zstd-second-frame"),
        pytest.param(zstd(WHOLE) + zstd(GOOD)[:4], rules.TRUNCATED, id="zstd-second-cut"),
        pytest.param(b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(9), rules.WINDOW, id="zstd-2-GiB-window"),
        pytest.param(gzipped(b"a,b\n1,2\n"), rules.NO_TAR, id="a-table-in-gzip"),
        pytest.param(gzipped(gzipped(WHOLE)), rules.NO_TAR, id="gzip-in-gzip"),
        pytest.param(zstd(made_zip(Zipped(b"a"))), rules.NO_TAR, id="zip-in-zstd"),
        pytest.param(gzipped(b"x" * 5000), rules.NO_TAR, id="text-in-gzip"),
        pytest.param(b"", rules.unknown_kind(""), id="nothing"),
        pytest.param(b"\0", rules.unknown_kind(""), id="one-byte"),
        pytest.param(b"<html>" * 500, rules.unknown_kind(""), id="a-page"),
        pytest.param(b"BZh9" + bytes(600), rules.unknown_kind("bzip2"), id="bzip2"),
        pytest.param(b"\xfd7zXZ\0" + bytes(600), rules.unknown_kind("xz"), id="xz"),
        pytest.param(b"7z\xbc\xaf\x27\x1c" + bytes(600), rules.unknown_kind("7-Zip"), id="7z"),
        pytest.param(b"Rar!\x1a\x07" + bytes(600), rules.unknown_kind("RAR"), id="rar"),
    ],
)
def test_what_is_no_whole_archive_is_refused(data: bytes, expected: Said) -> None:
    error, _ = refused(data)
    assert error.reason == expected


def test_a_checksum_of_zstandard_is_checked() -> None:
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(WHOLE)
    assert unpacked(packed).files == {"a": BEFORE}
    error, _ = refused(packed[:-1] + bytes([packed[-1] ^ 1]))
    assert error.reason == rules.DAMAGED


# -- zip ---------------------------------------------------------------------------------------

DATA = b"a member of a zip " * 40
SIZE, CRC, PACKED = len(DATA), zlib.crc32(DATA), len(deflated(DATA))
DIRECT = struct.pack("<4s3L", b"PK\x07\x08", CRC, PACKED, SIZE)
NOT_YET = {"checksum": 0, "packed": 0, "size": 0}


def zip64(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def unicode_path(name: bytes, raw: bytes) -> bytes:
    return struct.pack("<2HBL", 0x7075, len(name) + 5, 1, zlib.crc32(raw)) + name


FULL = 0xFFFFFFFF
ZIPS = [
    pytest.param(Zipped(b"l", b"/etc/passwd", mode=LINK), "not inside", id="link-absolute"),
    pytest.param(Zipped(b"l", b"../x", mode=LINK), "not inside", id="link-out"),
    pytest.param(Zipped(b"d/l", b"..\\x", 0, mode=LINK), "backslash", id="link-windows"),
    pytest.param(Zipped(b"l", b"x" * 4097, mode=LINK), "contents", id="link-with-contents"),
    pytest.param(Zipped(b"good/x"), "'good' is a directory", id="file-and-folder"),
    pytest.param(Zipped(b"d/", DATA), "contents", id="folder-with-contents"),
    pytest.param(Zipped(b"d", DATA, mode=0o040755), "contents", id="folder-by-mode"),
    *(
        pytest.param(Zipped(b"dev", mode=kind | 0o644), "device", id=f"device-{kind:o}")
        for kind in (stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK)
    ),
    pytest.param(Zipped(b"x", mode=0o170644), "no file, folder or link", id="unknown-type"),
    pytest.param(Zipped(b"x", flags=1), "encrypted", id="encrypted"),
    pytest.param(Zipped(b"x", flags=0x41), "encrypted", id="strongly-encrypted"),
    pytest.param(Zipped(b"x", flags=0x2000), "encrypted", id="list-encrypted"),
    pytest.param(Zipped(b"x", method=99), "encrypted", id="aes"),
    pytest.param(Zipped(b"x", local={"flags": 1}), "different things", id="encrypted-in-secret"),
    pytest.param(Zipped(b"x", flags=0x20), "no file, folder or link", id="patch"),
    pytest.param(Zipped(b"x", method=9), "Deflate64", id="deflate64"),
    pytest.param(Zipped(b"x", method=12), "bzip2", id="bzip2"),
    pytest.param(Zipped(b"x", method=14), "LZMA", id="lzma"),
    pytest.param(Zipped(b"x", method=77), "method 77", id="unknown-method"),
    pytest.param(Zipped(b"a", local={"name": b"b"}), "different things", id="other-name"),
    pytest.param(Zipped(b"a", local={"name": b"../../b"}), "different things", id="other-path"),
    pytest.param(Zipped(b"a", DATA, local={"size": 1}), "different things", id="other-size"),
    pytest.param(Zipped(b"a", DATA, local={"packed": 1}), "different things", id="other-packed"),
    pytest.param(
        Zipped(b"a", DATA, local={"checksum": 1}), "different things", id="other-checksum"
    ),
    pytest.param(Zipped(b"a", DATA, local=NOT_YET), "different things", id="sizes-missing"),
    pytest.param(Zipped(b"a", DATA, local={"method": 0}), "different things", id="other-method"),
    pytest.param(Zipped(b"a", local={"flags": 8}), "different things", id="later-or-not"),
    pytest.param(Zipped(b"a", local={"flags": 0x800}), "different things", id="other-letters"),
    pytest.param(
        Zipped(b"a", local={"extra": unicode_path(b"b", b"a")}),
        "different things",
        id="other-utf-8-name",
    ),
    pytest.param(
        Zipped(
            b"a",
            local={"name": b"b", "extra": unicode_path(b"c", b"b")},
            listed={"extra": unicode_path(b"c", b"a")},
        ),
        "different things",
        id="other-name-beside-the-same",
    ),
    pytest.param(
        Zipped(b"a", local={"extra": (e := unicode_path(b"../b", b"a"))}, listed={"extra": e}),
        "leads out by ..",
        id="path-behind-the-name",
    ),
    pytest.param(
        Zipped(b"a", DATA, flags=8, local=NOT_YET), "different things", id="nothing-later"
    ),
    pytest.param(
        Zipped(b"a", DATA, flags=8, local=NOT_YET, later=DIRECT[:-1] + b"\1"),
        "different things",
        id="another-size-later",
    ),
    pytest.param(Zipped(b"a", DATA, listed={"size": 9}, local={"size": 9}), "its size", id="less"),
    pytest.param(
        Zipped(b"a", DATA, listed={"size": SIZE + 1}, local={"size": SIZE + 1}),
        "its size",
        id="more",
    ),
    pytest.param(
        Zipped(b"a", DATA, 0, listed={"size": 9}, local={"size": 9}), "its size", id="stored-less"
    ),
    pytest.param(Zipped(b"a", DATA, packed=deflated(DATA) + b"x"), "its size", id="bytes-left"),
    pytest.param(Zipped(b"a", DATA, packed=deflated(DATA)[:-3]), "its size", id="bytes-missing"),
    pytest.param(Zipped(b"a", DATA, packed=b"\xff" * 50), "checksum", id="no-deflate"),
    pytest.param(
        Zipped(b"a", DATA, listed={"checksum": 1}, local={"checksum": 1}), "checksum", id="crc"
    ),
    pytest.param(
        Zipped(b"a", DATA, 0, listed={"checksum": 1}, local={"checksum": 1}),
        "checksum",
        id="crc-stored",
    ),
    pytest.param(Zipped(b"a", listed={"offset": 0}), "different things", id="at-another-member"),
    pytest.param(Zipped(b"a", listed={"offset": 3}), "damaged", id="at-no-member"),
    pytest.param(Zipped(b"a", listed={"offset": FULL}), "damaged", id="outside-the-file"),
    pytest.param(Zipped(b"a", listed={"packed": 9999}), "damaged", id="into-the-list"),
    pytest.param(Zipped(b"a", listed={"disk": 1}), "several parts", id="on-another-disk"),
    pytest.param(
        Zipped(b"a", listed={"size": FULL, "extra": zip64(1 << 62)}), "20 GiB", id="zip64-huge"
    ),
    pytest.param(
        Zipped(b"a", listed={"offset": FULL, "extra": zip64(1 << 63)}), "damaged", id="zip64-far"
    ),
    pytest.param(
        Zipped(b"a", listed={"size": FULL, "extra": zip64()}), "damaged", id="zip64-missing"
    ),
    pytest.param(
        Zipped(b"a", listed={"size": FULL, "extra": zip64(1) + zip64(2)}), "damaged", id="zip64-two"
    ),
    pytest.param(
        Zipped(b"a", listed={"extra": b"\1\0\xff\xff"}), "damaged", id="extra-field-too-long"
    ),
]


@pytest.mark.parametrize(("one", "says"), ZIPS)
def test_a_zip_like_this_is_refused(one: Zipped, says: str) -> None:
    error, sink = refused(made_zip(Zipped(b"good"), one))
    assert says in str(error)
    # Only what contents themselves prove is found out later than the first member.
    assert not sink.files or error.reason in (rules.SIZES, rules.CHECKSUM)


def overlapping() -> bytes:
    """Return a zip whose first member quotes the header of the second, and inflates it, too."""
    inner = Zipped(b"b", DATA)
    whole, entry = inner.at(0)
    own = whole[:-PACKED]
    quote = b"\0" + struct.pack("<2H", len(own), len(own) ^ 0xFFFF) + own
    outer = Zipped(b"a", own + DATA, packed=quote + deflated(DATA))
    body, first = outer.at(0)
    second = inner.at(len(body) - len(whole))[1]
    rest = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(first + second), len(body), 0)
    assert entry != second
    return body + first + second + rest


def test_members_that_quote_each_other_are_refused() -> None:
    error, sink = refused(overlapping())
    assert error.reason == rules.OVERLAP
    assert error.member == "'b'"
    assert not sink.files


TWO = (Zipped(b"a", DATA), Zipped(b"b", DATA))
LENGTH = sum(len(one.at(0)[1]) for one in TWO)
START = sum(len(one.at(0)[0]) for one in TWO)
AT = START + LENGTH


def large(**said: int) -> bytes:
    """Return a zip of two members with a zip64 end, which may say otherwise."""
    return made_zip(*TWO, behind=end64(AT, START, LENGTH, 2, **said))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(made_zip(*TWO)[:-1], rules.TRUNCATED, id="cut"),
        pytest.param(made_zip(*TWO)[:AT], rules.TRUNCATED, id="without-end"),
        pytest.param(made_zip(*TWO)[:START], rules.TRUNCATED, id="without-list"),
        pytest.param(made_zip(*TWO) + b"x", rules.BEHIND, id="behind"),
        pytest.param(made_zip(*TWO) + made_zip(*TWO)[:-1], rules.TRUNCATED, id="half-behind"),
        pytest.param(made_zip(*TWO, count=1, here=1), rules.DAMAGED, id="one-member-hidden"),
        pytest.param(made_zip(*TWO, count=3, here=3), rules.DAMAGED, id="one-member-missing"),
        pytest.param(made_zip(*TWO, count=3), rules.VOLUMES, id="members-elsewhere"),
        pytest.param(made_zip(*TWO, disk=1), rules.VOLUMES, id="second-disk"),
        pytest.param(made_zip(*TWO, first=1), rules.VOLUMES, id="list-on-second-disk"),
        pytest.param(made_zip(*TWO, length=LENGTH - 1), rules.DAMAGED, id="list-too-short"),
        pytest.param(made_zip(*TWO, offset=START - 1), rules.DAMAGED, id="list-elsewhere"),
        pytest.param(made_zip(*TWO, behind=b"hidden"), rules.DAMAGED, id="behind-the-list"),
        pytest.param(made_zip(*TWO, length=FULL), rules.DAMAGED, id="zip64-without-its-end"),
        pytest.param(large(disks=2), rules.VOLUMES, id="zip64-disks"),
        pytest.param(large(disk=1), rules.DAMAGED, id="zip64-second-disk"),
        pytest.param(large(locator_disk=1), rules.VOLUMES, id="zip64-on-second-disk"),
        pytest.param(large(at=1 << 63), rules.DAMAGED, id="zip64-end-far-away"),
        pytest.param(large(at=0), rules.DAMAGED, id="zip64-end-elsewhere"),
        pytest.param(large(size=45), rules.DAMAGED, id="zip64-end-of-another-size"),
        pytest.param(large(count=3, here=3), rules.DAMAGED, id="zip64-counts-otherwise"),
        pytest.param(large(offset=0), rules.DAMAGED, id="zip64-list-elsewhere"),
        pytest.param(b"PK\x03\x04", rules.TRUNCATED, id="four-bytes"),
        pytest.param(b"MZ" + made_zip(*TWO), rules.unknown_kind(""), id="program-before"),
    ],
)
def test_the_end_of_a_zip_has_to_be_right(data: bytes, expected: Said) -> None:
    error, sink = refused(data)
    assert error.reason == expected
    assert not sink.files


def test_a_zip64_end_that_is_right_is_taken() -> None:
    assert unpacked(large()).files == {"a": DATA, "b": DATA}
