"""What the agent is asked to publish from, as a source that ``publishing.sources`` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from room import names
from room.datasets import addresses
from room.datasets.addresses import LONGEST, Access, Rules, Wanted
from room.datasets.paths import check

#: Text that nobody else may read.
Hidden = Annotated[str, Field(max_length=LONGEST)]


@dataclass(frozen=True, slots=True)
class Places:
    """Where on this host the agent finds what is published from, and whom else it may ask."""

    homes: Path
    uploads: Path
    rules: Rules = field(default_factory=Rules)


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

    def secret(self) -> Mapping[str, Any] | None:
        return None


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

    def secret(self) -> Mapping[str, Any] | None:
        return None


class AccessModel(BaseModel):
    """With what servers let the room in. It is in no message, and in no log."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __repr__(self) -> str:
        return "AccessModel()"

    user: Hidden = ""
    password: Hidden = ""
    token: Hidden = ""
    key: Hidden = ""
    secret: Hidden = ""
    endpoint: Hidden = ""


class UrlSource(BaseModel):
    """Files at addresses: of web servers, of S3 buckets, of hubs of datasets."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["url"]
    addresses: tuple[Hidden, ...] = Field(min_length=1, max_length=addresses.MOST, repr=False)
    access: AccessModel = AccessModel()
    unpack: bool = False

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.addresses, Access(**self.access.model_dump()))

    def found(self, places: Places) -> dict[str, Any]:
        """Return the source, with nothing secret in it. Raises ``ValueError``."""
        wanted = addresses.check(self.wanted, places.rules)
        return {
            "kind": "url",
            "addresses": wanted.shown,
            "rules": {"protocols": places.rules.protocols, "hosts": places.rules.hosts},
            "unpack": self.unpack,
        }

    def secret(self) -> Mapping[str, Any] | None:
        return self.wanted.as_dict()


#: A kind is told by its ``kind``.
AnySource = Annotated[HomeSource | UploadSource | UrlSource, Field(discriminator="kind")]
