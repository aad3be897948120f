"""The keys of ``room.yaml`` on images, and on where they get their packages."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from room.settings.base import Section
from room.settings.values import FilePath, Url
from room.values import shown


def _check_base(text: str) -> str:
    if text in ("", "bootstrap") or re.fullmatch(r"[^\s@]+@sha256:[0-9a-f]{64}", text):
        return text
    raise ValueError(
        f"{shown(text)} could be another image tomorrow: write name@sha256:…, or bootstrap, or "
        "leave it out"
    )


class Mirrors(Section):
    """Where images get their packages. Empty: what this machine itself is configured to use."""

    debian: Url = Field(
        "",
        description="Debian's packages, for Debian 13; ends in /debian.",
        examples=["https://mirror.school.example/debian"],
    )
    pypi: Url = Field(
        "",
        description="Python's packages: a simple index.",
        examples=["https://mirror.school.example/pypi/simple"],
    )
    npm: Url = Field(
        "",
        description="The proxy's packages: an npm registry.",
        examples=["https://mirror.school.example/npm"],
    )
    pytorch: Url = Field(
        "",
        description="PyTorch's wheels for a CUDA that PyPI does not carry: the folder that holds "
        "cu126 and cu130.",
        examples=["https://mirror.school.example/pytorch/whl"],
    )
    ca_file: FilePath | None = Field(
        None,
        description="Your site's certificate authority, PEM, where mirrors need it. It is used "
        "while images are built, and ends up in none.",
        examples=["/etc/torchroom/ca.crt"],
    )


class Images(Section):
    """What students' servers are made of."""

    cuda: Literal["cu126", "cu128", "cu130"] = Field(
        "cu128",
        description="PyTorch's CUDA: cu128 for Volta to Blackwell; cu126 for Maxwell to Hopper; "
        "cu130 for Turing to Blackwell with a driver from 580 on.",
    )
    flavor: Literal["runtime", "devel"] = Field(
        "runtime", description="devel adds compilers, for people who build CUDA extensions."
    )
    base: Annotated[str, AfterValidator(_check_base)] = Field(
        "",
        description="The Debian 13 image that all start from, by digest. bootstrap: make it from "
        "the Debian mirror. Empty: a registry's where one answers, else bootstrap.",
        examples=["bootstrap"],
    )
