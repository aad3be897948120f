"""Looking at disks, the data root, images, and the files that room.yaml names."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cli.doctor_probe.ask import SYSTEM_PATH, text
from cli.doctor_probe.engine import Looked
from cli.state import ROOM_UID
from room import quotas
from room.doctor.facts import Certificate, Data, Place
from room.mounts import Mount, mount_of
from room.settings import Settings

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def look(settings: Settings, engine: Looked) -> Data:
    """Return what is kept where, and how much fits."""
    # Who may not ask the engine does not know what it lacks.
    asked = engine.engine.answer != "refused"
    missing, size = missing_images(settings, engine.tags) if asked else ((), 0)
    return Data(
        ready=_ready(settings.data_root),
        data=place(settings.data_root),
        images=place(Path(engine.engine.root)) if engine.engine.root else None,
        missing_images=missing,
        missing_bytes=size,
        bootstrap=shutil.which("mmdebstrap", path=SYSTEM_PATH) is not None and _KEYRING.exists(),
        certificate=site_certificate(settings),
        unreadable=tuple(unreadable(settings)),
    )


def _ready(root: Path) -> bool:
    """Say whether ``room up`` has made the directories of a data root."""
    try:
        return (
            (root / "homes").is_dir()
            and (root / "classes").is_dir()
            and (root / "datasets" / "incoming").stat().st_uid == ROOM_UID
            and (root / "state").stat().st_uid == ROOM_UID
        )
    except OSError:
        return False


def place(path: Path) -> Place | None:
    """Return the file system that a path is on, or would be on once it is made."""
    existing = next((p for p in (path, *path.parents) if p.exists()), None)
    if existing is None:
        return None
    try:
        disk = os.statvfs(existing)
        device = existing.stat().st_dev
    except OSError:
        return None
    mount = mount_of(text("/proc/self/mountinfo"), existing.resolve())
    found = Place.of(str(existing), device, disk, mount.kind)
    return replace(found, quotas=quotas.support(mount, btrfs_counts=btrfs_counts(mount)))


def btrfs_counts(mount: Mount, sysfs: Path = Path("/sys/fs/btrfs")) -> bool:
    """Say whether quotas are on in a btrfs, found by the disk that is mounted."""
    disk = Path(mount.source).resolve().name
    return any((place / "devices" / disk).exists() for place in _counting(sysfs))


def _counting(sysfs: Path) -> Iterator[Path]:
    return (groups.parent for groups in sysfs.glob("*/qgroups"))


def missing_images(settings: Settings, present: frozenset[str]) -> tuple[tuple[str, ...], int]:
    """Return the images that are not built yet, and the bytes that building them takes."""
    from engine import images
    from engine.errors import BuildError

    try:
        known = images.images_for(settings)
    except (BuildError, OSError):
        return (), 0
    wanted = [name for name in known if name != "base"]
    todo = images.missing(known, wanted, set(present))
    return tuple(i.spec.name for i in todo), sum(i.spec.disk for i in todo)


def files(settings: Settings) -> Data:
    """Return the files that room.yaml names, and nothing else."""
    return Data(certificate=site_certificate(settings), unreadable=tuple(unreadable(settings)))


def unreadable(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the keys of room.yaml that name a file which cannot be used, and why."""
    named: list[tuple[str, Path]] = []
    if settings.login.oauth is not None:
        named.append(("login.oauth.client_secret_file", settings.login.oauth.client_secret_file))
    if settings.mirrors.ca_file is not None:
        named.append(("mirrors.ca_file", settings.mirrors.ca_file))
    for key, path in named:
        try:
            content = path.read_bytes()
        except OSError as error:
            yield key, f"{path}: {(error.strerror or str(error)).lower()}"
            continue
        if not content.strip():
            yield key, f"{path} is empty"
        elif key == "mirrors.ca_file" and b"-----BEGIN CERTIFICATE-----" not in content:
            yield key, f"{path} holds no certificate in PEM form"


def site_certificate(settings: Settings) -> Certificate | None:
    """Return the site's own certificate; None when the room uses none."""
    tls = settings.tls
    if settings.location.scheme != "https" or tls.mode != "files":
        return None
    if tls.certificate is None or tls.key is None:
        return None
    return certificate(tls.certificate, tls.key)


def certificate(path: Path, key_path: Path) -> Certificate | None:
    """Return what a certificate and its key say; None where nothing can read them."""
    try:
        pem, key = path.read_bytes(), key_path.read_bytes()
        mode = stat.S_IMODE(key_path.stat().st_mode)
    except OSError as error:
        return Certificate(problem=f"{error.filename}: {(error.strerror or '').lower()}")
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization as written
    except ImportError:
        return None
    try:
        first = x509.load_pem_x509_certificates(pem)[0]
    except (ValueError, IndexError):
        return Certificate(problem=f"{path} holds no certificate in PEM form")
    try:
        private = written.load_pem_private_key(key, password=None)
    except TypeError:
        return Certificate(key_problem=f"{key_path} is locked with a password")
    except ValueError:
        return Certificate(key_problem=f"{key_path} holds no private key in PEM form")
    form = (written.Encoding.DER, written.PublicFormat.SubjectPublicKeyInfo)
    return Certificate(
        names=_names(first),
        not_after=first.not_valid_after_utc.timestamp(),
        key_mode=mode,
        key_fits=first.public_key().public_bytes(*form) == private.public_key().public_bytes(*form),
    )


def _names(found: object) -> tuple[str, ...]:
    from cryptography import x509

    assert isinstance(found, x509.Certificate)  # noqa: S101 - for the reader and the type checker
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)
