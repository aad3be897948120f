"""Requests to the kernel, byte for byte as a C compiler makes them of linux/*.h."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.disk import abi

#: What is said here, and how the headers of this machine say it.
HEADERS = {
    "BTRFS_IOC_SUBVOL_CREATE": abi.BTRFS_SUBVOL_CREATE,
    "BTRFS_IOC_FS_INFO": abi.BTRFS_FS_INFO,
    "BTRFS_IOC_INO_LOOKUP": abi.BTRFS_INO_LOOKUP,
    "BTRFS_IOC_QGROUP_LIMIT": abi.BTRFS_QGROUP_LIMIT,
    "FS_IOC_FSGETXATTR": abi.FS_GETXATTR,
    "FS_IOC_FSSETXATTR": abi.FS_SETXATTR,
    "(unsigned)QCMD(Q_GETQUOTA, PRJQUOTA)": abi.Q_GETQUOTA_PROJECT,
    "(unsigned)QCMD(Q_SETQUOTA, PRJQUOTA)": abi.Q_SETQUOTA_PROJECT,
    "SYS_quotactl_fd": abi.SYS_QUOTACTL_FD,
    "BTRFS_FIRST_FREE_OBJECTID": abi.SUBVOLUME_ROOT,
    "FS_XFLAG_PROJINHERIT": abi.PROJECT_INHERIT,
    "sizeof(struct btrfs_ioctl_vol_args)": abi.VOL_ARGS,
    "sizeof(struct btrfs_ioctl_fs_info_args)": abi.FS_INFO,
    "sizeof(struct btrfs_ioctl_ino_lookup_args)": abi.INO_LOOKUP,
    "sizeof(struct fsxattr)": abi.XATTR,
    "sizeof(struct if_dqblk)": abi.DQBLK,
    "sizeof(struct btrfs_ioctl_qgroup_limit_args)": len(abi.btrfs_limit(5, 1)),
}
#: A quota as the headers lay it out: 1,024 KiB may be used, 123,456 bytes in 7 files are.
QUOTA = """
#include <linux/quota.h>
struct if_dqblk made = {.dqb_bhardlimit = 1024, .dqb_curspace = 123456, .dqb_curinodes = 7,
                        .dqb_valid = QIF_BLIMITS};
"""
LIMIT = """
#include <linux/btrfs.h>
struct btrfs_ioctl_qgroup_limit_args made = {.qgroupid = 260, .lim = {
    .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = 50000000}};
"""

needs_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None or not Path("/usr/include/linux/btrfs.h").exists(),
    reason="a C compiler and the kernel's headers say it",
)


def said(directory: Path, head: str, body: str) -> list[str]:
    source, program = directory / "said.c", directory / "said"
    source.write_text(
        "#include <linux/btrfs.h>\n#include <linux/btrfs_tree.h>\n#include <linux/fs.h>\n"
        "#include <linux/quota.h>\n"
        f"#include <stdio.h>\n#include <sys/syscall.h>\n{head}\nint main(void) {{ {body} }}\n"
    )
    subprocess.run(["gcc", "-w", "-o", str(program), str(source)], check=True, timeout=60)
    return subprocess.run(
        [str(program)], capture_output=True, text=True, check=True, timeout=10
    ).stdout.split()


@needs_compiler
def test_numbers_and_sizes_are_those_of_the_headers(tmp_path: Path) -> None:
    body = "".join(f'printf("%llu\\n", (unsigned long long)({name}));' for name in HEADERS)
    assert dict(zip(HEADERS, map(int, said(tmp_path, "", body)), strict=True)) == HEADERS


@needs_compiler
@pytest.mark.parametrize(
    ("head", "made"),
    [
        pytest.param(LIMIT, abi.btrfs_limit(260, 50_000_000), id="btrfs limit"),
        pytest.param(
            QUOTA.replace(", .dqb_curspace = 123456, .dqb_curinodes = 7", ""),
            abi.project_limit(1024 * 1024),
            id="project limit",
        ),
    ],
)
def test_requests_are_those_of_the_headers(tmp_path: Path, head: str, made: bytes) -> None:
    body = (
        "unsigned char *at = (unsigned char *)&made;"
        'for (unsigned i = 0; i < sizeof made; i++) printf("%02x", at[i]);'
    )
    assert said(tmp_path, head, body) == [made.hex()]


@needs_compiler
def test_an_answer_is_read_as_the_headers_lay_it_out(tmp_path: Path) -> None:
    body = (
        "unsigned char *at = (unsigned char *)&made;"
        'for (unsigned i = 0; i < sizeof made; i++) printf("%02x", at[i]);'
    )
    (answer,) = said(tmp_path, QUOTA, body)
    assert abi.ProjectUse.read(bytes.fromhex(answer)) == abi.ProjectUse(123456, 7, 1024**2)


def test_a_limit_of_part_of_a_block_is_rounded_up() -> None:
    assert abi.ProjectUse.read(abi.project_limit(1025)).hard == 2048


def test_no_limit_takes_the_limit_of_btrfs_away() -> None:
    assert abi.btrfs_limit(260, 0)[16:24] == b"\xff" * 8


@pytest.mark.parametrize("name", ["a/b", "a\0b", "x" * 256])
def test_a_subvolumes_name_is_one_directorys(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        abi.subvolume(name)


def test_a_directory_keeps_what_it_has_when_it_joins_a_project() -> None:
    kept = abi.Xattr(flags=0x10, extent_size=4096, extents=3, project=0, cow_extent_size=8)
    joined = abi.Xattr.read(kept.in_project(77))
    assert joined == abi.Xattr(0x10 | abi.PROJECT_INHERIT, 4096, 0, 77, 8)


#: What Linux 6.1.0-56 of Debian answered of a home limited to 10 MiB, after 20 MiB were written
#: into it: `mkfs.ext4 -O quota,project` and `mkfs.xfs`, both mounted with prjquota.
EXT4 = "00280000" + "00" * 12 + "00f89f" + "00" * 21 + "03" + "00" * 23 + "3f" + "00" * 7
XFS = "00280000" + "00" * 12 + "0000a0" + "00" * 21 + "03" + "00" * 23 + "3f" + "00" * 7


@pytest.mark.parametrize(
    ("recorded", "use"),
    [
        pytest.param(EXT4, abi.ProjectUse(10_483_712, 3, 10 * 1024**2), id="ext4"),
        pytest.param(XFS, abi.ProjectUse(10_485_760, 3, 10 * 1024**2), id="xfs"),
    ],
)
def test_what_a_kernel_with_project_quotas_answered_is_read(
    recorded: str, use: abi.ProjectUse
) -> None:
    assert abi.ProjectUse.read(bytes.fromhex(recorded)) == use
