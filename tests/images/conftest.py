"""The room's images, built where they are missing, and homes to mount into them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from engine import images
from room.settings import Settings
from tests.utils.user_server import docker

pytestmark = pytest.mark.images


@pytest.fixture(scope="session")
def tags() -> dict[str, str]:
    """Return every image's tag; what is missing is built first."""
    return images.ensure(Settings())


@pytest.fixture(scope="session")
def pytorch(tags: dict[str, str]) -> str:
    return tags["pytorch"]


class Home:
    """A student's home: a volume that is empty at first and belongs to 1000:100, mode 0700."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.volume = f"images-test-{secrets.token_hex(4)}"
        docker("volume", "create", self.volume)
        self._owned = False

    @property
    def mount(self) -> str:
        if not self._owned:
            self.prepare("true")
        return f"--mount=type=volume,src={self.volume},dst=/home/jovyan,volume-nocopy"

    def prepare(self, command: str) -> None:
        """Run ``command`` in the home as its owner."""
        give = "chown 1000:100 /home/jovyan && chmod 0700 /home/jovyan && "
        become = "exec setpriv --reuid=1000 --regid=100 --clear-groups "
        become += 'env HOME=/home/jovyan sh -ec "$SCRIPT"'
        self._owned = True
        docker(
            "run", "--rm", "--network=none", "--user=0:0", f"--env=SCRIPT={command}", self.mount,
            self.image, "sh", "-ec", give + become,
        )  # fmt: skip

    def remove(self) -> None:
        docker("volume", "rm", "--force", self.volume)


@pytest.fixture
def home(pytorch: str) -> Iterator[Home]:
    made = Home(pytorch)
    yield made
    made.remove()
