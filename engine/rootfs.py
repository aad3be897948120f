"""Debian's root file system under the base image: a registry's by digest, or bootstrapped."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.build import Docker, explain, follow, last_words
from engine.errors import BuildError
from engine.sources import SUITE, Site, apt_auth, apt_conf, apt_sources, shown
from room.settings import Settings

if TYPE_CHECKING:
    from engine.images import Image

#: Debian 13 slim, all architectures, as published in October 2026 (Debian 13.6). The digest is the
#: one that several public projects record for that tag, with the day they looked it up: a registry
#: that serves anything else under it is refused by the engine.
PINNED = (
    "debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f"
)
BOOTSTRAP = "bootstrap"
#: Seconds a registry has to begin answering. Layers may take longer.
_PATIENCE = 20.0

_BY_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")


def identity(setting: str) -> str:
    """Return what stands for the root file system in the base image's tag.

    Pulled or bootstrapped, the default is the same Debian with the same recipe
    on top, and has one tag. What neither pins: the versions of Debian's
    packages, which are the mirror's on the day of the build.
    """
    if setting and setting != BOOTSTRAP and not _BY_DIGEST.fullmatch(setting):
        raise BuildError(
            f"images.base is {setting!r}; an image is named by its digest, or it could change.",
            f"Write it as name@sha256:…, or {BOOTSTRAP}, or leave it out.",
        )
    return setting or PINNED


@contextmanager
def provide(
    settings: Settings, engine: Docker, site: Site, image: Image, log: Path,
    say: Callable[[str], None],
) -> Iterator[dict[str, str]]:  # fmt: skip
    """Yield the build arguments that name the root file system; none for other images.

    A bootstrapped one is known to the engine by a name only while the base is built.
    """
    if image.spec.name != "base":
        yield {}
        return
    setting = settings.images.base
    wanted = identity(setting)
    if setting != BOOTSTRAP and _pull(engine, wanted, log, say):
        yield {"ROOTFS": wanted}
        return
    if setting and setting != BOOTSTRAP:
        raise BuildError(
            f"No registry gives {wanted}.\n{_tail(log)}",
            "Correct images.base in room.yaml, or leave it out: Debian is then bootstrapped.",
        )
    name = f"torchroom/rootfs:{image.tag.rpartition(':')[2]}"
    _bootstrap(engine, site, image, name, log, say)
    try:
        yield {"ROOTFS": name}
    finally:
        engine.run("image", "rm", name, check=False)


def _pull(engine: Docker, reference: str, log: Path, say: Callable[[str], None]) -> bool:
    """Pull an image by digest. False when no registry begins to answer in time."""
    if engine.run("image", "ls", "--quiet", "--digests", reference).strip():
        return True
    say("base: asking the container registry for Debian 13")
    process = engine.start(["pull", reference])
    answered = threading.Event()

    def give_up() -> None:
        if not answered.wait(_PATIENCE) and process.poll() is None:
            process.terminate()

    threading.Thread(target=give_up, daemon=True).start()

    def redact(line: str) -> str:
        if "Pulling from" in line:
            answered.set()
        return line

    follow(process, log, say, redact)
    answered.set()
    return process.returncode == 0


def _tail(log: Path) -> str:
    return last_words(log.read_text().splitlines())


def _bootstrap(
    engine: Docker, site: Site, image: Image, name: str, log: Path, say: Callable[[str], None]
) -> None:
    """Make Debian's root file system with mmdebstrap, and import it under ``name``."""
    if shutil.which("mmdebstrap") is None:
        raise BuildError(
            "No container registry answers, and this machine has no mmdebstrap to make a Debian "
            "from a mirror.",
            "Install it with: apt-get install mmdebstrap debian-archive-keyring",
        )
    say(f"base: no registry answers; bootstrapping Debian 13 from {shown(site.debian)}")
    with tempfile.TemporaryDirectory(prefix="room-rootfs-") as text:
        folder = Path(text)
        folder.chmod(0o755)  # apt reads its files as a user of its own
        paths = {n: folder / n for n in ("rootfs.sh", "debian.sources", "apt.conf", "auth", "ca")}
        paths["rootfs.sh"].write_bytes(image.context["rootfs.sh"].content)
        paths["debian.sources"].write_text(apt_sources(site.debian, site.debian_security))
        paths["ca"].write_bytes(site.ca)
        paths["auth"].touch(mode=0o600)
        paths["auth"].write_text(apt_auth((site.debian, site.debian_security)))
        paths["apt.conf"].write_text(
            apt_conf(site.apt_settings, ca=str(paths["ca"]), auth=str(paths["auth"]))
        )
        tar = folder / "rootfs.tar"
        process = subprocess.Popen(
            ["sh", str(paths["rootfs.sh"]), SUITE, str(paths["debian.sources"]), str(tar),
             str(paths["apt.conf"])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip
        tail = follow(process, log, say, site.redact)
        if process.returncode:
            words = {"debian": shown(site.debian), "pypi": "", "npm": "", "log": str(log)}
            words["free"] = f"{shutil.disk_usage(folder).free / 1e9:.1f} GB"
            meaning, remedy = explain(tail, words)
            raise BuildError(
                f"Debian 13 could not be bootstrapped. {meaning}\n{last_words(tail)}",
                f"{remedy}\nThe whole log: {log}",
            )
        engine.run("import", str(tar), name)
