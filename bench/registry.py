"""A registry on this machine's loopback, with one image that the engine has nothing of."""

from __future__ import annotations

import io
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import httpx

from bench.stacks import free_port
from cli.errors import Problem
from tests.utils.wait import wait_until

#: Debian's package of this name has it.
PROGRAM = "docker-registry"
TAG = "pulled"
#: Bytes of the image's one layer. They are random, so that nothing makes them fewer on the way.
LAYER = 256 * 1024**2

CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


@contextmanager
def pullable() -> Iterator[str]:
    """Yield the name of an image that can be pulled; it and the registry are removed afterwards.

    Raises ``Problem`` where there is no registry to start.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise Problem(f"There is no {PROGRAM} to pull from. Debian has it: apt install {PROGRAM}.")
    port = free_port()
    name = f"127.0.0.1:{port}/bench{secrets.token_hex(4)}"
    with (
        tempfile.TemporaryDirectory(prefix="room-bench-") as directory,
        closing(docker.from_env(timeout=300)) as client,
    ):
        config = Path(directory) / "config.yml"
        config.write_text(CONFIG.format(root=directory, port=port))
        with subprocess.Popen(
            [program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as registry:
            try:
                wait_until(lambda: _answers(port), timeout=20)
                _push(client, name, Path(directory))
                yield name
            finally:
                for tag in client.images.list(name):
                    client.images.remove(tag.id, force=True)
                registry.terminate()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _push(client: docker.DockerClient, name: str, directory: Path) -> None:
    """Make an image, push it, and let the engine forget it."""
    made = directory / "rootfs.tar"
    with tarfile.open(made, "w") as tar:
        entry = tarfile.TarInfo("bytes")
        entry.size = LAYER
        with Path("/dev/urandom").open("rb", buffering=0) as source:
            tar.addfile(entry, io.BufferedReader(source))
    client.api.import_image_from_file(str(made), repository=name, tag=TAG)
    made.unlink()
    for line in client.images.push(name, tag=TAG, stream=True, decode=True):
        if "error" in line:
            raise Problem(f"The image was not pushed: {line['error']}")
    client.images.remove(f"{name}:{TAG}", force=True)
