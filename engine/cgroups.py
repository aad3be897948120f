"""What containers use of CPU and memory, as their control groups count it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Where the host's groups are; in the agent's container they are mounted elsewhere.
ROOT = Path("/sys/fs/cgroup")
#: Where containers' groups are below the root, and their names: with systemd's driver, and with
#: cgroupfs.
_PLACES = (
    ("system.slice", re.compile(r"docker-([0-9a-f]{64})\.scope"), "docker-{}.scope"),
    ("docker", re.compile(r"([0-9a-f]{64})"), "{}"),
)
#: Version 1 has a tree for each kind, version 2 one for all.
_CPU_V1, _MEMORY_V1 = "cpuacct", "memory"
#: Bytes: more than any of these files has.
_LARGEST = 16384


@dataclass(frozen=True, slots=True)
class Charges:
    """What a group is charged for memory, in bytes.

    ``files``: of it the cache of files, which the kernel can drop; ``warm``: of these what was used
    lately. ``peak``: the most that was ever charged; None before Linux 5.19. ``killed``: how many
    processes the kernel has ended because there was no more.
    """

    charged: int
    files: int
    warm: int
    peak: int | None
    killed: int

    @property
    def own(self) -> int:
        """What it cannot do without: programs' memory, and files in memory such as /dev/shm."""
        return max(0, self.charged - self.files)


@dataclass(frozen=True, slots=True)
class Group:
    """The group of one life of a container: it goes with its last process.

    ``number`` is the directory's inode, which the kernel gives to no other group until it boots.
    """

    container: str
    number: int
    place: str
    root: Path = ROOT

    def cpu(self) -> float | None:
        """Return the CPU seconds used since it began; None when nobody tells."""
        # Version 2 counts microseconds in one file of many lines, version 1 nanoseconds in its own.
        found = _field(f"{self.root}/{self.place}/cpu.stat", b"usage_usec")
        if found is not None:
            return found / 1e6
        found = _number(f"{self.root}/{_CPU_V1}/{self.place}/cpuacct.usage")
        return None if found is None else found / 1e9

    def memory(self) -> int | None:
        """Return the bytes in use now, without what the kernel would give up at once.

        Docker counts so, too: all that is charged, less the files that nobody has used lately.
        """
        two, one = f"{self.root}/{self.place}", f"{self.root}/{_MEMORY_V1}/{self.place}"
        charged, spare = _number(f"{two}/memory.current"), b"inactive_file"
        where = two
        if charged is None:
            charged, spare = _number(f"{one}/memory.usage_in_bytes"), b"total_inactive_file"
            where = one
        if charged is None:
            return None
        return max(0, charged - (_field(f"{where}/memory.stat", spare) or 0))

    def charges(self) -> Charges | None:
        """Return what is charged for memory now, and what was at most; None when nobody tells."""
        two, one = f"{self.root}/{self.place}", f"{self.root}/{_MEMORY_V1}/{self.place}"
        charged = _number(f"{two}/memory.current")
        if charged is not None:
            stat, prefix, killed = two, b"", _field(f"{two}/memory.events", b"oom_kill")
            peak = _number(f"{two}/memory.peak")  # Linux 5.19
        else:
            charged = _number(f"{one}/memory.usage_in_bytes")
            stat, prefix, killed = one, b"total_", _field(f"{one}/memory.oom_control", b"oom_kill")
            peak = _number(f"{one}/memory.max_usage_in_bytes")
        if charged is None:
            return None
        fields = _fields(f"{stat}/memory.stat")
        files = [fields.get(prefix + name, 0) for name in (b"inactive_file", b"active_file")]
        return Charges(charged, sum(files), files[1], peak, killed or 0)


def groups(root: Path = ROOT) -> Iterator[Group]:
    """Yield the groups of all containers that run, of whatever room."""
    tree = root / _CPU_V1
    for place, pattern, _name in _PLACES:
        try:
            entries = list(os.scandir((tree if tree.is_dir() else root) / place))
        except OSError:
            continue
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            if match is not None:
                yield Group(match[1], entry.inode(), f"{place}/{entry.name}", root)


def cpu_seconds(container: str, root: Path = ROOT) -> float | None:
    """Return the CPU seconds that a container has used since it began; None when nobody tells."""
    for place, _pattern, name in _PLACES:
        found = Group(container, 0, f"{place}/{name.format(container)}", root).cpu()
        if found is not None:
            return found
    return None


def reader(root: Path = ROOT) -> Callable[[Iterable[str]], dict[str, float]]:
    """Return what reads the CPU seconds of several containers; who is not told of is left out."""

    def read(containers: Iterable[str]) -> dict[str, float]:
        told = {container: cpu_seconds(container, root) for container in containers}
        return {container: seconds for container, seconds in told.items() if seconds is not None}

    return read


def _field(file: str, name: bytes) -> int | None:
    for line in (_read(file) or b"").splitlines():
        key, _, value = line.partition(b" ")
        if key == name:
            return int(value)
    return None


def _fields(file: str) -> dict[bytes, int]:
    found = {}
    for line in (_read(file) or b"").splitlines():
        key, _, value = line.partition(b" ")
        if value.isdigit():
            found[key] = int(value)
    return found


def _number(file: str) -> int | None:
    told = _read(file)
    return None if told is None else int(told)


def _read(file: str) -> bytes | None:
    """Return a file of the kernel's, whole.

    A class is a thousand of them every two seconds: Python's own open() takes twice as long.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _LARGEST)
    except OSError:
        return None  # the group went after its file was opened
    finally:
        os.close(descriptor)
