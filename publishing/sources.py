"""What a version can be made from: how large each kind of source is, and how it is read.

A source is what ``Job.source`` has: its ``kind``, and what the kind needs. With ``unpack`` it is an
archive, or several, and what is in them is published. ``by``: a command reads it, whatever kind it
is, and goes on with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from publishing import archives, folder
from publishing.folder import Measure
from publishing.job import Meter
from publishing.remote import fetch as remote
from publishing.stage import Stage

#: Who works on a source that the agent could read, too.
COMMAND = "command"

Source = Mapping[str, Any]
#: How large it is, and how much of it looks like files of the version before.
Measurer = Callable[[Source, Mapping[str, int]], Measure]
#: Brings it into a stage. Raises what says in words why it cannot be a dataset.
Reader = Callable[[Source, Stage, Meter], None]


class Kind(NamedTuple):
    """``agents``: the agent reads it, and goes on with it by itself."""

    read: Reader
    measure: Measurer
    agents: bool = False


def read(source: Source, stage: Stage, meter: Meter) -> None:
    """Take all of a source."""
    KINDS[source["kind"]].read(source, stage, meter)


def measure(source: Source, before: Mapping[str, int] = MappingProxyType({})) -> Measure:
    """Return how large a source is; a size of 0: nobody can tell.

    Of an archive that is the archive's own size: what comes out of it nobody knows.
    """
    return KINDS[source["kind"]].measure(source, before)


def unpacked(source: Source) -> bool:
    """Say whether what is in its archives is published, and not the archives."""
    return bool(source.get("unpack"))


def agents(source: Source) -> bool:
    """Say whether the agent works on it, and no command."""
    kind = KINDS.get(source["kind"])
    return kind is not None and kind.agents and source.get("by") != COMMAND


def unpack(file: int, name: str, stage: Stage, meter: Meter) -> None:
    """Take what is in an open archive. Raises ``ArchiveRefusedError``."""
    disk = stage.disk()
    limits = archives.Limits(max(0, disk.free - disk.spare))
    with archives.Heard(file, meter.tell, closefd=False) as heard:
        archives.unpack(heard, name, stage, limits)


# --- a folder, or a file, of the host: the command's ----------------------------------------------


def _read_folder(source: Source, stage: Stage, meter: Meter) -> None:
    folder.take(source["path"], stage)


def _measure_folder(source: Source, before: Mapping[str, int]) -> Measure:
    return folder.measure(source["path"], before=before)


def _read_file(source: Source, stage: Stage, meter: Meter) -> None:
    file = folder.open_file(source["path"])
    try:
        _take(file, os.path.basename(source["path"]), source, stage, meter)
    finally:
        os.close(file)


def _measure_file(source: Source, before: Mapping[str, int]) -> Measure:
    return Measure(os.stat(source["path"]).st_size, 1, 0)


def _take(file: int, name: str, source: Source, stage: Stage, meter: Meter) -> None:
    """Take an open file under its own name, or what is in it."""
    if unpacked(source):
        unpack(file, name, stage, meter)
    else:
        stage.take(os.fsencode(name), file)


# --- a folder, or a file, of somebody's home ------------------------------------------------------


def _read_home(source: Source, stage: Stage, meter: Meter) -> None:
    file = folder.find_file(source["path"], source["below"])
    if file is None:
        if unpacked(source):
            raise folder.NoFolderError(f"{source['below'][:200]!r} is a folder and no archive")
        folder.take(source["path"], stage, source["below"])
        return
    try:
        _take(file, os.path.basename(source["below"]), source, stage, meter)
    finally:
        os.close(file)


def _measure_home(source: Source, before: Mapping[str, int]) -> Measure:
    file = folder.find_file(source["path"], source["below"])
    if file is None:
        return folder.measure(source["path"], source["below"], before)
    try:
        return Measure(os.fstat(file).st_size, 1, 0)
    finally:
        os.close(file)


# --- what was uploaded: the console's to write, and nobody's to be trusted ------------------------


def _read_upload(source: Source, stage: Stage, meter: Meter) -> None:
    path, below = source["path"], source["below"]
    if not unpacked(source):
        folder.take(path, stage, below)
        return
    for name in map(os.fsdecode, folder.files(path, below)):
        file = folder.find_file(path, f"{below}/{name}")
        if file is None:
            raise folder.NoFolderError(f"{name[:200]!r} is a folder and no archive")
        try:
            unpack(file, name, stage, meter)
        finally:
            os.close(file)


def _measure_upload(source: Source, before: Mapping[str, int]) -> Measure:
    found = folder.measure(source["path"], source["below"], before)
    # Files of the version before may be in an archive; they are not the archive.
    return Measure(found.size, found.files, 0) if unpacked(source) else found


# --- addresses ------------------------------------------------------------------------------------


def _read_url(source: Source, stage: Stage, meter: Meter) -> None:
    if not unpacked(source):
        remote.take(source, stage, meter)
        return
    for name, path in remote.archives(source, stage, meter):
        file = folder.open_file(os.fspath(path))
        try:
            unpack(file, name, stage, meter)
        finally:
            os.close(file)


def _measure_url(source: Source, before: Mapping[str, int]) -> Measure:
    """Its servers are asked when it is read, by who may be stopped at it."""
    return Measure(0, 0, 0)


KINDS: Mapping[str, Kind] = {
    "folder": Kind(_read_folder, _measure_folder),
    "file": Kind(_read_file, _measure_file),
    "home": Kind(_read_home, _measure_home, agents=True),
    "upload": Kind(_read_upload, _measure_upload, agents=True),
    "url": Kind(_read_url, _measure_url, agents=True),
}
