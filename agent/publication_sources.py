"""What the agent is asked to publish from, as a source that ``publishing.sources`` reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from room import names
from room.datasets.paths import check


@dataclass(frozen=True, slots=True)
class Places:
    """Where on this host the agent finds what is published from."""

    homes: Path
    uploads: Path


class HomeSource(BaseModel):
    """A folder or a file in somebody's home; an empty path is all of it."""

    kind: Literal["home"]
    user: Annotated[str, Field(min_length=1, max_length=255)]
    path: Annotated[str, Field(max_length=3072)] = ""
    unpack: bool = False

    def found(self, places: Places) -> dict[str, Any]:
        """Return the source. Raises ``PathRefusedError``."""
        return {
            "kind": "home",
            "user": self.user,
            "path": str(places.homes / names.home_directory(self.user)),
            "below": check(self.path) if self.path.strip("/. ") else "",
            "unpack": self.unpack,
        }


class UploadSource(BaseModel):
    """What somebody sent through the console."""

    kind: Literal["upload"]
    upload: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    unpack: bool = False

    def found(self, places: Places) -> dict[str, Any]:
        """Return the source."""
        return {
            "kind": "upload",
            "upload": self.upload,
            "path": str(places.uploads),
            "below": f"{self.upload}/tree",
            "unpack": self.unpack,
        }


#: They are told apart by ``kind``.
AnySource = Annotated[HomeSource | UploadSource, Field(discriminator="kind")]
