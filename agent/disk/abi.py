"""Requests to the kernel as bytes, and its answers read back. Pure; 64-bit Linux.

Numbers and layouts are those of linux/btrfs.h, linux/fs.h and linux/quota.h, which do not
change. ``tests/unit/test_disk_abi.py`` compares them with what a C compiler makes of those files.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

BTRFS_SUBVOL_CREATE = 0x5000940E
BTRFS_FS_INFO = 0x8400941F
BTRFS_INO_LOOKUP = 0xD0009412
BTRFS_QGROUP_LIMIT = 0x8030942B
FS_GETXATTR = 0x801C581F
FS_SETXATTR = 0x401C5820
Q_GETQUOTA_PROJECT = 0x80000702
Q_SETQUOTA_PROJECT = 0x80000802
#: quotactl_fd(2), Linux 5.14: the same number on every architecture that we run on.
SYS_QUOTACTL_FD = 443

#: The inode of a subvolume's root directory, and of nothing else on btrfs.
SUBVOLUME_ROOT = 256
#: What takes a limit of btrfs away.
NO_LIMIT = (1 << 64) - 1
_MAX_REFERENCED = 1
#: New files take the project of their directory.
PROJECT_INHERIT = 0x200
#: linux/quota.h counts blocks of limits in KiB, and what is used in bytes.
QUOTA_BLOCK = 1024
_BLOCK_LIMITS = 1

_LIMIT = struct.Struct("=6Q")
_XATTR = struct.Struct("=5I8x")
_DQBLK = struct.Struct("=8QI4x")

VOL_ARGS, FS_INFO, INO_LOOKUP = 4096, 1024, 4096
XATTR, DQBLK = _XATTR.size, _DQBLK.size


def subvolume(name: str) -> bytes:
    """Return btrfs_ioctl_vol_args: make a subvolume of this name in the directory asked."""
    encoded = name.encode()
    if len(encoded) > 255 or b"/" in encoded or b"\0" in encoded:
        raise ValueError(f"no name of a directory: {name!r}")
    return struct.pack("=q4088s", 0, encoded)


def file_system_id(answer: bytes) -> str:
    """Return the UUID in btrfs_ioctl_fs_info_args, as /sys/fs/btrfs names its directory."""
    return str(uuid.UUID(bytes=bytes(answer[16:32])))


def which_subvolume() -> bytes:
    """Return btrfs_ioctl_ino_lookup_args that ask for the number of the directory's subvolume."""
    return struct.pack("=QQ4080x", 0, SUBVOLUME_ROOT)


def subvolume_number(answer: bytes) -> int:
    return int(struct.unpack_from("=Q", answer)[0])


def btrfs_limit(number: int, hard: int) -> bytes:
    """Return btrfs_ioctl_qgroup_limit_args: ``hard`` bytes for a subvolume; 0: no limit."""
    return _LIMIT.pack(number, _MAX_REFERENCED, hard or NO_LIMIT, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Xattr:
    """struct fsxattr: what xfs and ext4 keep with a file beside its mode."""

    flags: int
    extent_size: int
    extents: int
    project: int
    cow_extent_size: int

    @classmethod
    def read(cls, answer: bytes) -> Xattr:
        return cls(*_XATTR.unpack(answer))

    def in_project(self, project: int) -> bytes:
        """Return the same for a directory whose files belong to ``project``."""
        flags = self.flags | PROJECT_INHERIT
        return _XATTR.pack(flags, self.extent_size, 0, project, self.cow_extent_size)


def project_limit(hard: int) -> bytes:
    """Return struct if_dqblk: a hard limit of bytes for a project, rounded up to KiB; 0: none."""
    return _DQBLK.pack(-(-hard // QUOTA_BLOCK), 0, 0, 0, 0, 0, 0, 0, _BLOCK_LIMITS)


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """What a project takes, in bytes and files, and its hard limit in bytes; 0: none."""

    used: int
    files: int
    hard: int

    @classmethod
    def read(cls, answer: bytes) -> ProjectUse:
        hard, _soft, used, _files_hard, _files_soft, files, *_ = _DQBLK.unpack(answer)
        return cls(used, files, hard * QUOTA_BLOCK)
