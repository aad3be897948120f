"""The calls to the kernel. Each raises ``OSError``; no symbolic link in a home is followed."""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.disk import abi

_libc = ctypes.CDLL(None, use_errno=True)

#: ioprio_set(2): this thread, at the class that has the disk when nobody else wants it.
_SYS_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_THREAD, _IDLE = 1, 3 << 13


@contextmanager
def directory(path: Path | str, inside: int | None = None) -> Iterator[int]:
    """Open a directory; a link or a file in its place is refused."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def ask(descriptor: int, request: int, size: int, given: bytes = b"") -> bytes:
    """Return the kernel's answer of ``size`` bytes to an ioctl."""
    buffer = bytearray(given.ljust(size, b"\0"))
    fcntl.ioctl(descriptor, request, buffer)
    return bytes(buffer)


def tell(descriptor: int, request: int, given: bytes) -> None:
    # Of bytes that cannot change, ioctl takes 1,024 at most.
    fcntl.ioctl(descriptor, request, bytearray(given))


def project_quota(descriptor: int, project: int) -> bytes:
    """Return what is counted of a project on the descriptor's file system."""
    answer = ctypes.create_string_buffer(abi.DQBLK)
    _quotactl(descriptor, abi.Q_GETQUOTA_PROJECT, project, answer)
    return answer.raw


def limit_project(descriptor: int, project: int, limit: bytes) -> None:
    buffer = ctypes.create_string_buffer(limit, abi.DQBLK)
    _quotactl(descriptor, abi.Q_SETQUOTA_PROJECT, project, buffer)


def _quotactl(
    descriptor: int, command: int, project: int, data: ctypes.Array[ctypes.c_char]
) -> None:
    # By a descriptor and not by the disk's device, which the agent's container has not.
    done = _libc.syscall(
        ctypes.c_long(abi.SYS_QUOTACTL_FD),
        ctypes.c_uint(descriptor),
        ctypes.c_uint(command),
        ctypes.c_uint(project),
        data,
    )
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def be_modest() -> None:
    """Let this thread read and compute when nobody else wants to; it cannot be undone."""
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    number = _SYS_IOPRIO_SET.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), _THREAD, 0, _IDLE)
