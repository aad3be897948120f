"""Files at addresses come into a stage: listed, fetched several at once, gone on with when cut.

A file is fetched to beside the tree, and only then taken: what a kill leaves of it is gone on with
in the middle, where its server still has the same. An archive is fetched whole before it is
unpacked: it takes its own place on the disk once more, and a crash while it is unpacked costs no
second way through the network.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from publishing.job import Meter
from publishing.remote.child import PULSE, Fetching
from publishing.remote.part import Part
from publishing.remote.wrong import WrongError
from publishing.secrets import LostSecretError
from publishing.stage import Brought, Stage, Stamp
from room.datasets.addresses import Rules, Wanted
from room.datasets.archive_rules import Limits
from room.datasets.fetching import LOST, PASSING
from room.datasets.paths import Names, check

#: Files that are fetched at once: small ones wait for their servers and not for the network.
AT_ONCE = 4
#: Seconds for which what may pass by itself is tried again without a byte more, and between tries.
TRY_FOR, PAUSE, PAUSE_MOST = 300.0, 0.5, 30.0
#: The same for an answer that nobody understands: what is no such server will never be one.
ODD_FOR = 15.0
#: Bytes after which somebody looks how full the disk is.
LOOK_EVERY = 64 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that a server has. ``size``: bytes; None: it does not say."""

    address: int
    path: str
    size: int | None
    sha256: str
    stamp: Stamp
    told: Mapping[str, Any]

    @classmethod
    def of(cls, address: int, shown: str, told: Mapping[str, Any]) -> Entry:
        """Return what a fetcher tells of one. Raises ``PathRefusedError`` for its name."""
        etag, modified, size = told["state"]
        size = None if size is None else max(0, int(size))
        stamp = (shown, str(etag), str(modified), -1 if size is None else size)
        return cls(address, check(str(told["path"])), size, str(told["sha256"]), stamp, told)

    def part(self, parts: Path) -> Path:
        name = hashlib.sha256(f"{self.address} {self.path}".encode()).hexdigest()
        return parts / f"{name[:32]}.part"


class _OtherFailedError(Exception):
    """Another file could not be had, so this one is of no use."""


def take(source: Mapping[str, Any], stage: Stage, meter: Meter) -> None:
    """Take all files at a source's addresses.

    Raises ``WrongError`` for what cannot be had, ``PathRefusedError`` for what no dataset may have,
    ``NoSpaceError`` and ``CancelledJobError``.
    """
    wanted, rules = _wanted(source), _rules(source)
    entries = _listed(wanted, rules, meter)
    names = Names()
    for each in entries:
        names.add(each.path, "file")
    _reserve(entries, meter, 1)

    def bring(entry: Entry, fetching: Fetching) -> None:
        fetch = _fetcher(entry, fetching, stage, meter)
        stage.bring(entry.path, entry.stamp, fetch)

    _all(entries, wanted, rules, stage, meter, bring)


def archives(source: Mapping[str, Any], stage: Stage, meter: Meter) -> Iterator[tuple[str, Path]]:
    """Fetch all files at a source's addresses; yield their names, and where they lie.

    Raises as ``take`` does.
    """
    wanted, rules = _wanted(source), _rules(source)
    entries = _listed(wanted, rules, meter)
    # What comes out of them takes at least as much again.
    _reserve(entries, meter, 2)

    def bring(entry: Entry, fetching: Fetching) -> None:
        _fetcher(entry, fetching, stage, meter)()

    _all(entries, wanted, rules, stage, meter, bring)
    for each in entries:
        yield each.path, each.part(stage.parts)


# --- parts --------------------------------------------------------------------------------------


def _wanted(source: Mapping[str, Any]) -> Wanted:
    if "secret" not in source:
        raise LostSecretError(LOST)
    return Wanted.of(source["secret"])


def _rules(source: Mapping[str, Any]) -> Rules | None:
    told = source.get("rules")
    return Rules(tuple(told["protocols"]), tuple(told["hosts"])) if told else None


def _listed(wanted: Wanted, rules: Rules | None, meter: Meter) -> list[Entry]:
    def pulse() -> None:
        meter.tell(0)

    found: list[Entry] = []
    with closing(Fetching(wanted, rules, pulse)) as fetching:
        for number, shown in enumerate(wanted.shown):
            found += _patiently(partial(_one_list, fetching, number, shown), pulse)
            if len(found) > Limits(0).files:
                raise WrongError("many", shown)
    return found


