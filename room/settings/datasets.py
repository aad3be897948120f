"""The section of ``room.yaml`` on datasets."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from room.datasets import addresses, peers
from room.settings.base import Section
from room.settings.values import Count, Size
from room.values import shown

#: Bytes.
GIB = 1024**3


def _check_host(text: str) -> str:
    if peers.network(text) is None and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*)", text):
        raise ValueError(
            f"{shown(text)} is no host: write a name, an address or a network, as 10.20.0.0/16"
        )
    return text


class DatasetsSection(Section):
    """From where instructors may publish datasets, and what may be uploaded."""

    protocols: tuple[addresses.Known, ...] = Field(
        addresses.PROTOCOLS,
        description="With what an address may begin. http can be read and changed by anyone on "
        "the way.",
    )
    hosts: tuple[Annotated[str, AfterValidator(_check_host)], ...] = Field(
        (),
        description="Names, addresses and networks that may be asked though they are not public. "
        "The room's own networks and the cloud's metadata service must not be among them.",
        examples=[["minio.school.lan", "10.20.0.0/16"]],
    )

    uploads: Annotated[Size, Field(ge=0)] = Field(
        200 * GIB,
        description="What somebody's uploads that are not published yet may take together.",
    )
    upload_days: Annotated[Count, Field(ge=1, le=365)] = Field(
        7, description="After how many days an upload that nobody goes on with is removed."
    )

    @property
    def rules(self) -> addresses.Rules:
        """Return what the agent goes by when it fetches."""
        return addresses.Rules(self.protocols, self.hosts)