def _one_list(fetching: Fetching, number: int, shown: str) -> list[Entry]:
    found = []
    for told in fetching.list(number):
        found.append(Entry.of(number, shown, told))
        if len(found) > Limits(0).files:
            raise WrongError("many", shown)
    if not found:
        raise WrongError("gone", shown)
    return found


def _reserve(entries: list[Entry], meter: Meter, times: int) -> None:
    meter.reserve(times * sum(each.size or 0 for each in entries))
    if any(each.size is None for each in entries):
        meter.expect(0)


def _all(
    entries: list[Entry],
    wanted: Wanted,
    rules: Rules | None,
    stage: Stage,
    meter: Meter,
    bring: Callable[[Entry, Fetching], None],
) -> None:
    """Bring all entries, several at once; raise the first that went wrong."""
    stage.parts.mkdir(mode=0o700, exist_ok=True)
    left, failed = deque(entries), threading.Event()

    def pulse() -> None:
        if failed.is_set():
            raise _OtherFailedError
        meter.tell(0)

    def work() -> None:
        with closing(Fetching(wanted, rules, pulse)) as fetching:
            try:
                while True:
                    try:
                        entry = left.popleft()
                    except IndexError:
                        return
                    pulse()
                    bring(entry, fetching)
            except BaseException:
                failed.set()
                raise

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
        works = [pool.submit(work) for _ in range(min(AT_ONCE, len(entries)))]
        errors = [each.exception() for each in wait(works).done]
    real = [each for each in errors if each and not isinstance(each, _OtherFailedError)]
    if real:
        raise real[0]


def _fetcher(entry: Entry, fetching: Fetching, stage: Stage, meter: Meter) -> Callable[[], Brought]:
    def look() -> None:
        disk = stage.disk()
        if disk.free < disk.spare:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fetch() -> Brought:
        with Part(entry.part(stage.parts), entry.stamp, meter.tell) as part:
            if entry.size is None:
                # Nobody can tell whether what is there was all of it.
                part.begin_anew()
            _fill(part, entry, fetching, look)
            brought = part.brought()
            if entry.sha256 and entry.sha256 != brought.sha256:
                part.begin_anew()
                raise WrongError("changed", str(entry.stamp[0]))
            return brought

    return fetch


def _fill(part: Part, entry: Entry, fetching: Fetching, look: Callable[[], None]) -> None:
    """Fetch what is missing of a file, however often its connection is cut."""
    if part.size == entry.size:
        return
    patience = _Patience(fetching.pulse)
    while True:
        had = part.size
        try:
            _receive(part, entry, fetching, look)
            return
        except WrongError as wrong:
            patience.wait(wrong, gained=part.size > had)


def _receive(part: Part, entry: Entry, fetching: Fetching, look: Callable[[], None]) -> None:
    shown, seen = str(entry.stamp[0]), part.size
    for piece in fetching.read(entry.address, entry.told, part.size):
        if isinstance(piece, int):
            if piece != part.size:
                part.begin_anew()
                seen = 0
            continue
        if entry.size is not None and part.size + len(piece) > entry.size:
            part.begin_anew()
            raise WrongError("larger", shown)
        part.write(piece)
        if part.size - seen >= LOOK_EVERY:
            seen = part.size
            look()
    if entry.size is not None and part.size != entry.size:
        raise WrongError("cut", shown)


class _Patience:
    """Waits between tries, longer each time, until nothing has come of them for too long."""

    def __init__(self, pulse: Callable[[], None]) -> None:
        self._pulse, self._pause, self._since = pulse, PAUSE, time.monotonic()

    def wait(self, wrong: WrongError, *, gained: bool = False) -> None:
        """Return when it is time to try again. Raises ``wrong`` when it is not to be."""
        if gained:
            self._pause, self._since = PAUSE, time.monotonic()
        most = ODD_FOR if wrong.why == "odd" else TRY_FOR
        if wrong.why not in PASSING or time.monotonic() - self._since > most:
            raise wrong
        until = time.monotonic() + self._pause
        while time.monotonic() < until:
            self._pulse()
            time.sleep(PULSE)
        self._pause = min(self._pause * 2, PAUSE_MOST)


def _patiently(ask: Callable[[], list[Entry]], pulse: Callable[[], None]) -> list[Entry]:
    patience = _Patience(pulse)
    while True:
        try:
            return ask()
        except WrongError as wrong:
            patience.wait(wrong)
